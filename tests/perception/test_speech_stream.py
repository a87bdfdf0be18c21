import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.speech.activity import FRAME, VoiceActivity, frame_levels_db, voiced_frames, voiced_span
from perception.speech.model import Judgement
from perception.speech.speaker import Speaker
from perception.speech.stream import SpeechStream
from perception.speech.windows import VoiceWindows, WindowConfig, trim_to_voice


def speech_like(seconds: float, rng: np.random.Generator, level: float = 0.1) -> np.ndarray:
    """Syllables of a buzzing 140 Hz voice, with gaps: enough for the gate, meaningless to the network."""
    t = np.arange(round(seconds * 16_000)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 2 * t), 0, None)
    return (level * buzz * syllables + 1e-4 * rng.normal(size=len(t))).astype(np.float32)


class Mirror:
    """Stands for the network: a function of the window that any change of a sample would change."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def judge(self, samples: np.ndarray, speaker: Speaker | None = None) -> Judgement:
        self.lengths.append(len(samples))
        return Judgement(np.abs(np.fft.rfft(samples.astype(np.float64), 4096)[1:9]), 1.0, np.zeros(6))


def run(chunks, **settings):
    stream = SpeechStream(Mirror(), **settings)
    return [estimate for chunk in chunks for estimate in stream.push(chunk)]


RNG = np.random.default_rng(0)
SPOKEN = np.concatenate(
    [np.zeros(8_000, np.float32), speech_like(2.0, RNG), np.zeros(16_000, np.float32), speech_like(1.5, RNG)]
)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, len(SPOKEN)), max_size=12))
def test_any_chunks_give_the_same_estimates(cuts):
    whole = run([SPOKEN])
    parts = run(np.split(SPOKEN, sorted(cuts)))
    assert len(whole) > 5
    assert [e.time_s for e in parts] == [e.time_s for e in whole]
    assert all(np.array_equal(a.probabilities, b.probabilities) for a, b in zip(parts, whole, strict=True))


def test_single_samples_give_the_same_estimates():
    short = SPOKEN[6_000:24_000]
    whole, parts = run([short]), run(np.split(short, len(short)))
    assert whole and [e.time_s for e in parts] == [e.time_s for e in whole]
    assert np.array_equal(parts[-1].probabilities, whole[-1].probabilities)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-3, 1e-2, 0.1])
def test_silence_and_steady_noise_end_in_no_estimate(level):
    model = Mirror()
    stream = SpeechStream(model)
    noise = (level * np.random.default_rng(1).normal(size=16_000 * 12)).astype(np.float32)
    late = [e for e in stream.push(noise) if e.time_s > 6.0]
    assert late == [] and not stream.voice_active
    if level <= 1e-3:
        assert model.lengths == []


def test_voice_over_noise_is_found():
    rng = np.random.default_rng(2)
    noise = (1e-2 * rng.normal(size=16_000 * 8)).astype(np.float32)
    sound = noise.copy()
    sound[5 * 16_000 : 7 * 16_000] += speech_like(2.0, rng, 0.2)
    times = [e.time_s for e in run([sound]) if e.time_s > 5.0]
    assert times and 5.5 <= times[0] <= 6.5 and times[-1] <= 7.5


def test_first_estimate_needs_six_tenths_of_voice_and_stops_after_it():
    times = [e.time_s for e in run([np.concatenate([SPOKEN[:40_000], np.zeros(80_000, np.float32)])])]
    assert 1.0 <= times[0] <= 1.6  # voice from 0.5 s on
    assert times[-1] <= 3.0  # voice until 2.5 s, then the hangover
    assert np.allclose(np.diff(times), 0.25)


def test_window_is_trimmed_to_the_voice():
    model = Mirror()
    SpeechStream(model).push(SPOKEN[:40_000])
    assert max(model.lengths) <= 2.0 * 16_000 + 2 * 1_600


def test_nan_becomes_silence_and_is_counted():
    bad = SPOKEN.copy()
    bad[10_000:10_010] = np.nan
    bad[11_000] = np.inf
    zeroed = np.where(np.isfinite(bad), bad, 0)
    stream = SpeechStream(Mirror())
    estimates = stream.push(bad)
    assert stream.replaced_samples == 11
    assert [e.label for e in estimates] == [e.label for e in run([zeroed])]
    assert SpeechStream(Mirror()).push(np.full(16_000, np.nan, np.float32)) == []


@pytest.mark.parametrize("bad", [np.zeros((10, 2), np.float32), np.zeros(10, np.int16)])
def test_wrong_chunks(bad):
    with pytest.raises(ValueError, match="To16k"):
        SpeechStream(Mirror()).push(bad)


@pytest.mark.parametrize(
    "settings", [{"window_s": 0.1}, {"window_s": 31.0}, {"hop_s": 0.0}, {"hop_s": 4.0}, {"smoothing": 1.0}]
)
def test_wrong_settings(settings):
    with pytest.raises(ValueError, match="allowed"):
        SpeechStream(Mirror(), **settings)


def test_reset_is_a_fresh_start_and_memory_is_bounded():
    stream = SpeechStream(Mirror())
    first = stream.push(SPOKEN)
    assert stream.time_s == pytest.approx(len(SPOKEN) / 16_000)
    stream.reset()
    assert (stream.time_s, stream.replaced_samples, stream.voice_active, stream.level_db) == (0.0, 0, False, -120.0)
    again = stream.push(SPOKEN)
    assert np.array_equal(first[-1].probabilities, again[-1].probabilities)
    windows = VoiceWindows()
    for _ in range(50):
        windows.push(SPOKEN)
    assert len(windows._samples) <= 48_000 and len(windows._voiced) <= 300 and len(windows._rest) < FRAME


def test_empty_chunks_are_welcome():
    assert run([np.zeros(0, np.float32)] * 3) == []


def test_levels_and_spans():
    sine = np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    assert frame_levels_db(sine + 0.3) == pytest.approx(np.full(100, -20.0), abs=0.1)  # an offset is no sound
    assert frame_levels_db(np.zeros(159)).shape == (0,)
    assert voiced_span(np.zeros(5, bool)) is None
    assert voiced_span(np.array([0, 0, 1, 1, 0], bool), margin_s=0.01) == (160, 800)
    assert voiced_frames(SPOKEN)[:45].sum() == 0
    assert len(trim_to_voice(SPOKEN)) < len(SPOKEN) - 5_000
    assert len(trim_to_voice(np.zeros(1_000, np.float32))) == 1_000


def test_floor_follows_the_room():
    gate = VoiceActivity()
    for _ in range(600):
        gate.step(-40.0)
    assert gate.noise_floor_db == pytest.approx(-40.0, abs=1.0)
    assert not gate.active and gate.step(-25.0)


def test_window_config_is_checked():
    with pytest.raises(ValueError, match="least_voiced_s"):
        WindowConfig(least_voiced_s=5.0)


def test_smoothing_mixes_log_probabilities():
    raw, smooth = run([SPOKEN], smoothing=0.0), run([SPOKEN], smoothing=0.5)
    assert np.array_equal(raw[0].probabilities, smooth[0].probabilities)
    mixed = np.sqrt(raw[0].probabilities * raw[1].probabilities)
    assert smooth[1].probabilities == pytest.approx(mixed / mixed.sum(), abs=1e-9)


def humming(hz: float, level_db: float) -> np.ndarray:
    t = np.arange(len(SPOKEN)) / 16_000
    return (SPOKEN + np.sqrt(2) * 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


@pytest.mark.parametrize("hz", [25, 50, 60])
@pytest.mark.parametrize("level_db", [-22, -35, -50])
def test_hum_below_voices_does_not_hide_them(hz, level_db):
    """25 Hz is a lorry outside; the hum is up to as loud as the voice."""
    windows = VoiceWindows()
    times = [window.time_s for window in windows.push(humming(hz, level_db))]
    # Its onset may pass for voice for a while, as any noise does that begins.
    assert [time for time in times if time > 1.0] == [window.time_s for window in VoiceWindows().push(SPOKEN)]
    assert windows.gate.hums and not VoiceWindows().gate.hums


def test_hum_alone_is_no_voice_for_long():
    t = np.arange(16_000 * 6) / 16_000
    gate = VoiceActivity()
    flags = gate.push((0.05 * np.sin(2 * np.pi * 50 * t)).astype(np.float32))
    assert not any(flags[100:]) and gate.noise_floor_db < -58.0


def test_a_deep_voice_is_no_hum():
    t = np.arange(len(SPOKEN)) / 16_000
    deep = SPOKEN * np.sign(np.sin(2 * np.pi * 85 * t)).astype(np.float32)
    windows = VoiceWindows()
    assert windows.push(deep) and not windows.gate.hums


@pytest.mark.parametrize("seconds", [0.62, 0.7, 0.9, 1.0])
def test_a_short_word_is_judged_at_the_end_of_the_sound(seconds):
    word = 0.1 * np.sin(np.arange(round(16_000 * seconds)) / 8).astype(np.float32)
    windows = VoiceWindows(WindowConfig(hop_s=0.5))
    found = windows.push(word) + windows.finish()
    assert [window.time_s for window in found] == [pytest.approx(seconds, abs=0.01)]


def test_the_end_adds_nothing_to_what_was_judged_or_is_silent():
    windows = VoiceWindows(WindowConfig(hop_s=0.5))
    assert len(windows.push(0.1 * np.sin(np.arange(32_000) / 8).astype(np.float32))) == 2
    assert windows.finish() == []
    windows.push(np.zeros(16_000 + 4_000, np.float32))
    assert windows.finish() == [] and VoiceWindows().finish() == []
