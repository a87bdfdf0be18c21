"""Inputs of reports, as they were sent: each is read as it was meant, or refused by name while the others go on."""

from pathlib import Path

import pytest

from cli.main import cli
from datasets.voice_corpora import load_corpus, recognise
from perception.face.pictures import MOST_PIXELS, PictureError, read_header, read_picture
from perception.speech.audio import read_sound
from perception.speech.windows import VoiceWindows, WindowConfig


@pytest.fixture(scope="session")
def reports(shared_data: Path) -> Path:
    folder = shared_data / "reports"
    return folder if folder.is_dir() else pytest.skip(f"{folder} is not here")


@pytest.mark.parametrize(
    ("folder", "good", "left_out"), [("01_cremad_one_letter", 3, 1), ("02_corpus_zipped_on_a_mac", 2, 2)]
)
def test_strays_do_not_hide_a_corpus(reports, folder, good, left_out):
    assert recognise(reports / folder) == "cremad"
    listed = load_corpus("cremad", reports / folder)
    assert (len(listed.recordings), len(listed.left_out)) == (good, left_out)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("15_mp3_inside.wav", 5.0),
        ("16_length_zero.wav", 5.0),
        ("19_telephone_recordings/a.wav", 5.0),
        ("19_telephone_recordings/b.3gp", 5.0),
        ("19_telephone_recordings/c.wma", 5.0),
        ("19_telephone_recordings/d.au", 5.0),
    ],
)
def test_sounds_are_read_whole(reports, name, seconds):
    assert read_sound(reports / name).duration_s == pytest.approx(seconds, abs=0.15)


def test_hum_and_a_short_word_are_judged(reports):
    windows = [_times(reports / name) for name in ("17_mains_hum_50hz.wav", "17_mains_hum_control.wav")]
    assert windows[0] == windows[1] and len(windows[0]) == 9
    assert len(_times(reports / "18_word_of_0.9_s.wav")) == 1


def _times(path: Path) -> list[float]:
    windows = VoiceWindows(WindowConfig(hop_s=0.5))
    return [window.time_s for window in windows.push(read_sound(path).samples) + windows.finish()]


def test_a_folder_of_telephone_recordings_is_judged_whole(reports, capsys):
    assert cli(["predict", "speech", str(reports / "19_telephone_recordings")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("name", ["chunk_1GB.png", "chunk_2GB.png", "dup.tif", "tem_1000.jpg", "tem_32000.jpg"])
def test_pictures_that_lie_about_their_size(reports, name):
    """They cost up to 6 GB: they are refused by what their header tells, before room is made."""
    with pytest.raises(PictureError, match=rf"{name} .*(truncated|allowed|damaged)"):
        told = read_header((reports / "attack" / name).read_bytes(), name)
        assert not told.complete or told.width * told.height > MOST_PIXELS
        read_picture(reports / "attack" / name)
