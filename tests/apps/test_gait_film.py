from __future__ import annotations

import av
import numpy as np
import pytest

from apps.gait_film import FRAMES_HZ, Record, record
from envs.locomotion.cases import Case


def test_a_walk_is_filmed_with_its_contacts(tmp_path, capsys):
    path = record(Record(tmp_path / "deep" / "walk.mp4", "none", Case("trot", 0.5, terrain="stairs"), seconds=1.0))
    assert capsys.readouterr().err.splitlines() == ["the dog stayed up for 1.0 s", f"film: {path}"]
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == FRAMES_HZ
    assert frames[0].shape == (576, 640, 3)
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 1.0, "nothing moves"
    strip = frames[-1][480:].astype(int)
    assert (strip.max(axis=2) < 110).sum() > 200, "no contact is drawn"
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_filmed_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"0\.1 to 600"):
        record(Record(tmp_path / "x.mp4", "none", seconds=0.0))
    with pytest.raises(ValueError, match="--seed -1 came"):
        record(Record(tmp_path / "x.mp4", "none", seed=-1))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        record(Record(tmp_path / "file" / "x.mp4", "none", seconds=0.2))
    with pytest.raises(OSError, match="is a folder"):
        record(Record(tmp_path, "none", seconds=0.2))
    with pytest.raises(ValueError, match="/nowhere"):
        record(Record(tmp_path / "x.mp4", "/nowhere"))
