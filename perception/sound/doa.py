"""Live directions: push four channels as they come, get where somebody speaks ten times a second, in the world."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from geometry.transforms import wrap
from perception.sound.array import (
    RATE_HZ,
    HeadPose,
    MicArray,
    SoundInputError,
    check_block,
    check_pose,
    check_rate,
)
from perception.sound.spatial_spectrum import (
    FRAME,
    GRID,
    HOP,
    HOP_S,
    STEP,
    Peak,
    SpatialSpectrum,
    SpatialSpectrumEstimator,
    highest,
)
from perception.sound.tracks import Track, TrackConfig, Tracker, seen_from

MEMORY_FACTOR = 2.5  # the memory fades by a factor e in memory_s and is cut where 8 % are left
# A frequency votes for a second source as far as the first explains it worse than its best direction does: 0.15 of
# the spectrum is a fit of .9 against .7.
UNEXPLAINED = 0.15
# Noise from everywhere makes peaks by chance, higher where fewer frequencies vote: this over the root of their number.
CHANCE = 0.25
# Weights of the newest 0.3 s below which nobody speaks: voice at 5 dB has 30 or more, steady noise mostly 0.
FRESH_HOPS, LEAST_FRESH = 3, 5.0
# Confidence: logistic in contrast, read off simulated rooms: of the outputs at contrast 0.046 and 0.067 there, 97 and
# 99 % were within 10 degrees. A tenth is lost while a track waits for the next word.
CONFIDENCE_SLOPE, CONFIDENCE_WAITING = 70.0, 0.1


class DoaEstimate(NamedTuple):
    """Direction of one source.

    Attributes:
        azimuth_rad: in the world, [-pi, pi), counter-clockwise from the world's x axis.
        confidence: estimated probability that `azimuth_rad` is within 10 degrees.
        time_s: end of the sound that was heard, in seconds since the start of the stream.
        head_azimuth_rad: the same direction from the nose at that time, [-pi, pi), positive to the left.
        deviation_rad: standard deviation that the track ascribes to itself.
        track: number of the track; the same source keeps it while it is heard with short pauses.
        heard: whether this hop had sound from there; False while the track waits for the next word.
    """

    azimuth_rad: float
    confidence: float
    time_s: float
    head_azimuth_rad: float
    deviation_rad: float
    track: int
    heard: bool


class Memory(NamedTuple):
    """One hop of the past: its spectrum, and where the head was in its middle."""

    spectrum: SpatialSpectrum
    pose: HeadPose


@dataclass(frozen=True)
class DoaConfig:
    """Settings of the stream."""

    memory_s: float = 0.8
    """The memory fades by a factor e in this time; longer is steadier, shorter follows a moving source better."""
    least_weight: float = 30.0
    """Sum of the weights of all frequencies in the memory below which nothing is heard; voice at 5 dB has 100."""
    tracks: TrackConfig = field(default_factory=TrackConfig)
    """Birth and death of tracks."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.memory_s <= 10.0:
            raise SoundInputError(f"memory_s is {self.memory_s}; allowed are 0.1 to 10 s. Choose another.")
        if not 1.0 <= self.least_weight <= 1e6:
            raise SoundInputError(f"least_weight is {self.least_weight}; allowed are 1 to 1e6. Choose another.")


