"""Whether the benchmark of the senses measures what they do, and not how fast they refuse."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.costs import Args, frames, seconds_of_sound, spent_ms, windows
from datasets.faces import Faces
from tests.faces import drawn_face
from tests.processes import run


def test_every_call_is_made_and_the_first_are_not_counted():
    calls = []
    spent = spent_ms(lambda: calls.append(sum(range(1000 if len(calls) > 2 else 3_000_000))), 20, "sums")
    assert len(calls) == 23
    assert 0.0 <= spent["median"] <= spent["p95"]


def test_a_window_of_voice_is_judged():
    judgement = windows()()
    assert np.isfinite(judgement.logits).all()
    assert judgement.speech > 0.5


def test_a_voice_is_followed_where_it_is(rng):
    work = seconds_of_sound(rng)
    heard = [direction.azimuth_rad for _ in range(8) for direction in work()]
    assert len(heard) > 20
    assert abs(np.median(heard) - np.arctan2(1.5, 2.0)) < 0.1


def test_frames_are_those_with_faces():
    face = cv2.resize(cv2.cvtColor(drawn_face(320, 240), cv2.COLOR_BGR2GRAY)[:, 40:280], (48, 48))
    faces = Faces(np.stack([face] * 14), np.arange(14) % 7, np.array(["PublicTest"] * 14), np.array([""] * 14))
    work = frames(faces, np.random.default_rng(0))
    readings = [work() for _ in range(5)]
    assert all(reading.estimate is not None for reading in readings)
    assert np.allclose(np.diff([reading.time_s for reading in readings]), 0.1)


def test_pictures_without_a_face_are_told():
    blank = Faces(
        np.zeros((14, 48, 48), np.uint8), np.arange(14) % 7, np.array(["PublicTest"] * 14), np.array([""] * 14)
    )
    with pytest.raises(ValueError, match="no face is found in 100 frames"):
        frames(blank, np.random.default_rng(0))


def test_what_cannot_be_had_is_one_line(tmp_path):
    done = run("python", "benchmarks/costs.py", "--faces", tmp_path / "nowhere.tar.gz")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ") and "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_few_repeats_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allowed are 10"):
        Args(tmp_path, repeats=3)
