import json
from pathlib import Path

import numpy as np
import pytest

from datasets.voices import DatasetError, list_ravdess, load_folds, load_ravdess, parse_name


def test_name_code():
    clip = parse_name(Path("Actor_12/03-01-05-02-01-02-12.flac"))
    assert (clip.emotion, clip.index, clip.strong, clip.statement, clip.repetition, clip.actor) == (
        "angry",
        4,
        True,
        1,
        2,
        12,
    )
    assert clip.female


@pytest.mark.parametrize(
    "name",
    ["a.wav", "03-01-09-01-01-01-01.wav", "03-01-01-01-01-01-25.wav", "01-01-01-01-01-01-01.wav", "3-1-1-1-1-1-1.wav"],
)
def test_bad_names(name):
    with pytest.raises(DatasetError, match=name):
        parse_name(Path(name))


def test_wrong_folders(tmp_path):
    with pytest.raises(DatasetError, match="no folder"):
        load_ravdess(tmp_path / "nowhere")
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01" / "03-01-01-01-01-01-02.wav").touch()
    with pytest.raises(DatasetError, match="holds no clips of RAVDESS"):
        load_ravdess(tmp_path)


@pytest.mark.parametrize("place", ["Actor_01", "", "Audio_Speech_Actors_01-24/Actor_01", "a/b/c"])
def test_clips_lie_in_folders_of_actors_or_in_one(tmp_path, place):
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("03-01-05-01-02-01-01.wav", "03-02-05-01-02-01-01.wav", "notes.wav", "._03-01-05-01-02-01-01.wav"):
        (folder / name).touch()
    clips, left_out = list_ravdess(tmp_path)
    assert [(clip.emotion, clip.actor) for clip in clips] == [("angry", 1)]
    why = {failure.file.name: failure.reason for failure in left_out}
    assert "channel 2" in why["03-02-05-01-02-01-01.wav"] and "no RAVDESS name" in why["notes.wav"]
    assert "hidden" in why["._03-01-05-01-02-01-01.wav"] and len(why) == 3


def test_clips_of_another_actor_and_second_copies_are_left_out(tmp_path):
    for name in ("Actor_01/03-01-01-01-01-01-02.wav", "Actor_02/03-01-01-01-01-01-02.wav"):
        for top in (tmp_path, tmp_path / "copy"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).touch()
    clips, left_out = list_ravdess(tmp_path)
    assert [clip.path for clip in clips] == [tmp_path / "Actor_02" / "03-01-01-01-01-01-02.wav"]
    assert [failure.reason for failure in left_out] == [
        "names actor 2 but lies in Actor_01",
        "names actor 2 but lies in Actor_01",
        "a second copy",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"test_actors": 3}',
        '{"test_actors": [[1]]}',
        '{"test_actors": [[1, 2], [2]]}',
        '{"test_actors": [[1], []]}',
    ],
)
def test_bad_folds(tmp_path, text):
    path = tmp_path / "folds.json"
    with pytest.raises(DatasetError, match="missing"):
        load_folds(path)
    path.write_text(text)
    with pytest.raises(DatasetError, match="folds"):
        load_folds(path)


def test_the_real_folder(ravdess, folds_file):
    clips = load_ravdess(ravdess)
    assert len(clips) == 1439  # 1440 less the duplicate
    assert "03-01-03-01-02-02-07" not in {clip.path.stem for clip in clips}
    actors = np.array([clip.actor for clip in clips])
    assert sum(clip.emotion == "neutral" for clip in clips) == 96  # no strong version
    folds = load_folds(folds_file)
    masks = np.stack([folds.test_mask(actors, fold) for fold in range(6)])
    assert (masks.sum(axis=0) == 1).all()
    for mask in masks:
        assert not set(actors[mask]) & set(actors[~mask])
    with pytest.raises(DatasetError, match="fold 6"):
        folds.test_mask(actors, 6)
    assert len(json.loads(folds_file.read_text())["test_actors"]) == 6
