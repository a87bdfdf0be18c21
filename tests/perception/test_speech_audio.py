import io
import os
import struct
import threading
import tracemalloc

import av
import numpy as np
import pytest
import soundfile as sf

from perception.speech.audio import SoundError, To16k, read_sound, sound_from_samples, stream_sound


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, rate, subtype=subtype, format=kind)
    return out.getvalue()


def webm(
    samples: np.ndarray, rate: int = 48_000, container: str = "webm", codec: str = "libopus", title: str = ""
) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        file.metadata["title"] = title
        stream = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return out.getvalue()


def peak_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16_000 / len(samples))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_keeps_pitch_length_and_level(rate):
    sound = read_sound(wav(tone(rate), rate))
    assert (sound.samples.dtype, sound.samples.ndim, sound.rate_hz) == (np.float32, 1, 16_000)
    assert sound.duration_s == pytest.approx(1.0, abs=0.002)
    assert peak_hz(sound.samples) == pytest.approx(440, abs=2)
    assert np.abs(sound.samples[4000:12000]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_any_depth(subtype):
    assert read_sound(wav(tone(16_000), subtype=subtype)).samples == pytest.approx(tone(16_000), abs=0.02)


@pytest.mark.parametrize(
    ("kind", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
)
def test_any_container_of_soundfile(kind, subtype):
    sound = read_sound(wav(tone(48_000), 48_000, subtype, kind))
    assert peak_hz(sound.samples) == pytest.approx(440, abs=2)
    assert sound.duration_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("ipod", "aac"), ("adts", "aac")])
def test_what_browsers_and_telephones_record(container, codec):
    sound = read_sound(webm(tone(48_000), container=container, codec=codec))
    assert peak_hz(sound.samples) == pytest.approx(440, abs=2)
    assert sound.duration_s == pytest.approx(1.0, abs=0.1)


def channels(*gains: float, rate: int = 16_000) -> np.ndarray:
    return np.stack([gain * tone(rate) for gain in gains], axis=1)


def test_channels_are_averaged():
    assert read_sound(wav(channels(1.0, 0.5))).samples == pytest.approx(0.75 * tone(16_000), abs=1e-3)
    assert read_sound(wav(channels(1.0, 0.0))).samples == pytest.approx(0.5 * tone(16_000), abs=1e-3)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "flac by PyAV"])
@pytest.mark.parametrize("gains", [(1, -1), (1, -0.8), (0, 0, 1), (0, 0, 1, 0, 0, 0), (0,) * 7 + (1,)])
def test_a_sound_that_the_mean_would_lose_is_taken_from_its_channel(gains, kind, monkeypatch):
    content = wav(channels(*gains), kind=kind[:4].strip().upper())
    if kind == "flac by PyAV":
        monkeypatch.setattr(sf, "SoundFile", lambda _: (_ for _ in ()).throw(sf.LibsndfileError(1)))
    sound = read_sound(content)
    assert sound.samples == pytest.approx(tone(16_000), abs=1e-3)
    assert To16k(16_000)(channels(*gains)) == pytest.approx(tone(16_000), abs=1e-6)


def test_a_constant_in_a_channel_is_no_sound():
    both = np.stack([tone(16_000), -tone(16_000), np.full(16_000, 0.9, np.float32)], axis=1)
    assert read_sound(wav(both, subtype="FLOAT")).samples == pytest.approx(tone(16_000), abs=1e-3)


def test_the_hum_of_empty_sockets_is_no_sound():
    hum = 0.4 * np.sin(2 * np.pi * 50 * np.arange(16_000) / 16_000)
    voice = 0.1 * tone(16_000) / np.abs(tone(16_000)).max()
    every = np.stack([hum, *[np.zeros(16_000)] * 6, voice], axis=1)
    assert read_sound(wav(every, subtype="FLOAT")).samples == pytest.approx(voice, abs=1e-3)


