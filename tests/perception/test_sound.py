import json
import math

import numpy as np
import pytest

from geometry.transforms import wrap
from perception.sound.array import MOST_BLOCK_S, RATE_HZ, HeadPose, MicArray, SoundInputError
from perception.sound.doa import DoaConfig, DoaStream
from perception.sound.spatial_spectrum import GRID, HOP_S, Peak, grid_rad, highest
from perception.sound.tracks import TrackConfig, Tracker, seen_from

ARRAY = MicArray()
CENTRE = HeadPose(3.0, 2.5)


def far_source(sound: np.ndarray, head_azimuth: np.ndarray | float, array: MicArray = ARRAY) -> np.ndarray:
    """A plane wave without a room: each microphone hears the sound earlier by its place towards the source."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    towards = np.array([np.cos(head_azimuth), np.sin(head_azimuth)])
    lead = array.positions @ towards / 343.0
    return np.fft.irfft(np.fft.rfft(sound) * np.exp(2j * np.pi * lead[:, None] * frequencies), len(sound))


def syllables(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Bursts of noise, four in a second, after half a second of nothing."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 0.05 * rng.normal(size=len(t)) * np.clip(np.sin(2 * np.pi * 4 * t), 0, None) * (t > 0.5)


def heard(samples, poses=None, chunk=1_600, **settings):
    stream, out = DoaStream(**settings), []
    for k, start in enumerate(range(0, samples.shape[1], chunk)):
        out += stream.push(samples[:, start : start + chunk], None if poses is None else poses[k])
    return out


def degrees_off(direction, truth):
    return abs(math.degrees(wrap(direction.azimuth_rad - truth)))


@pytest.mark.parametrize("azimuth", [0.0, 1.0, math.pi, -2.5, -0.4])
def test_a_source_is_found_where_it_is(azimuth):
    rng = np.random.default_rng(0)
    found = heard(far_source(syllables(2.0, rng), azimuth) + 1e-3 * rng.normal(size=(4, 32_000)))
    assert len(found) >= 8
    assert max(degrees_off(d, azimuth) for d in found) < 2.0
    assert {d.track for d in found} == {1}
    assert all(0.0 <= d.confidence <= 1.0 and d.deviation_rad > 0.0 for d in found)
    assert found[-1].confidence > 0.9


def test_output_comes_ten_times_a_second_and_stops_after_the_voice():
    rng = np.random.default_rng(1)
    sound = np.concatenate([syllables(2.0, rng), np.zeros(2 * RATE_HZ)])
    times = [d.time_s for d in heard(far_source(sound, 1.0) + 1e-4 * rng.normal(size=(4, len(sound))))]
    assert 0.6 <= times[0] <= 1.1  # the voice starts at 0.5 s
    assert np.allclose(np.diff(times), HOP_S)
    assert 1.9 <= times[-1] <= 3.2  # memory and hold


def test_any_chunks_give_the_same_directions():
    rng = np.random.default_rng(2)
    samples = far_source(syllables(1.5, rng), 2.0) + 1e-3 * rng.normal(size=(4, 24_000))
    whole = heard(samples, chunk=24_000)
    assert len(whole) > 5
    for chunk in (777, 5_000):
        parts = heard(samples, chunk=chunk)
        assert [d.time_s for d in parts] == [d.time_s for d in whole]
        assert [d.azimuth_rad for d in parts] == pytest.approx([d.azimuth_rad for d in whole])


def test_single_samples_are_welcome_and_reset_is_a_fresh_start():
    stream = DoaStream()
    assert [stream.push(np.zeros((4, 1), np.float32)) for _ in range(50)] == [[]] * 50
    assert stream.time_s == 50 / RATE_HZ
    stream.reset()
    rng = np.random.default_rng(3)
    samples = far_source(syllables(1.5, rng), 2.0)
    first = stream.push(samples)
    stream.reset()
    assert first and stream.push(samples) == first


@pytest.mark.parametrize("kind", ["zeros", "faint", "white", "loud white", "diffuse", "clipped"])
def test_silence_and_noise_give_no_direction(kind):
    from evaluation.sound.rooms import diffuse_noise

    rng = np.random.default_rng(4)
    samples = {
        "zeros": lambda: np.zeros((4, 64_000)),
        "faint": lambda: 1e-5 * rng.normal(size=(4, 64_000)),
        "white": lambda: 0.02 * rng.normal(size=(4, 64_000)),
        "loud white": lambda: 0.3 * rng.normal(size=(4, 64_000)),
        "diffuse": lambda: 0.05 * diffuse_noise(ARRAY, 64_000, rng),
        "clipped": lambda: np.sign(rng.normal(size=(4, 64_000))),
    }[kind]()
    assert heard(samples) == []


def test_one_signal_wired_to_all_channels_has_no_direction():
    sound = syllables(2.0, np.random.default_rng(11))
    assert heard(np.tile(sound, (4, 1))) == []
    assert heard(np.stack([sound, *np.zeros((3, len(sound)))])) == []


def test_voice_in_noise_is_still_found():
    rng = np.random.default_rng(5)
    sound = syllables(3.0, rng)
    noise = np.std(sound) * 10 ** (-5 / 20) * rng.normal(size=(4, len(sound)))
    found = heard(far_source(sound, -1.0) + noise)
    assert len(found) > 8
    assert np.median([degrees_off(d, -1.0) for d in found]) < 3.0


def test_turning_head_keeps_the_direction_in_the_world():
    rng = np.random.default_rng(6)
    sound, rate = syllables(3.0, rng), math.radians(60.0)
    # The head stands still for 25 ms at a time: 1.5 degrees.
    pieces = [far_source(sound, 0.7 - rate * k * 0.025)[:, k * 400 : (k + 1) * 400] for k in range(120)]
    samples = np.concatenate(pieces, axis=1)
    poses = [HeadPose(0.0, 0.0, rate * 0.1 * (k + 1)) for k in range(30)]
    found = heard(samples, poses)
    assert len(found) > 15 and {d.track for d in found} == {1}
    assert np.median([degrees_off(d, 0.7) for d in found]) < 3.0
    for d in found:
        assert wrap(d.head_azimuth_rad + rate * d.time_s - d.azimuth_rad) == pytest.approx(0.0, abs=1e-6)
    # Without its heading the dog would hear the person run around it.
    blind = heard(samples)
    assert not blind or np.median([degrees_off(d, 0.7) for d in blind]) > 20.0


def test_two_voices_give_two_tracks():
    rng = np.random.default_rng(7)
    one, other = far_source(syllables(3.0, rng), 0.5), far_source(np.roll(syllables(3.0, rng), 2_000), -1.5)
    found = heard(one + other + 1e-3 * rng.normal(size=one.shape))
    late = [d for d in found if d.time_s > 2.0]
    by_time = {}
    for d in late:
        by_time.setdefault(d.time_s, []).append(d)
    assert max(len(v) for v in by_time.values()) == 2
    both = [v for v in by_time.values() if len(v) == 2]
    assert len(both) >= 0.7 * len(by_time)
    for pair in both:
        assert min(degrees_off(d, 0.5) for d in pair) < 8.0 and min(degrees_off(d, -1.5) for d in pair) < 8.0


def test_room_with_echo():
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics")
    from evaluation.sound.rooms import Room, Source, record, speech_like

    rng = np.random.default_rng(8)
    errors = []
    for azimuth in (-2.0, 0.3, 1.9):
        place = np.array([CENTRE.x_m + 1.9 * math.cos(azimuth), CENTRE.y_m + 1.9 * math.sin(azimuth), 1.4])
        samples = record(Room(rt60_s=0.3), ARRAY, CENTRE, Source(0.05 * speech_like(2.0, rng), place))
        noise = np.std(samples) * 10 ** (-5 / 20) * rng.normal(size=samples.shape)
        found = heard(samples + noise, [CENTRE] * 20)
        assert found
        errors += [degrees_off(d, azimuth) for d in found]
    assert np.median(errors) < 5.0 and np.percentile(errors, 95) < 15.0


def test_walking_dog_in_a_room():
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics")
    from evaluation.sound.rooms import POSE_S, Room, Source, record_moving, speech_like

    rng = np.random.default_rng(9)
    path = [HeadPose(2.5 + 0.4 * k * POSE_S, 2.0, k * POSE_S - 1.0) for k in range(42)]
    samples = record_moving(Room(), ARRAY, path, Source(0.05 * speech_like(2.0, rng), np.array([3.6, 3.7, 1.3])))
    found = heard(samples + 1e-4 * rng.normal(size=samples.shape), path[1:], chunk=800)
    assert len(found) > 8
    off = []
    for d in found:
        pose = path[round(d.time_s / POSE_S)]
        off.append(degrees_off(d, math.atan2(3.7 - pose.y_m, 3.6 - pose.x_m)))
    assert np.median(off) < 8.0


def test_a_standing_path_is_a_standing_dog():
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics")
    from evaluation.sound.rooms import Room, Source, record, record_moving

    rng = np.random.default_rng(10)
    source = Source(rng.normal(size=5_000), np.array([4.0, 4.0, 1.5]))
    room = Room(rt60_s=0.0)
    still = record(room, ARRAY, CENTRE, source)
    assert still.shape == (4, 5_000)
    assert record_moving(room, ARRAY, [CENTRE] * 10, source) == pytest.approx(still, abs=1e-9)
    with pytest.raises(SoundInputError, match="Lengthen"):
        record_moving(room, ARRAY, [CENTRE] * 3, source)
    with pytest.raises(SoundInputError, match="outside the room"):
        record(room, ARRAY, HeadPose(9.0, 1.0), source)


def good():
    return np.zeros((4, 100), np.float32)


def with_bad(value):
    block = good()
    block[2, 5] = value
    return block


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (np.zeros((4, 0), np.float32), "empty"),
        (np.zeros((3, 100), np.float32), "3 channels"),
        (np.zeros((100, 4), np.float32), "Transpose"),
        (np.zeros(100, np.float32), "shape"),
        (np.zeros((4, 100), np.int16), "32768"),
        (with_bad(np.nan), r"channels \[2\]"),
        (with_bad(-np.inf), "infinite"),
        (with_bad(20_000.0), "32768"),
        (np.broadcast_to(np.float32(0), (4, round(MOST_BLOCK_S * RATE_HZ) + 1)), "pieces"),
        ("sound", "shape"),
        (None, "shape"),
    ],
)
def test_bad_blocks_are_refused_in_one_line_and_change_nothing(block, says):
    stream = DoaStream()
    with pytest.raises(ValueError, match=says) as caught:
        stream.push(block)
    assert "expected" in str(caught.value) or "allowed" in str(caught.value)
    assert "\n" not in str(caught.value) and stream.time_s == 0.0


@pytest.mark.parametrize("pose", [HeadPose(math.nan), HeadPose(0, 0, math.inf), HeadPose(1e9), (1, 2), "here"])
def test_bad_poses(pose):
    stream = DoaStream()
    with pytest.raises(ValueError, match="pose"):
        stream.push(good(), pose)
    assert stream.time_s == 0.0 and stream.push(good(), HeadPose()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: DoaStream(rate_hz=48_000),
        lambda: DoaStream(rate_hz=math.nan),
        lambda: MicArray(radius_m=0.0),
        lambda: MicArray(radius_m=math.nan),
        lambda: MicArray(mics=2),
        lambda: DoaConfig(memory_s=0.0),
        lambda: DoaConfig(least_weight=math.nan),
        lambda: TrackConfig(keep_contrast=0.2),
        lambda: TrackConfig(most=3),
        lambda: TrackConfig(hold_s=-1.0),
    ],
)
def test_bad_settings(make):
    with pytest.raises(ValueError, match="allowed"):
        make()


@pytest.mark.parametrize("settings", [{"rt60_s": -1.0}, {"rt60_s": 9.0}, {"size_m": (0.1, 3.0, 2.5)}])
def test_bad_rooms(settings):
    from evaluation.sound.rooms import Room

    with pytest.raises(ValueError, match="allowed"):
        Room(**settings)


def test_peak_is_found_between_grid_points_and_across_the_seam():
    for truth in (0.03, math.pi - 0.01, -math.pi + 0.02):
        peak = highest(np.cos(wrap(grid_rad() - truth)))
        assert wrap(peak.azimuth_rad - truth) == pytest.approx(0.0, abs=2e-3)
    assert highest(np.ones(GRID)).contrast == 0.0


def test_tracks_are_born_smoothed_across_the_seam_and_die():
    tracker = Tracker()
    seam = [Peak(wrap(math.pi + s), 0.1) for s in (0.05, -0.05, 0.05, -0.05, 0.05)]
    reports = [tracker.update([peak]) for peak in seam]
    assert [len(r) for r in reports] == [0, 0, 1, 1, 1]
    assert abs(wrap(reports[-1][0].azimuth_rad - math.pi)) < 0.06
    waits = [len(tracker.update([])) for _ in range(9)]
    assert waits == [1] * 7 + [0] * 2
    assert tracker.update([Peak(0.0, 0.045)]) == () and tracker.tracks[0].number == 2
    assert tracker.update([]) == () and tracker.tracks == ()  # too young to wait
    assert tracker.update([Peak(0.0, 0.03)]) == () and tracker.tracks == ()  # enough to keep, not to be born


def test_echo_starts_no_second_track():
    tracker = Tracker()
    for _ in range(10):
        reported = tracker.update([Peak(0.0, 0.12), Peak(2.0, 0.06)])
    assert [t.number for t in reported] == [1]


def test_parallax():
    assert seen_from(HeadPose(0, 0), 1.0, HeadPose(0, 0), 2.0) == 1.0
    assert seen_from(HeadPose(2.0, 0.0), math.pi / 2, HeadPose(0.0, 0.0), 2.0) == pytest.approx(3 * math.pi / 4)


def test_array_places():
    turned = ARRAY.positions_world(HeadPose(1.0, 2.0, math.pi / 2))
    assert turned[0] == pytest.approx((1.0 - 0.05 / math.sqrt(2), 2.0 + 0.05 / math.sqrt(2)))


def test_evaluation_writes_json_and_same_seed_same_figures(monkeypatch, tmp_path, capsys):
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics")
    from cli.main import cli
    from evaluation.sound import evaluate
    from evaluation.sound.trials import Condition

    few = (Condition("anechoic"), Condition("diffuse", noise="diffuse", sources=0))
    monkeypatch.setattr(evaluate, "CONDITIONS", few)
    assert cli(["evaluate", "sound", "--trials", "2", "--json", str(tmp_path / "a.json"), "--seed", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "anechoic" in shown.err
    assert cli(["evaluate", "sound", "--trials", "2", "--json", "-", "--seed", "3"]) == 0
    both = json.loads((tmp_path / "a.json").read_text()), json.loads(capsys.readouterr().out)
    for result in both:
        for row in result["rows"]:
            assert row.pop("ms_per_s") > 0.0
    assert both[0] == both[1]
    voice, noise = both[0]["rows"]
    assert voice["found"] == 2 and voice["median"]["mean"] < 2.0 and voice["detection"] > 0.6
    assert noise["false_alarm"] == 0.0 and noise["median"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--trials", "0"], "trials is 0"),
        (["--seed", "-1"], "seed"),
        (["--data", "nowhere"], "no folder"),
        (["--data", "EMPTY"], "holds no wav"),
        (["--json", "EMPTY"], "is a folder"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(arguments, says, tmp_path, capsys):
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics")
    from cli.main import cli

    assert cli(["evaluate", "sound", *(str(tmp_path) if a == "EMPTY" else a for a in arguments)]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_recorded_speech(ravdess):
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics")
    from evaluation.sound.trials import Condition, run_trial, speech_files

    files = speech_files(ravdess)
    outcomes = [run_trial(Condition("room", 0.3, 20.0), files, (0, k)) for k in range(3)]
    assert all(o.detected > 0.5 * o.spoken for o in outcomes)
    assert np.degrees(np.median(np.concatenate([o.errors_rad for o in outcomes]))) < 5.0
