"""People in what a depth camera sees: upright and taller than furniture, found as columns above it.

Nobody is known by looks; a lamp of a person's height and girth is taken for one until the voice comes from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from perception.things import ThingsError


@dataclass(frozen=True)
class PeopleConfig:
    """What counts as somebody; m above the ground."""

    above_m: float = 1.13
    """Only what is higher is looked at: heads and shoulders, of people who sit as well."""
    least_top_m: float = 1.23
    """Somebody who sits is so tall; cupboards and half-height walls are lower."""
    taller_by_metre: float = 0.012
    """So much taller for each metre away: far off, the ground is level to a degree only."""
    standing_m: float = 1.4
    """Somebody who says nothing is taken for somebody only from this height on."""
    most_top_m: float = 2.1
    most_wide_m: float = 0.8
    cell_m: float = 0.08
    least_points: int = 12

    def __post_init__(self) -> None:
        if not 0.0 < self.above_m < self.least_top_m < self.most_top_m or self.least_points < 1:
            raise ValueError(f"{self} came; 0 < above_m < least_top_m < most_top_m, and least_points 1 or more")
        if not 0.02 <= self.cell_m <= self.most_wide_m:
            raise ValueError(f"{self} came; cell_m must be 0.02 to most_wide_m")


class Somebody(NamedTuple):
    """Somebody who was seen: where they stand or sit, (2,) m in the frame that was given, and how tall that is, m."""

    place: np.ndarray
    top_m: float


def find_people(cloud: np.ndarray, eye: np.ndarray, config: PeopleConfig | None = None) -> list[Somebody]:
    """Find people in points, those of whom most is seen first.

    Args:
        cloud: (N, 3) m in a frame whose z is up and whose ground is z = 0, see `perception.things.level`; no NaN.
        eye: (2,) m, from where they were seen.
        config: what counts.

    Raises:
        ThingsError: no points (N, 3).
    """
    from scipy.ndimage import label

    if cloud.ndim != 2 or cloud.shape[1] != 3:
        raise ThingsError(f"points of shape {cloud.shape} came; (N, 3) m are needed")
    config = config or PeopleConfig()
    high = cloud[(cloud[:, 2] > config.above_m) & (cloud[:, 2] < config.most_top_m + 0.3)]
    if len(high) < config.least_points:
        return []
    index = np.floor((high[:, :2] - high[:, :2].min(axis=0)) / config.cell_m).astype(int)
    grid = np.zeros(index.max(axis=0) + 1, bool)
    grid[index[:, 0], index[:, 1]] = True
    number = label(grid, np.ones((3, 3)))[0][index[:, 0], index[:, 1]]
    found = []
    for one in range(1, number.max() + 1):
        points = high[number == one]
        top = float(np.quantile(points[:, 2], 0.98))
        wide = float(np.ptp(points[:, :2], axis=0).max())
        place = np.median(points[:, :2], axis=0)
        least = config.least_top_m + config.taller_by_metre * float(np.hypot(*(place - eye)))
        if least <= top <= config.most_top_m and wide <= config.most_wide_m and len(points) >= config.least_points:
            found.append((len(points), Somebody(place, top)))
    return [somebody for _, somebody in sorted(found, key=lambda pair: -pair[0])]


_SHIFT_M, _SHARE = 0.4, 0.4
"""From near, now an arm is seen and now a shoulder: a shift smaller than this is believed by this share."""


class PersonTracker:
    """Where the dog believes its person to be: who is seen where a voice comes from, and nobody else.

    Attributes:
        place: (2,) m, or None before anybody was met; `seen_s` when they were seen there last.
    """

    def __init__(self, within_rad: float = 0.35, same_m: float = 1.2) -> None:
        self._within_rad, self._same_m = within_rad, same_m
        self.reset()

    def reset(self) -> None:
        """Know nobody."""
        self.place: np.ndarray | None = None
        self.seen_s = -np.inf

    def see(
        self, people: list[Somebody], eye: np.ndarray, time_s: float, voice_azimuth: float | None = None
    ) -> np.ndarray | None:
        """Take in who was seen; returns where the person is believed to be.

        Args:
            people: from `find_people`, in a frame that stays.
            eye: (2,) m, from where they were seen.
            time_s: now.
            voice_azimuth: where a voice came from of late, rad in that frame; None where nobody spoke.
        """
        chosen = self._choose(people, np.asarray(eye, float), voice_azimuth)
        if chosen is not None:
            moved = np.zeros(2) if self.place is None else chosen.place - self.place
            stays = 0.0 < np.hypot(*moved) < _SHIFT_M
            self.place = chosen.place - (1 - _SHARE) * moved if stays else chosen.place
            self.seen_s = time_s
        return self.place

    def _choose(self, people: list[Somebody], eye: np.ndarray, azimuth: float | None) -> Somebody | None:
        if azimuth is not None:
            off = [_off(one.place - eye, azimuth) for one in people]
            best = int(np.argmin(off)) if off else -1
            if best >= 0 and off[best] <= self._within_rad:
                return people[best]
        if self.place is None:
            standing = [one for one in people if one.top_m >= PeopleConfig.standing_m]
            return standing[0] if standing and azimuth is None else None
        near = [float(np.hypot(*(one.place - self.place))) for one in people]
        best = int(np.argmin(near)) if near else -1
        return people[best] if best >= 0 and near[best] <= self._same_m else None


def _off(away: np.ndarray, azimuth: float) -> float:
    """Return how far a direction (2,) is from an azimuth, rad."""
    angle = float(np.arctan2(away[1], away[0])) - azimuth
    return abs(float(np.arctan2(np.sin(angle), np.cos(angle))))