class DoaStream:
    """Directions of up to two sources for a circular array that may move and turn.

    Every 100 ms of sound give one direction for each track; silence, steady noise and sound from everywhere give none.
    Any chunk size gives the same directions as long as the pose is the same. Steady sounds, a fan for instance, mostly
    become background within 3 s, wherever they come from.

    >>> stream = DoaStream()  # doctest: +SKIP
    >>> for direction in stream.push(samples, HeadPose(x, y, heading)):  # doctest: +SKIP
    ...     print(direction.time_s, direction.azimuth_rad, direction.confidence)
    """

    def __init__(
        self, array: MicArray | None = None, config: DoaConfig | None = None, rate_hz: float = RATE_HZ
    ) -> None:
        """Start at time 0.

        Raises:
            SoundInputError: a rate other than 16 kHz.
        """
        check_rate(rate_hz)
        self.array = array or MicArray()
        self.config = config or DoaConfig()
        self._estimator = SpatialSpectrumEstimator(self.array)
        self._tracker = Tracker(self.config.tracks)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard and start at time 0."""
        self._estimator.reset()
        self._tracker.reset()
        hops = math.ceil(MEMORY_FACTOR * self.config.memory_s / HOP_S)
        self._memory: deque[Memory] = deque(maxlen=hops)
        self._samples = np.zeros((self.array.mics, FRAME - STEP))
        self._hops = 0
        self._pushed = 0
        self._pose: HeadPose | None = None
        self._centre_pose: HeadPose | None = None

    @property
    def time_s(self) -> float:
        """Sound pushed since the last reset, in seconds."""
        return self._pushed / RATE_HZ

    def push(self, samples: np.ndarray, pose: HeadPose | None = None) -> list[DoaEstimate]:
        """Take floats (mics, n) within [-1, 1] at 16 kHz and return the directions that became due, oldest first.

        Args:
            samples: one row for each microphone, in the order of the array; beyond full scale they are clipped.
            pose: of the head at the end of this block; between two ends it is taken to move evenly. The last one, or
                the origin at first, if None.

        Raises:
            SoundInputError: no such floats, empty, too long, NaN or infinity in it, or a pose that is none.
        """
        block = check_block(samples, self.array.mics)
        end = check_pose(pose) if pose is not None else self._pose or HeadPose()
        start = self._pose or end
        first, self._pushed, self._pose = self._pushed, self._pushed + block.shape[1], end
        self._samples = np.concatenate([self._samples, block], axis=1)
        out: list[DoaEstimate] = []
        while self._samples.shape[1] >= FRAME - STEP + HOP:
            self._hops += 1
            share = (self._hops * HOP - first) / block.shape[1]
            out += self._hop(self._samples[:, : FRAME - STEP + HOP], _between(start, end, share))
            self._samples = self._samples[:, HOP:]
        return out

    def _hop(self, samples: np.ndarray, pose: HeadPose) -> list[DoaEstimate]:
        """One hop of sound that ends at `pose`."""
        before = self._centre_pose or pose
        # The sound of the hop was heard half a hop before its end.
        middle = _between(before, pose, 0.5)
        self._memory.append(Memory(self._estimator(samples, middle.heading_rad), middle))
        self._tracker.predict(before, pose)
        self._centre_pose = pose
        return [self._estimate(track, pose) for track in self._tracker.update(self._peaks(pose))]

    def _peaks(self, pose: HeadPose) -> list[Peak]:
        """Up to two peaks of the faded memory: the highest, and the highest of what it leaves unexplained.

        None when the newest hops were quiet: the memory would go on pointing to who has stopped speaking.
        """
        if sum(memory.spectrum.weights.sum() for memory in list(self._memory)[-FRESH_HOPS:]) < LEAST_FRESH:
            return []
        fading = np.exp(-np.arange(len(self._memory))[::-1] * HOP_S / self.config.memory_s)
        weights = [share * memory.spectrum.weights for share, memory in zip(fading, self._memory, strict=True)]
        peaks: list[Peak] = []
        for _ in range(self.config.tracks.most):
            shares = np.array([w.sum() for w in weights], dtype=np.float64)
            total = float(shares.sum())
            if total < self.config.least_weight:
                break
            curve = np.zeros(GRID)
            for w, memory in zip(weights, self._memory, strict=True):
                curve += w @ memory.spectrum.by_frequency
            peak = highest(curve / total, by_chance=CHANCE / math.sqrt(total))
            peaks.append(peak._replace(azimuth_rad=self._seen_now(peak.azimuth_rad, shares / total, pose)))
            weights = [_unexplained(w, m.spectrum, peak) for w, m in zip(weights, self._memory, strict=True)]
        return peaks

    def _seen_now(self, azimuth_rad: float, shares: np.ndarray, pose: HeadPose) -> float:
        """Bearing from where the head is now of what the memory heard from where the head was, on average."""
        x_m, y_m = shares @ np.array([memory.pose[:2] for memory in self._memory])
        then = HeadPose(float(x_m), float(y_m))
        return seen_from(pose, azimuth_rad, then, self.config.tracks.assumed_distance_m)

    def _estimate(self, track: Track, pose: HeadPose) -> DoaEstimate:
        fresh = 1.0 - CONFIDENCE_WAITING * track.silent_s / self.config.tracks.hold_s
        return DoaEstimate(
            azimuth_rad=track.azimuth_rad,
            confidence=fresh / (1.0 + math.exp(-CONFIDENCE_SLOPE * track.contrast)),
            time_s=self._hops * HOP_S,
            head_azimuth_rad=wrap(track.azimuth_rad - pose.heading_rad),
            deviation_rad=track.deviation_rad,
            track=track.number,
            heard=track.silent_s == 0.0,
        )


def _unexplained(weights: np.ndarray, spectrum: SpatialSpectrum, peak: Peak) -> np.ndarray:
    """Weights (F,) of what is left when a source at the peak is taken away."""
    nearest = round((peak.azimuth_rad + np.pi) / (2.0 * np.pi) * GRID) % GRID
    out: np.ndarray = weights * np.clip((spectrum.best - spectrum.by_frequency[:, nearest]) / UNEXPLAINED, 0.0, 1.0)
    return out


def _between(start: HeadPose, end: HeadPose, share: float) -> HeadPose:
    """The pose after a share of the way; the heading takes the short way round."""
    turn = wrap(end.heading_rad - start.heading_rad)
    return HeadPose(
        start.x_m + share * (end.x_m - start.x_m),
        start.y_m + share * (end.y_m - start.y_m),
        wrap(start.heading_rad + share * turn),
    )
