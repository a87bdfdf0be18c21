from __future__ import annotations

import numpy as np
import pytest

from envs.companion.person import WALKING_M_S, Person, Sit, Stand, TurnTo, Wait, WalkTo

DT_S = 0.02
FEET = (8, 11)


def live(person: Person, seconds: float) -> list[np.ndarray]:
    """Let time pass; the links' places at every step, (12, 3)."""
    places = []
    for _ in range(round(seconds / DT_S)):
        person.step(DT_S)
        places.append(person.frames()[:, :3, 3])
    return places


def soles(person: Person) -> np.ndarray:
    """(2,) m: height of the soles, below the ankles by what a foot is high."""
    return person.frames()[FEET, 2, 3] - 0.07


def test_somebody_of_one_metre_seventy_stands_on_the_ground():
    person = Person((1.0, 2.0), 0.5)
    np.testing.assert_allclose(soles(person), 0.0, atol=1e-9)
    frames = person.frames()
    assert frames.shape == (len(person.links), 4, 4) == (12, 4, 4)
    assert frames[1, 2, 3] + 0.115 == pytest.approx(1.70, abs=0.03)
    np.testing.assert_allclose(frames[0, :2, 3], (1.0, 2.0))


def test_the_voice_comes_from_before_the_head():
    mouth = Person((0.0, 0.0), np.pi / 2).mouth
    assert mouth[1] > 0.1
    assert abs(mouth[0]) < 1e-9
    assert 1.4 < mouth[2] < 1.65


def test_walking_turns_first_goes_straight_and_arrives():
    person = Person((0.0, 0.0), 0.0)
    person.ask(WalkTo((0.0, 2.0)))
    live(person, np.pi / 2 / 1.6 - DT_S)
    np.testing.assert_allclose(person.place, 0.0)
    live(person, 2.0 / WALKING_M_S + 3 * DT_S)
    np.testing.assert_allclose(person.place, (0.0, 2.0), atol=1e-9)
    assert person.yaw == pytest.approx(np.pi / 2)
    assert not person.busy


def test_legs_swing_while_walking_and_one_foot_is_always_down():
    person = Person((0.0, 0.0), 0.0)
    person.ask(WalkTo((4.0, 0.0)))
    lows, apart = [], []
    for _ in range(150):
        person.step(DT_S)
        lows.append(soles(person).min())
        apart.append(np.ptp(person.frames()[FEET, 0, 3]))
    assert np.abs(lows).max() < 1e-9
    assert max(apart) > 0.3


def test_sitting_leaves_the_feet_where_they_are_and_lowers_the_hips():
    person = Person((0.0, 0.0), 0.0)
    before = person.frames()[FEET, :3, 3]
    person.ask(Sit())
    live(person, 1.5)
    assert person.sitting == 1.0
    np.testing.assert_allclose(person.frames()[FEET, :3, 3], before, atol=1e-9)
    assert person.frames()[0, 2, 3] == pytest.approx(0.49, abs=0.01)
    person.ask(Stand())
    live(person, 1.5)
    np.testing.assert_allclose(soles(person), 0.0, atol=1e-9)
    assert person.sitting == 0.0


def test_who_sits_gets_up_before_walking():
    person = Person((0.0, 0.0), 0.0)
    person.ask(Sit(), WalkTo((1.0, 0.0)))
    live(person, 2.0)
    assert 0.0 < person.sitting < 1.0
    np.testing.assert_allclose(person.place, 0.0)
    live(person, 4.0)
    np.testing.assert_allclose(person.place, (1.0, 0.0), atol=1e-9)


def test_things_are_done_in_turn():
    person = Person((0.0, 0.0), 0.0)
    person.ask(Wait(1.0), TurnTo(3.0))
    live(person, 0.9)
    assert person.yaw == 0.0
    live(person, 3.0)
    assert person.yaw == pytest.approx(3.0)
    assert not person.busy


def test_nothing_jumps():
    person = Person((0.0, 0.0), 0.0)
    person.ask(WalkTo((1.0, 1.0)), Sit(), Stand(), WalkTo((0.0, 0.0)), TurnTo(0.0))
    places = np.stack(live(person, 14.0))
    assert not person.busy
    assert np.linalg.norm(np.diff(places, axis=0), axis=2).max() < 0.09


def test_poses_are_frames_as_quaternions():
    person = Person((0.3, -0.2), 1.0)
    poses = person.link_poses()
    assert poses.shape == (12, 7)
    np.testing.assert_allclose(np.linalg.norm(poses[:, 3:], axis=1), 1.0)
    np.testing.assert_allclose(poses[:, :3], person.frames()[:, :3, 3])


@pytest.mark.parametrize("action", [WalkTo((np.nan, 0.0)), TurnTo(np.inf), Wait(-1.0)])
def test_what_cannot_be_done_is_refused(action):
    with pytest.raises(ValueError, match="came"):
        Person((0.0, 0.0), 0.0).ask(action)


@pytest.mark.parametrize("aside", [0.0, 0.2, -0.3])
def test_somebody_walks_round_a_dog_and_arrives(aside):
    person, dog = Person((0.0, 0.0), 0.0), np.array([2.0, aside])
    person.ask(WalkTo((4.0, 0.0)))
    nearest = np.inf
    for _ in range(round(9.0 / DT_S)):
        person.step(DT_S, dog)
        nearest = min(nearest, float(np.hypot(*(person.place - dog))))
    assert nearest > 0.5
    np.testing.assert_allclose(person.place, (4.0, 0.0), atol=0.02)


def test_somebody_stops_before_a_dog_that_lies_where_they_want_to_be():
    person, dog = Person((0.0, 0.0), 0.0), np.array([1.9, 0.1])
    person.ask(WalkTo((2.0, 0.0)), Sit())
    for _ in range(round(6.0 / DT_S)):
        person.step(DT_S, dog)
    assert 0.4 < np.hypot(*(person.place - dog)) < 1.3
    assert person.sitting == 1.0
