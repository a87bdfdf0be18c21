import os

import pytest

from geometry.folders import files_below, is_hidden


def test_folders_behind_links_count_once_and_never_go_round(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for place in (data / "b", elsewhere / "deep"):
        place.mkdir(parents=True)
        (place / "x.wav").touch()
    (data / "a.wav").touch()
    (elsewhere / "c.wav").touch()
    (data / "linked").symlink_to(elsewhere)
    (data / "linked again").symlink_to(elsewhere)
    (elsewhere / "deep" / "up").symlink_to(data)
    (data / "a link to b").symlink_to(data / "b")
    (data / "gone.wav").symlink_to(tmp_path / "nowhere")
    found = [path.relative_to(data).as_posix() for path in files_below(data)]
    assert found == ["a.wav", "b/x.wav", "gone.wav", "linked/c.wav", "linked/deep/x.wav"]


def test_hidden_is_what_begins_with_a_dot_or_came_from_a_mac_below_the_folder(tmp_path):
    folder = tmp_path / ".kept"
    assert not is_hidden(folder / "cup.obj", folder)
    assert is_hidden(folder / "._cup.obj", folder)
    assert is_hidden(folder / ".git" / "cup.obj", folder)
    assert is_hidden(folder / "__MACOSX" / "cup.obj", folder)


def test_a_folder_that_cannot_be_listed_is_no_empty_one(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").touch()
    scan = os.scandir

    def closed(place):
        if str(place).endswith("a"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr("os.scandir", closed)  # whoever is root may list them all
    with pytest.raises(PermissionError, match="Permission denied"):
        files_below(tmp_path)
