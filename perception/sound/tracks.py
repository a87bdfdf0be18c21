"""Tracks of directions in the world: born from peaks, carried along while the dog walks, dead after a silence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geometry.transforms import wrap
from perception.sound.array import HeadPose, SoundInputError
from perception.sound.spatial_spectrum import HOP_S, Peak

# Deviation of one peak from the truth, rad, times its contrast: 1.3 degrees at .3 (anechoic) and 6 degrees at .065
# (RT60 0.6 s) in simulated rooms.
SPREAD_RAD = math.radians(0.3)
# Neighbouring peaks share most of their memory: eight of them tell what one tells.
SHARED_HOPS = 8.0
WALK_RAD = math.radians(8.0)  # a person's direction wanders this much in a second
# The distance to the person is unknown; half of the assumed parallax may be wrong.
PARALLAX_DOUBT = 0.5


@dataclass(frozen=True)
class TrackConfig:
    """Limits of birth and death of a track. Contrasts are those of `Peak`."""

    birth_contrast: float = 0.04
    """A peak this high may start a track; modulated noise from everywhere reaches 0.046 in 99 % of its hops."""
    keep_contrast: float = 0.02
    """A peak this high keeps a track alive that it lies on."""
    rival_share: float = 0.65
    """A second source must start at this share of the contrast of the highest peak; echoes from walls rarely do."""
    least_hits: int = 3
    """Hops that must agree before a track is reported: 0.3 s."""
    hold_s: float = 0.7
    """A track lasts this long without a peak, so that pauses between words do not end it."""
    gate_rad: float = math.radians(25.0)
    """A peak further than this from a track is not its own."""
    apart_rad: float = math.radians(30.0)
    """Two tracks closer than this are one person; the array cannot part them."""
    most: int = 2
    """Reported at once; the array has four microphones and rooms have echoes."""
    assumed_distance_m: float = 2.0
    """Of the source, for the parallax of a walking dog; only bearings are heard."""

    def __post_init__(self) -> None:
        if not 0.0 < self.keep_contrast <= self.birth_contrast < 0.5:
            raise SoundInputError(
                f"keep_contrast {self.keep_contrast} and birth_contrast {self.birth_contrast} came; allowed are "
                "0 < keep_contrast <= birth_contrast < 0.5. Lower the first or raise the second."
            )
        for name, low, high in (
            ("rival_share", 0.0, 1.0),
            ("least_hits", 1, 100),
            ("hold_s", 0.1, 60.0),
            ("gate_rad", 0.01, math.pi),
            ("apart_rad", 0.01, math.pi),
            ("most", 1, 2),
            ("assumed_distance_m", 0.2, 100.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise SoundInputError(f"{name} is {value}; allowed are {low:g} to {high:g}. Choose another.")


class Track(NamedTuple):
    """One source: world `azimuth_rad` with `deviation_rad`, `contrast` of its last peak, and its life so far."""

    number: int
    azimuth_rad: float
    deviation_rad: float
    contrast: float
    hits: int
    silent_s: float
    reported: bool


class Tracker:
    """Keeps the tracks; `step` once a hop, first `predict`, then `update`."""

    def __init__(self, config: TrackConfig | None = None) -> None:
        self.config = config or TrackConfig()
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; numbers start again at 1."""
        self._tracks: tuple[Track, ...] = ()
        self._born = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks, those that are too young to be reported included."""
        return self._tracks

    def predict(self, before: HeadPose, now: HeadPose) -> None:
        """Move the tracks by one hop in which the head went from one pose to another."""
        self._tracks = tuple(self._moved(track, before, now) for track in self._tracks)

    def _moved(self, track: Track, before: HeadPose, now: HeadPose) -> Track:
        azimuth = seen_from(now, track.azimuth_rad, before, self.config.assumed_distance_m)
        parallax = wrap(azimuth - track.azimuth_rad)
        variance = track.deviation_rad**2 + WALK_RAD**2 * HOP_S + (PARALLAX_DOUBT * parallax) ** 2
        # Beyond 90 degrees a bearing says nothing more.
        return track._replace(azimuth_rad=azimuth, deviation_rad=min(math.sqrt(variance), math.pi / 2))

    def update(self, peaks: Sequence[Peak]) -> tuple[Track, ...]:
        """Give each track the nearest of the peaks, start and end tracks, and return those to report, oldest first."""
        free = [peak for peak in peaks if peak.contrast >= self.config.keep_contrast]
        kept = []
        for track in sorted(self._tracks, key=lambda t: (not t.reported, t.number)):
            near = [peak for peak in free if _apart(peak.azimuth_rad, track.azimuth_rad) <= self.config.gate_rad]
            own = min(near, key=lambda p: _apart(p.azimuth_rad, track.azimuth_rad)) if near else None
            if own is not None:
                free.remove(own)
            kept.append(self._heard(track, own) if own else self._unheard(track))
        alive = self._without_doubles([track for track in kept if track is not None])
        highest = max((peak.contrast for peak in peaks), default=0.0)
        least = max(self.config.birth_contrast, self.config.rival_share * highest)
        self._tracks = self._with_newborn(alive, [peak for peak in free if peak.contrast >= least])
        return tuple(sorted((t for t in self._tracks if t.reported), key=lambda t: t.number)[: self.config.most])

    def _heard(self, track: Track, peak: Peak) -> Track:
        noise = (SPREAD_RAD / peak.contrast) ** 2 * SHARED_HOPS
        variance = track.deviation_rad**2
        gain = variance / (variance + noise)
        step = wrap(peak.azimuth_rad - track.azimuth_rad)
        hits = track.hits + 1
        return track._replace(
            azimuth_rad=wrap(track.azimuth_rad + gain * step),
            deviation_rad=math.sqrt(variance * (1.0 - gain)),
            contrast=peak.contrast,
            hits=hits,
            silent_s=0.0,
            reported=track.reported or hits >= self.config.least_hits,
        )

    def _unheard(self, track: Track) -> Track | None:
        """A reported track waits for the next word; a young one was a mistake."""
        silent = track.silent_s + HOP_S
        if not track.reported or silent > self.config.hold_s + 1e-9:
            return None
        return track._replace(silent_s=silent)

    def _without_doubles(self, tracks: Sequence[Track]) -> list[Track]:
        """The older of two tracks that have come together stays."""
        kept: list[Track] = []
        for track in tracks:
            if all(_apart(track.azimuth_rad, other.azimuth_rad) >= self.config.apart_rad for other in kept):
                kept.append(track)
        return kept

    def _with_newborn(self, tracks: Sequence[Track], peaks: Sequence[Peak]) -> tuple[Track, ...]:
        alive = list(tracks)
        for peak in peaks:
            clear = all(_apart(peak.azimuth_rad, t.azimuth_rad) >= self.config.apart_rad for t in alive)
            if clear:
                self._born += 1
                spread = SPREAD_RAD / peak.contrast * math.sqrt(SHARED_HOPS)
                alive.append(
                    Track(self._born, peak.azimuth_rad, spread, peak.contrast, 1, 0.0, self.config.least_hits <= 1)
                )
        return tuple(alive)


def seen_from(now: HeadPose, azimuth_rad: float, before: HeadPose, distance_m: float) -> float:
    """World azimuth, rad, from a new place of the head to what was `distance_m` away at `azimuth_rad` from another."""
    if before[:2] == now[:2]:
        return azimuth_rad
    along = before.x_m - now.x_m + distance_m * math.cos(azimuth_rad)
    across = before.y_m - now.y_m + distance_m * math.sin(azimuth_rad)
    return wrap(math.atan2(across, along))


def _apart(a: float, b: float) -> float:
    return float(np.abs(wrap(a - b)))
