import json
from pathlib import Path

import numpy as np
import pytest

from datasets.voices import DatasetError, load_folds, load_ravdess, parse_name


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
    with pytest.raises(DatasetError, match="no folders Actor_01"):
        load_ravdess(tmp_path)
    (tmp_path / "Actor_01").mkdir()
    with pytest.raises(DatasetError, match="hold no"):
        load_ravdess(tmp_path)
    (tmp_path / "Actor_01" / "03-01-01-01-01-01-02.wav").touch()
    with pytest.raises(DatasetError, match="lies in Actor_01"):
        load_ravdess(tmp_path)


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
