"""Sound files and microphone chunks of any kind -> float32 mono at 16 kHz, in bounded memory.

soundfile (libsndfile) reads wav, flac, ogg and mp3; what it does not know (webm, opus in webm, m4a from browsers and
telephones) goes to PyAV. Both decode in blocks, so a file of hours, or a small file that unpacks to hours, is refused
at the limit without ever being held in memory.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from perception.media import decoded
from perception.speech.lengths import LengthError, check_length, is_joined, with_au_length

if TYPE_CHECKING:
    import av
    import soundfile

RATE_HZ = 16_000
NO_SOUND = "has no sound track"
"""Stands in the error about a silent video."""
SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".webm", ".m4a", ".mp4", ".aac", ".aif", ".aiff", ".caf")
)
LEAST_RATE_HZ, MOST_RATE_HZ = 8_000, 192_000
MOST_CHANNELS = 32
MOST_PEAK = 8.0  # 18 dB over full scale: beyond, the numbers are integers that were never divided
BLOCK = 1 << 16  # samples over all channels decoded at once
LEAST_PER_PACKET, MOST_SMALL_PACKETS = 16, 2_000  # encoders write a hundred samples or more into each packet
_PIECE = 32  # samples; 2 ms at 16 kHz, in which a hum of 50 Hz loses 15 dB
MOST_LOSS = 8.0  # 9 dB, what four channels that have nothing in common lose twice over

# Formats that PyAV may open. Playlists are not among them: they make the decoder open other files and addresses.
_AV_FORMATS = "matroska,webm,mov,mp4,m4a,3gp,ogg,mp3,aac,flac,wav,w64,aiff,caf,amr,ac3,eac3,au,mpegts,asf,avi,flv"
_KNOWN = "wav, flac, ogg, mp3, webm, m4a, aac, aiff"


class SoundError(ValueError):
    """A sound cannot be used; the message says what came, what is allowed, and what to do."""


@dataclass(frozen=True)
class Sound:
    """`samples` (N,) float32, mono, nominally within [-1, 1], at `rate_hz`."""

    samples: np.ndarray
    rate_hz: int = RATE_HZ

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


class MixDown:
    """Mixes the channels of a running sound: their mean, or the loudest alone where the mean loses the sound.

    Inverted channels cancel each other, and one live channel of eight is 18 dB quieter in the mean. Levels are those
    of all that came so far, so that the choice settles, within pieces of 32 samples: the hum of an empty socket, which
    is slow, counts little.
    """

    def __init__(self) -> None:
        self._levels = np.zeros(1)  # grows to one for each channel, and one for the mean

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Block (N, channels) -> (N,)."""
        mean: np.ndarray = block.mean(axis=1)
        if block.shape[1] == 1 or not len(block):
            return mean
        pieces = np.column_stack([block, mean])[: len(block) // _PIECE * _PIECE].reshape(-1, _PIECE, block.shape[1] + 1)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused, or replaced, elsewhere
            self._levels = self._levels + pieces.var(axis=1, dtype=np.float64).sum(axis=0)
        channels, of_mean = self._levels[:-1], self._levels[-1]
        best = int(np.argmax(channels >= 0.99 * channels.max()))  # the first of equals, or it would flip
        return block[:, best] if MOST_LOSS * of_mean < channels[best] else mean


class To16k:
    """Streaming resampler for one microphone: call it with chunks, in order, and push what it returns.

    >>> to_16k = To16k(48_000)
    >>> stream.push(to_16k(chunk))  # doctest: +SKIP
    """

    def __init__(self, rate_hz: float) -> None:
        import soxr

        self.rate_hz = _check_rate(rate_hz, "the microphone")
        self._mix = MixDown()
        self._stream = None if rate_hz == RATE_HZ else soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")

    def __call__(self, chunk: np.ndarray, last: bool = False) -> np.ndarray:
        """Chunk (N,) or (N, channels) of floats at `rate_hz` -> (M,) float32 mono at 16 kHz; `last` flushes the tail.

        Raises:
            SoundError: the chunk is no float array with one or two axes.
        """
        array = np.asarray(chunk)
        if array.dtype.kind != "f" or array.ndim not in (1, 2):
            raise SoundError(
                f"a chunk of shape {array.shape} and type {array.dtype} came; expected floats (N,) or (N, channels) "
                "within [-1, 1]. Divide 16-bit integers by 32768."
            )
        # NaN would stay in the filter for good.
        array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
        mono = np.ascontiguousarray(self._mix(array) if array.ndim == 2 else array, dtype=np.float32)
        if self._stream is None:
            return mono
        out: np.ndarray = self._stream.resample_chunk(mono, last=last)
        return out


def read_sound(
    source: Path | str | bytes,
    max_seconds: float = 600.0,
    stop: threading.Event | None = None,
    label: str | None = None,
) -> Sound:
    """Read a whole sound file (a path, or the content as bytes) of at most `max_seconds`, no further than `stop`.

    Errors call it `label`, its path unless told. Any bit depth, 8 to 192 kHz; channels are mixed (`MixDown`). Silence
    is a sound like any other.

    Raises:
        SoundError: nothing there, no sound in it, empty, truncated, NaN or infinity in it, too long, or stopped.
    """
    label = label or _name(source)
    sound = Sound(np.concatenate(list(stream_sound(source, max_seconds, stop, label))))
    if len(sound.samples) == 0:
        raise SoundError(f"{label} has too few samples to be a sound. Record or export it again.")
    return sound


def sound_from_samples(samples: np.ndarray, rate_hz: float, max_seconds: float = 600.0) -> Sound:
    """Make a sound of samples that are already in memory, under the rules that hold for files.

    Args:
        samples: floats (N,) or (N, channels), nominally within [-1, 1]; channels are mixed.
        rate_hz: samples per second, 8 to 192 kHz; other rates than 16 kHz are resampled.
        max_seconds: longer sounds are refused.

    Raises:
        SoundError: no such float array, empty, NaN or infinity in it, far beyond full scale, too long, or a rate or a
            number of channels that is not allowed.
    """
    label, array = "the given array", np.asarray(samples)
    if array.dtype.kind != "f" or array.ndim not in (1, 2):
        raise SoundError(
            f"{label} has shape {array.shape} and type {array.dtype}; expected floats (N,) or (N, channels) within "
            "[-1, 1]. Divide 16-bit integers by 32768."
        )
    _check_rate(rate_hz, label)
    if array.ndim == 2:
        _check_channels(array.shape[1], f"{label} of shape {array.shape}, read as (N, channels),")
    if len(array) / rate_hz > max_seconds:
        raise SoundError(
            f"{label} lasts {len(array) / rate_hz:g} s; allowed are {max_seconds:g} s. Cut it or raise max_seconds."
        )
    _check_block(array, label, 0.0)
    sound = Sound(To16k(rate_hz)(array, last=True))
    if len(sound.samples) == 0:
        raise SoundError(f"{label} has {len(array)} samples: too few to be a sound. Record it again.")
    return sound


def stream_sound(
    source: Path | str | bytes,
    max_seconds: float | None = None,
    stop: threading.Event | None = None,
    label: str | None = None,
) -> Iterator[np.ndarray]:
    """Decode a sound file piece by piece, no further than `stop`: float32 mono at 16 kHz, a few seconds at most a time.

    Raises:
        SoundError: as for `read_sound`; what is wrong late in a file is raised when the decoder gets there.
    """
    label = label or _name(source)
    with ExitStack() as stack:
        handle = stack.enter_context(_open(source, label))
        seconds = 0.0
        to_16k: To16k | None = None
        for rate_hz, block in _decode(handle, label, stop):
            if stop is not None and stop.is_set():
                raise SoundError(f"nobody waits for {label} any more")
            # Broadcasts joined end to end change their rate on the way.
            if to_16k is not None and to_16k.rate_hz != rate_hz:
                yield to_16k(np.zeros(0, np.float32), last=True)
                to_16k = None
            to_16k = to_16k or To16k(_check_rate(rate_hz, label))
            _check_block(block, label, seconds)
            seconds += len(block) / rate_hz
            if max_seconds is not None and seconds > max_seconds:
                raise SoundError(
                    f"{label} is longer than the allowed {max_seconds:g} s. Cut it; 'empaw predict speech' takes any "
                    "length."
                )
            yield to_16k(block)
        if to_16k is None or seconds == 0.0:
            raise SoundError(f"{label} is a sound file with no samples in it. Record or export it again.")
        yield to_16k(np.zeros(0, np.float32), last=True)


def _name(source: Path | str | bytes) -> str:
    return f"the given sound ({len(source)} bytes)" if isinstance(source, bytes) else str(source)


def _open(source: Path | str | bytes, label: str) -> BinaryIO:
    if isinstance(source, bytes):
        handle: BinaryIO = io.BytesIO(source)
    else:
        path = Path(source)
        if path.is_dir():
            raise SoundError(f"{label} is a folder; expected one sound file ({_KNOWN}). Name a file inside it.")
        if not path.is_file():
            what = "no regular file" if path.exists() else "missing"
            raise SoundError(f"{label} is {what}; expected a sound file ({_KNOWN}). Check the path.")
        try:
            # By its number: of a file that is called .raw, soundfile asks for a rate, whatever is in it.
            handle = open(os.open(path, os.O_RDONLY), "rb")  # noqa: PTH123, SIM115 - whoever called closes it
        except OSError as error:
            raise SoundError(f"{label} cannot be opened ({error.strerror}). Check its permissions.") from error
    if not handle.read(1):
        handle.close()
        raise SoundError(f"{label} is empty (0 bytes); expected a sound file ({_KNOWN}). Record or copy it again.")
    handle.seek(0)
    return handle


def _decode(handle: BinaryIO, label: str, stop: threading.Event | None) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (rate in Hz, mono block (N,)) from whichever decoder knows the format."""
    import soundfile

    with ExitStack() as stack:
        try:
            # libsndfile finds nothing in a WAV whose length was never filled in, and only the first of several sounds
            # behind one another; FFmpeg reads to the end.
            told = not check_length(handle, label) and not is_joined(handle)
            sound = stack.enter_context(soundfile.SoundFile(with_au_length(handle, stack))) if told else None
        except LengthError as error:
            raise SoundError(str(error)) from error
        except soundfile.LibsndfileError:
            sound = None
        if sound is not None:
            yield from _decode_soundfile(sound, label)
            return
    handle.seek(0)
    yield from _decode_av(handle, label, stop)


def _decode_soundfile(sound: soundfile.SoundFile, label: str) -> Iterator[tuple[int, np.ndarray]]:
    import soundfile

    _check_channels(sound.channels, label)
    rate_hz, seen, mix = sound.samplerate, 0, MixDown()
    try:
        while len(block := sound.read(BLOCK // sound.channels, dtype="float32", always_2d=True)):
            seen += len(block)
            yield rate_hz, mix(block)
    except soundfile.LibsndfileError as error:
        raise SoundError(
            f"{label} is damaged after {seen / rate_hz:.1f} s ({error}). Copy or export it again."
        ) from error
    # The others only estimate their length, and so does MP3 inside a WAV.
    exact = sound.format in ("FLAC", "WAV", "AIFF") and not sound.subtype.startswith("MPEG")
    if exact and 0 < seen < sound.frames < 1 << 62:
        raise SoundError(
            f"{label} is truncated: {seen / rate_hz:.1f} s of {sound.frames / rate_hz:.1f} s are there. Copy it again."
        )


def _decode_av(handle: BinaryIO, label: str, stop: threading.Event | None) -> Iterator[tuple[int, np.ndarray]]:
    import av

    options = {"format_whitelist": _AV_FORMATS, "protocol_whitelist": ""}
    try:
        # Titles come in any encoding, and nobody reads them here.
        with av.open(handle, mode="r", options=options, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise SoundError(f"{label} {NO_SOUND}; expected sound ({_KNOWN}).")
            frames = decoded(container, container.streams.audio[0], SoundError, label, stop)
            yield from _float_blocks(frames, label)
    except SoundError:
        raise
    except (av.FFmpegError, ValueError) as error:
        handle.seek(0)
        raise SoundError(
            f"{label} cannot be read as sound: it begins with {handle.read(16)!r} "
            f"({getattr(error, 'strerror', None) or error}). "
            f"Expected {_KNOWN}; convert it, for instance with 'ffmpeg -i IN OUT.wav'."
        ) from error


def _float_blocks(frames: Iterator[av.AudioFrame], label: str) -> Iterator[tuple[int, np.ndarray]]:
    """Mix the channels of decoded frames; a converter for each stretch of one format, layout and rate."""
    import av

    # Interleaved: PyAV ends the process where it takes apart planes of eight channels.
    to_float, mix, kind = av.AudioResampler(format="flt"), MixDown(), None
    samples = 0
    for number, frame in enumerate(frames, 1):
        samples += frame.samples
        if number >= MOST_SMALL_PACKETS and samples < number * LEAST_PER_PACKET:
            raise SoundError(
                f"{label} has {samples / number:.1f} samples in a packet; expected {LEAST_PER_PACKET} or more, as "
                "encoders write them. Export it again."
            )
        _check_channels(frame.layout.nb_channels, label)
        if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
            to_float, mix = av.AudioResampler(format="flt"), MixDown()
        for part in to_float.resample(frame):
            yield part.sample_rate, mix(part.to_ndarray().reshape(-1, part.layout.nb_channels))


def _check_rate(rate_hz: float, label: str) -> int:
    if not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
        raise SoundError(
            f"{label} has a rate of {rate_hz:g} Hz; allowed are {LEAST_RATE_HZ} to {MOST_RATE_HZ} Hz. Resample it."
        )
    return round(rate_hz)


def _check_channels(channels: int, label: str) -> None:
    if not 1 <= channels <= MOST_CHANNELS:
        raise SoundError(f"{label} has {channels} channels; allowed are 1 to {MOST_CHANNELS}. Mix it down.")


def _check_block(block: np.ndarray, label: str, start_s: float) -> None:
    if not np.isfinite(block).all():
        raise SoundError(
            f"{label} holds NaN or infinity after {start_s:.1f} s; expected finite samples. Export it again."
        )
    peak = float(np.abs(block).max(initial=0.0))
    if peak > MOST_PEAK:
        raise SoundError(
            f"{label} holds samples up to {peak:.3g}; expected within [-1, 1]. Divide 16-bit integers by 32768 before "
            "writing them as floats."
        )
