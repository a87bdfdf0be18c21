"""Whether the benchmark of the senses measures what they do, and not how fast they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.costs import Args, frames, seconds_of_sound, spent_ms, windows
from perception.face.datasets import Faces


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


def test_frames_hold_faces_or_say_that_they_do_not(rng):
    pictures = rng.integers(0, 255, (14, 48, 48)).astype(np.uint8)
    noise = Faces(pictures, np.arange(14) % 7, np.array(["PublicTest"] * 14), np.array([""] * 14))
    work = frames(noise, rng)
    first, second = work(), work()
    assert (first.estimate is None) == (first.reason != "")
    assert second.time_s == first.time_s + 0.04


def test_too_few_repeats_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allowed are 10"):
        Args(tmp_path, repeats=3)