def test_what_is_in_a_file_counts_not_that_it_is_called_raw(tmp_path):
    path = tmp_path / "take.raw"
    path.write_bytes(wav(tone(16_000)))
    assert read_sound(path).samples == pytest.approx(tone(16_000), abs=1e-3)
    path.write_bytes(bytes(1000))
    with pytest.raises(SoundError, match=r"take\.raw cannot be read as sound"):
        read_sound(path)


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(SoundError, match=r"pipe\.wav is no regular file"):
        read_sound(tmp_path / "pipe.wav")


def test_silence_and_a_single_sample_are_sounds(tmp_path):
    assert not read_sound(wav(np.zeros(16_000))).samples.any()
    assert len(read_sound(wav(np.zeros(1))).samples) == 1


def test_path_and_bytes_agree(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(16_000)))
    assert np.array_equal(read_sound(path).samples, read_sound(path.read_bytes()).samples)
    assert np.array_equal(read_sound(str(path)).samples, read_sound(path.read_bytes()).samples)


def test_wav_of_a_pipe_with_unknown_length():
    content = bytearray(wav(tone(16_000)))
    content[4:8] = content[40:44] = b"\xff" * 4
    assert read_sound(bytes(content)).duration_s == pytest.approx(1.0)


GOOD = wav(tone(16_000))
BAD = {
    "text called wav": (b"this is a shopping list\n" * 20, "cannot be read as sound"),
    "empty": (b"", "is empty"),
    "zero samples": (wav(np.zeros(0)), "no samples"),
    "NaN": (wav(np.array([0.0, np.nan, 0.1]), subtype="FLOAT"), "NaN or infinity"),
    "infinity": (wav(np.array([0.0, np.inf, 0.1]), subtype="FLOAT"), "NaN or infinity"),
    "integers as floats": (wav(tone(16_000) * 32768, subtype="FLOAT"), "Divide"),
    "truncated wav": (GOOD[:9_000], "truncated"),
    "truncated flac": (wav(np.random.default_rng(0).normal(0, 0.1, 64_000), kind="FLAC")[:40_000], "truncated|damaged"),
    "header only": (GOOD[:44], "truncated"),
    "half a header": (GOOD[:20], "cannot be read|no samples"),
    "random": (np.random.default_rng(0).bytes(5_000), "cannot be read as sound"),
    "4 kHz": (wav(tone(4_000), 4_000), "4000 Hz"),
    "playlist": (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "cannot be read",
    ),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "cannot be read"),
    "40 channels": (wav(np.zeros((100, 40))), "40 channels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_say_what_is_wrong(name, tmp_path):
    content, message = BAD[name]
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    with pytest.raises(SoundError, match=message) as caught:
        read_sound(path)
    assert "sound.wav" in str(caught.value)
    with pytest.raises(SoundError, match=message):
        read_sound(content)


def test_missing_and_folder(tmp_path):
    with pytest.raises(SoundError, match="missing"):
        read_sound(tmp_path / "nowhere.wav")
    with pytest.raises(SoundError, match="folder"):
        read_sound(tmp_path)


def test_too_long_is_refused_before_it_is_held():
    # Ten minutes at 8 kHz; a FLAC of silence is a few kilobytes.
    bomb = wav(np.zeros(8_000 * 600, np.int16), 8_000, kind="FLAC")
    assert len(bomb) < 200_000
    tracemalloc.start()
    with pytest.raises(SoundError, match="longer than the allowed 10 s"):
        read_sound(bomb, max_seconds=10)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.reset_peak()
    assert sum(map(len, stream_sound(bomb))) == pytest.approx(600 * 16_000, abs=2)
    assert tracemalloc.get_traced_memory()[1] < 8e6
    tracemalloc.stop()


def test_wrong_header_length_does_not_allocate():
    content = bytearray(GOOD)
    content[40:44] = struct.pack("<I", 0x7000_0000)
    with pytest.raises(SoundError, match="truncated"):
        read_sound(bytes(content))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_streaming_resampler_does_not_care_about_chunks(rate):
    signal = tone(rate, 0.7)
    rng = np.random.default_rng(1)
    cuts = np.sort(rng.integers(0, len(signal), 20))
    chunked, whole = To16k(rate), To16k(rate)
    parts = [chunked(part) for part in np.split(signal, cuts)] + [chunked(np.zeros(0, np.float32), last=True)]
    assert np.allclose(np.concatenate(parts), whole(signal, last=True), atol=1e-6)


def test_resampler_takes_stereo_and_drops_nan_but_no_integers():
    to_16k = To16k(48_000)
    chunk = np.full((4_800, 2), 0.1, np.float32)
    chunk[7, 1] = np.nan
    assert np.isfinite(to_16k(chunk, last=True)).all()
    with pytest.raises(SoundError, match="32768"):
        to_16k(np.zeros(10, np.int16))
    with pytest.raises(SoundError, match="4000 Hz"):
        To16k(4_000)


def test_title_in_another_encoding_does_not_matter():
    content = webm(tone(48_000), container="ipod", codec="aac", title="Caf__ 1")
    assert b"Caf__" in content
    sound = read_sound(content.replace(b"Caf__", "Café!".encode("latin-1")))
    assert sound.duration_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("codec", ["text", "bytes"])
def test_decoder_trouble_of_any_kind_is_a_sound_error(codec, monkeypatch):
    trouble = ValueError("odd frame") if codec == "text" else UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "odd byte")
    monkeypatch.setattr(av, "open", lambda *_, **__: (_ for _ in ()).throw(trouble))
    with pytest.raises(SoundError, match="odd"):
        read_sound(b"no sound at all")


