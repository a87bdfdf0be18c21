from __future__ import annotations

import pytest

from perception.sound.doa import DoaEstimate
from policies.attention import Attention, AttentionConfig, Listener


def heard(azimuth: float, track: int = 1, confidence: float = 0.9, heard: bool = True) -> DoaEstimate:
    return DoaEstimate(azimuth, confidence, 0.0, azimuth, 0.05, track, heard)


def listen(listener: Listener, start: float, seconds: float, directions, speech: float | None) -> Attention:
    """The same directions every 100 ms, in control steps of 20 ms."""
    attention = Attention()
    for step in range(round(seconds / 0.02)):
        attention = listener.step(directions if step % 5 == 0 else [], speech, start + 0.02 * step)
    return attention


def test_a_voice_is_attended_to_and_remembered_for_a_while():
    listener = Listener()
    assert listen(listener, 0.0, 2.0, [heard(0.7)], 0.9)[:2] == (0.7, True)
    assert listen(listener, 2.0, 7.0, [], 0.9)[:2] == (0.7, True)
    assert listen(listener, 9.0, 2.0, [], 0.9).azimuth_rad is None


def test_what_is_no_voice_gets_a_glance_and_is_not_obeyed():
    listener = Listener()
    early = listen(listener, 0.0, 1.0, [heard(-1.2)], 0.05)
    assert early[:2] == (-1.2, False)
    assert listen(listener, 1.0, 3.0, [heard(-1.2)], 0.05).azimuth_rad is None


def test_a_sound_that_turns_out_to_be_a_voice_is_obeyed():
    listener = Listener()
    assert not listen(listener, 0.0, 0.6, [heard(0.4)], None).voice
    assert listen(listener, 0.6, 0.4, [heard(0.4)], 0.8)[:2] == (0.4, True)


def test_a_bang_does_not_draw_the_dog_away_from_who_speaks():
    listener = Listener()
    listen(listener, 0.0, 2.0, [heard(0.7)], 0.9)
    both = [heard(0.7), heard(-2.0, track=2, confidence=0.7)]
    assert listen(listener, 2.0, 0.4, both, 0.9)[:2] == (0.7, True)
    # Nor is it remembered as a voice when both are silent.
    assert listen(listener, 2.4, 3.0, [], 0.9)[:2] == (0.7, True)


def test_the_dog_turns_to_another_voice_when_the_first_is_silent():
    listener = Listener()
    listen(listener, 0.0, 2.0, [heard(0.7)], 0.9)
    assert listen(listener, 2.5, 1.0, [heard(-1.5, track=2)], 0.9)[:2] == (-1.5, True)


def test_the_direction_follows_who_walks():
    listener = Listener()
    listen(listener, 0.0, 1.0, [heard(0.7)], 0.9)
    assert listen(listener, 1.0, 0.2, [heard(0.9)], 0.9).azimuth_rad == 0.9


def test_unsure_directions_and_tracks_that_wait_move_nothing():
    listener = Listener()
    assert (
        listen(listener, 0.0, 1.0, [heard(0.7, confidence=0.3), heard(0.2, track=2, heard=False)], 0.9) == Attention()
    )


def test_reset_forgets():
    listener = Listener()
    listen(listener, 0.0, 1.0, [heard(0.7)], 0.9)
    listener.reset()
    assert listener.step([], 0.9, 1.1) == Attention()


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="probabilities"):
        AttentionConfig(least_speech=1.5)
