from __future__ import annotations

import numpy as np
import pytest

from envs.companion.acoustics import RATE_HZ, SOUND_M_S, Acoustics, AcousticsConfig
from evaluation.sound.rooms import speech_like
from geometry.transforms import wrap
from perception.sound.array import HeadPose, MicArray
from perception.sound.doa import DoaStream

BARE = AcousticsConfig(reflected=0.0, floor_reflected=0.0, noise=0.0)
BLOCK = 320


def run(sound: np.ndarray, place: np.ndarray, mics: np.ndarray, config: AcousticsConfig = BARE, block=BLOCK):
    room = Acoustics(len(mics), np.random.default_rng(0), config)
    blocks = [room.hear({"voice": (sound[at : at + block], place)}, mics) for at in range(0, len(sound), block)]
    return np.concatenate(blocks, axis=1)


def test_sound_comes_later_and_weaker_from_farther_away():
    sound = np.zeros(3200)
    sound[100] = 1.0
    mics = np.array([[0.0, 0.0, 1.0], [-2.0, 0.0, 1.0]])
    heard = run(sound, np.array([1.0, 0.0, 1.0]), mics)
    for row, way in zip(heard, (1.0, 3.0), strict=True):
        assert np.abs(row).argmax() == pytest.approx(100 + way / SOUND_M_S * RATE_HZ, abs=0.51)
        assert np.sqrt((row**2).sum()) == pytest.approx(1 / way, rel=0.1)


def test_the_size_of_blocks_changes_nothing_while_nothing_moves():
    sound = np.random.default_rng(1).normal(size=3200)
    mics = np.array([[0.3, 0.1, 0.4]])
    place = np.array([1.7, -2.0, 1.5])
    np.testing.assert_allclose(
        run(sound, place, mics, block=320), run(sound, place, mics, block=640), rtol=0, atol=1e-9
    )


def test_walls_floor_and_ceiling_add_six_echoes():
    sound = np.zeros(4800)
    sound[0] = 1.0
    mics, place = np.array([[0.5, -1.0, 0.4]]), np.array([1.0, 2.0, 1.5])
    config = AcousticsConfig(noise=0.0)
    heard = run(sound, place, mics, config)[0]
    x, y, z = config.size_m
    images = [place, *(place * (1 - 2 * np.eye(3)[k]) + add * np.eye(3)[k] for k, add in (
        (0, x), (0, -x), (1, y), (1, -y), (2, 0.0), (2, 2 * z)))]  # fmt: skip
    for image in images:
        at = round(float(np.linalg.norm(image - mics[0])) / SOUND_M_S * RATE_HZ)
        assert np.abs(heard[at - 2 : at + 3]).max() > 0.02
    arrivals = [np.linalg.norm(image - mics[0]) / SOUND_M_S * RATE_HZ for image in images]
    quiet = np.ones(len(heard), bool)
    for at in arrivals:
        quiet[max(round(at) - 9, 0) : round(at) + 10] = False
    assert np.abs(heard[quiet]).max() < 1e-9


def test_what_was_said_still_arrives_when_the_source_is_silent_and_is_then_forgotten():
    room = Acoustics(1, np.random.default_rng(0), BARE)
    mics = np.array([[-3.0, 0.0, 1.0]])
    burst = np.zeros(BLOCK)
    burst[-1] = 1.0
    first = room.hear({"voice": (burst, np.array([3.0, 0.0, 1.0]))}, mics)
    later = np.concatenate([room.hear({}, mics) for _ in range(3)], axis=1)
    assert np.abs(first).max() < 1e-12
    assert np.abs(later).max() > 0.1
    for _ in range(10):
        last = room.hear({}, mics)
    assert not last.any()  # there is nothing left to be rounded


@pytest.mark.parametrize("bearing_deg", [0.0, 100.0, -140.0])
def test_a_voice_is_located_by_the_array(bearing_deg):
    rng = np.random.default_rng(3)
    array, pose = MicArray(), HeadPose(0.5, -0.3, 0.6)
    mics = np.column_stack([array.positions_world(pose), np.full(array.mics, 0.45)])
    bearing = np.radians(bearing_deg)
    place = np.array([0.5 + 3 * np.cos(bearing), -0.3 + 3 * np.sin(bearing), 1.5])
    stream = DoaStream(array)
    heard = run(0.1 * speech_like(2.0, rng), place, mics, AcousticsConfig())
    found = [one for one in stream.push(heard, pose) if one.heard]
    assert len(found) >= 5
    off = np.degrees(np.abs([wrap(one.azimuth_rad - bearing) for one in found]))
    assert np.median(off) < 5.0


def test_same_seed_same_sound_and_nothing_clicks_while_the_head_turns():
    sound = 0.1 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)

    def turning() -> np.ndarray:
        room, array = Acoustics(4, np.random.default_rng(0)), MicArray()
        blocks = []
        for number in range(50):
            pose = HeadPose(0.0, 0.0, 0.05 * number)
            mics = np.column_stack([array.positions_world(pose), np.full(4, 0.45)])
            chunk = sound[number * BLOCK : (number + 1) * BLOCK]
            blocks.append(room.hear({"voice": (chunk, np.array([2.0, 1.0, 1.5]))}, mics))
        return np.concatenate(blocks, axis=1)

    one = turning()
    np.testing.assert_array_equal(one, turning())
    steps = np.abs(np.diff(one[:, 2000:], axis=1))
    assert steps.max() < 1.6 * np.quantile(steps, 0.95)


def test_bad_blocks_places_and_rooms_are_refused():
    room = Acoustics(1, np.random.default_rng(0), BARE)
    mics, place = np.zeros((1, 3)), np.ones(3)
    with pytest.raises(ValueError, match="one length"):
        room.hear({"a": (np.zeros(10), place), "b": (np.zeros(20), place)}, mics)
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        room.hear({}, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="'a' is at"):
        room.hear({"a": (np.zeros(10), np.full(3, np.nan))}, mics)
    with pytest.raises(ValueError, match="size_m"):
        AcousticsConfig(size_m=(8.0, 8.0, 0.5))