def test_rate_that_changes_on_the_way():
    parts = [webm(tone(rate), rate, "adts", "aac") for rate in (16_000, 44_100)]
    samples = read_sound(b"".join(parts)).samples
    assert len(samples) / 16_000 == pytest.approx(2.0, abs=0.2)
    assert peak_hz(samples[2_000:14_000]) == pytest.approx(440, abs=2)
    assert peak_hz(samples[-14_000:-2_000]) == pytest.approx(440, abs=2)


def test_a_wav_of_empty_chunks_costs_a_thousand_looks(monkeypatch):
    class Counted(io.BytesIO):
        looks = 0

        def seek(self, *where: int) -> int:
            Counted.looks += 1
            return super().seek(*where)

    content = b"RIFF\x00\x00\x00\x00WAVE" + bytes(25_000_000)
    monkeypatch.setattr(io, "BytesIO", Counted)
    with pytest.raises(SoundError, match="1000 chunks"):
        read_sound(content)
    assert 1000 <= Counted.looks < 1010


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_arrays_become_what_their_file_becomes(rate):
    both = np.stack([tone(rate), np.zeros(rate, np.float32)], axis=1)
    sound = sound_from_samples(both, rate)
    assert (sound.samples.dtype, sound.rate_hz) == (np.float32, 16_000)
    assert np.allclose(sound.samples, read_sound(wav(both, rate, "FLOAT")).samples, atol=1e-6)
    assert np.allclose(sound_from_samples(both.mean(axis=1).astype(np.float64), rate).samples, sound.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(100, np.int16), 16_000, "32768"),
        (np.zeros((2, 2, 2), np.float32), 16_000, r"\(N, channels\)"),
        (np.zeros((2, 48_000), np.float32), 16_000, r"shape \(2, 48000\).* channels; allowed"),
        (np.zeros(0, np.float32), 16_000, "too few"),
        (np.zeros((10, 0), np.float32), 16_000, "0 channels"),
        (np.zeros(1, np.float32), 192_000, "too few"),
        (np.array([0.0, np.nan]), 16_000, "NaN or infinity"),
        (np.array([0.0, -np.inf]), 16_000, "NaN or infinity"),
        (np.array([0.0, 1e300]), 16_000, "Divide"),
        (tone(16_000) * 100, 16_000, "Divide"),
        (np.zeros(16_000 * 11, np.float32), 16_000, "allowed are 10 s"),
        (tone(4_000), 4_000, "4000 Hz"),
        (tone(16_000), float("nan"), "nan Hz"),
        (tone(16_000), 0, "0 Hz"),
    ],
)
def test_bad_arrays_say_what_is_wrong(samples, rate, message):
    with pytest.raises(SoundError, match=message):
        sound_from_samples(samples, rate, max_seconds=10.0)


def test_a_file_of_one_sample_at_a_high_rate_is_no_sound():
    with pytest.raises(SoundError, match="too few"):
        read_sound(wav(tone(192_000)[:1], 192_000))


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16")],
)
def test_sounds_behind_one_another_are_read_whole(kind, subtype):
    one, other = (wav(tone(16_000, 2.0, hz), subtype=subtype, kind=kind) for hz in (440, 880))
    sound = read_sound(one + other)
    assert sound.duration_s == pytest.approx(4.0, abs=0.2)
    assert peak_hz(sound.samples[8_000:24_000]) == pytest.approx(440, abs=2)
    assert peak_hz(sound.samples[40_000:56_000]) == pytest.approx(880, abs=2)


def test_a_wav_that_goes_on_behind_its_sound_is_refused():
    shorter = bytearray(GOOD)
    shorter[40:44] = struct.pack("<I", 2_000)
    for content in (bytes(shorter), GOOD + GOOD):
        with pytest.raises(SoundError, match=r"goes on for .* no chunks: its length is wrong, or several files"):
            read_sound(content)
    assert read_sound(GOOD + bytes(200)).samples == pytest.approx(read_sound(GOOD).samples)
    noted = GOOD + b"LIST" + struct.pack("<I", 6_000) + bytes(6_000)
    assert read_sound(noted).samples == pytest.approx(read_sound(GOOD).samples)


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "RF64", "NIST", "CAF", "OGG", "MP3"])
def test_half_a_file_is_truncated(kind):
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(kind, "PCM_16")
    content = wav(np.random.default_rng(0).normal(0, 0.1, 32_000), subtype=subtype, kind=kind)
    assert read_sound(content).duration_s == pytest.approx(2.0, abs=0.1)
    with pytest.raises(SoundError, match="truncated"):
        read_sound(content[: len(content) // 2])


def test_an_ogg_that_ends_with_a_page_is_whole():
    """As somebody leaves who recorded a broadcast."""
    content = wav(np.random.default_rng(0).normal(0, 0.1, 160_000), subtype="VORBIS", kind="OGG")
    last = content.rfind(b"OggS")
    assert last > len(content) // 2
    assert 5.0 < read_sound(content[:last]).duration_s < 10.0


def test_a_cover_before_an_mp3_is_passed_over():
    content = wav(np.random.default_rng(0).normal(0, 0.1, 32_000), subtype="MPEG_LAYER_III", kind="MP3")
    cover = b"ID3\x03\0\0" + bytes((0, 0, 0x4E, 0x10)) + bytes(10_000)
    assert read_sound(cover + content).duration_s == pytest.approx(2.0, abs=0.1)
    with pytest.raises(SoundError, match="truncated"):
        read_sound((cover + content)[: len(cover) + len(content) // 2])


def mp3_in_wav(samples: np.ndarray, rate: int) -> bytes:
    """MP3 frames in a RIFF file (format 0x55), as sound recorders of Windows write them."""
    return webm(samples, rate, "wav", "libmp3lame")


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_mp3_inside_wav_is_whole(rate):
    content = mp3_in_wav(tone(rate, 2.0), rate)
    assert content[:4] == b"RIFF" and content[20:22] == b"\x55\x00"
    sound = read_sound(content)
    assert sound.duration_s == pytest.approx(2.0, abs=0.1)
    assert peak_hz(sound.samples[4_000:28_000]) == pytest.approx(440, abs=2)
    with pytest.raises(SoundError, match="truncated"):
        read_sound(content[: len(content) // 2])


def unfinished(content: bytes) -> bytes:
    """A WAV whose lengths were never filled in, since its writer was killed."""
    place = content.index(b"data") + 4
    return content[:4] + bytes(4) + content[8:place] + bytes(4) + content[place + 4 :]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM"])
def test_a_length_of_zero_reads_to_the_end(subtype):
    sound = read_sound(unfinished(wav(tone(16_000), subtype=subtype)))
    assert sound.samples[:16_000] == pytest.approx(tone(16_000), abs=0.1)
    assert sound.duration_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("length", [bytes(4), b"\xff" * 4])
def test_an_au_of_no_told_length_reads_to_the_end(subtype, length):
    content = wav(tone(16_000), 16_000, subtype, "AU")
    sound = read_sound(content[:8] + length + content[12:])
    assert sound.samples == pytest.approx(tone(16_000), abs=0.1)
    with pytest.raises(SoundError, match="no samples"):
        read_sound(content[:8] + length + content[12:24])


@pytest.mark.parametrize("after", [b"", b"LIST\x04\x00\x00\x00INFO", b"bext\x02\x00\x00\x00ab"])
def test_a_wav_that_holds_nothing_but_notes_is_empty(after):
    with pytest.raises(SoundError, match="no samples"):
        read_sound(wav(np.zeros(0)) + after)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("3gp", "libopencore_amrnb", 8_000), ("au", "pcm_mulaw", 8_000),
     ("au", "pcm_alaw", 8_000), ("amr", "libopencore_amrnb", 8_000)],
)  # fmt: skip
def test_telephones_of_all_ages(container, codec, rate):
    sound = read_sound(webm(tone(rate, 2.0), rate, container, codec))
    assert sound.duration_s == pytest.approx(2.0, abs=0.15)
    assert peak_hz(sound.samples[4_000:28_000]) == pytest.approx(440, abs=4)


def small_packets(packets: int, sound: bytes) -> bytes:
    """Make an AVI of 16-bit sound at 8 kHz that has so many packets, all of the same content."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        return kind + struct.pack("<I", sum(map(len, parts))) + b"".join(parts)

    of_stream = box(
        b"strh", b"auds", bytes(4), struct.pack("<I2H8I8x", 0, 0, 0, 0, 1, 8_000, 0, packets, 2, 0xFFFFFFFF, 2)
    )
    of_sound = box(b"strf", struct.pack("<2H2I2H", 1, 1, 8_000, 16_000, 2, 16))
    of_file = box(b"avih", struct.pack("<14I", 40_000, 0, 0, 0, packets, 0, 1, 0, 0, 0, 0, 0, 0, 0))
    header = box(b"LIST", b"hdrl", of_file, box(b"LIST", b"strl", of_stream, of_sound))
    return box(b"RIFF", b"AVI ", header, box(b"LIST", b"movi", box(b"00wb", sound) * packets))


def test_a_packet_for_each_sample_is_refused(tmp_path):
    """It would take a minute and a gigabyte to read 52 seconds of them."""
    assert read_sound(small_packets(500, bytes(320))).duration_s == pytest.approx(500 * 160 / 8_000)
    path = tmp_path / "small.avi"
    path.write_bytes(small_packets(20_000, bytes(2)))
    with pytest.raises(SoundError, match=r"small\.avi has 1\.0 samples in a packet; expected 16 or more"):
        read_sound(path)


def test_a_sound_is_decoded_no_further_than_somebody_waits():
    for content in (small_packets(500, bytes(320)), wav(tone(16_000, 30.0))):
        stop = threading.Event()
        blocks = stream_sound(content, stop=stop)
        next(blocks)
        stop.set()
        with pytest.raises(SoundError, match="nobody waits for the given sound"):
            list(blocks)
