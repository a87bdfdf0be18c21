"""The microphones: where they sit, where the head is, and which blocks of samples may come in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

RATE_HZ = 16_000
SOUND_M_S = 343.0  # speed of sound in air of 20 degrees C, the value of pyroomacoustics
MOST_BLOCK_S = 60.0  # in one push: somebody handed over a file; its estimates would come all at once
MOST_PEAK = 8.0  # 18 dB over full scale: beyond, the numbers are integers that were never divided
MOST_MICS = 32
LEAST_RADIUS_M, MOST_RADIUS_M = 0.005, 0.5
MOST_PLACE_M = 1e4  # a robot dog does not walk further from where it was switched on


class SoundInputError(ValueError):
    """A block of samples, a pose or a setting cannot be used; the message says what came and what to do."""


class HeadPose(NamedTuple):
    """Where the centre of the array is: `x_m`, `y_m` in the world, and its heading about the vertical, rad.

    Heading 0 looks along the world's x; positive turns left, as in the rest of the stack.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    heading_rad: float = 0.0


@dataclass(frozen=True)
class MicArray:
    """Microphones evenly on a horizontal circle.

    With four of them at 45, 135, 225 and 315 degrees from the nose, no pair lies along the direction of a person in
    front of the dog.
    """

    radius_m: float = 0.05
    """Of the circle; 5 cm fits on the head of a robot dog."""
    mics: int = 4
    """How many; at least 3, or left and right cannot be told from front and back."""
    first_rad: float = math.pi / 4
    """Angle of the first from the nose, counter-clockwise seen from above."""

    def __post_init__(self) -> None:
        if not LEAST_RADIUS_M <= self.radius_m <= MOST_RADIUS_M:
            raise SoundInputError(
                f"radius_m is {self.radius_m}; allowed are {LEAST_RADIUS_M} to {MOST_RADIUS_M} m. Give it in metres."
            )
        if not 3 <= self.mics <= MOST_MICS:
            raise SoundInputError(f"mics is {self.mics}; allowed are 3 to {MOST_MICS} microphones. Choose another.")
        if not math.isfinite(self.first_rad):
            raise SoundInputError(f"first_rad is {self.first_rad}; allowed are finite angles in rad. Give a number.")

    @property
    def positions(self) -> np.ndarray:
        """(mics, 2) m, in the frame of the head: x to the nose, y to the left."""
        angles = self.first_rad + 2.0 * np.pi * np.arange(self.mics) / self.mics
        return self.radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def positions_world(self, pose: HeadPose) -> np.ndarray:
        """(mics, 2) m in the world for a head at `pose`."""
        c, s = math.cos(pose.heading_rad), math.sin(pose.heading_rad)
        placed: np.ndarray = self.positions @ np.array([[c, s], [-s, c]]) + (pose.x_m, pose.y_m)
        return placed


def check_rate(rate_hz: float) -> None:
    """Refuse other rates than 16 kHz.

    Raises:
        SoundInputError: the rate is not 16 kHz.
    """
    if rate_hz != RATE_HZ:
        raise SoundInputError(
            f"a rate of {rate_hz!r} Hz came; allowed is {RATE_HZ} Hz. Resample each channel, all with "
            "the same filter, for instance with soxr: a delay of one sample between channels is an error of 12 degrees."
        )


def check_block(samples: np.ndarray, mics: int) -> np.ndarray:
    """Look at one block and return it as float64 (mics, n), clipped to full scale.

    Raises:
        SoundInputError: no float array (mics, n), empty, longer than a minute, NaN or infinity in it, or far beyond
            full scale.
    """
    array = np.asarray(samples)
    wanted = f"expected floats ({mics}, n) within [-1, 1] at {RATE_HZ} Hz, one row for each microphone"
    if array.dtype.kind != "f" or array.ndim != 2:
        raise SoundInputError(
            f"a block of shape {array.shape} and type {array.dtype} came; {wanted}. Divide 16-bit integers by 32768."
        )
    if array.shape[0] != mics:
        hint = " Transpose it." if array.shape[1] == mics else " Name the microphones of the array in its order."
        raise SoundInputError(f"a block with {array.shape[0]} channels came; {wanted}.{hint}")
    if array.shape[1] == 0:
        raise SoundInputError(f"an empty block came; {wanted}, n at least 1. Push only when there is sound.")
    if array.shape[1] > MOST_BLOCK_S * RATE_HZ:
        raise SoundInputError(
            f"a block of {array.shape[1] / RATE_HZ:.1f} s came; allowed are {MOST_BLOCK_S:g} s. Push it in pieces."
        )
    bad = ~np.isfinite(array)
    if bad.any():
        rows = np.flatnonzero(bad.any(axis=1)).tolist()
        raise SoundInputError(
            f"{int(bad.sum())} of {array.size} samples are NaN or infinite, in channels {rows}; {wanted}. Check the "
            "driver, or replace them by zeros in all channels."
        )
    peak = float(np.abs(array).max())
    if peak > MOST_PEAK:
        raise SoundInputError(f"samples up to {peak:.3g} came; {wanted}. Divide 16-bit integers by 32768.")
    clipped: np.ndarray = np.clip(array.astype(np.float64), -1.0, 1.0)
    return clipped


def check_pose(pose: HeadPose) -> HeadPose:
    """Look at a pose and return it as floats.

    Raises:
        SoundInputError: it is no three finite numbers, or absurdly far away.
    """
    try:
        x, y, heading = (float(value) for value in pose)
    except (TypeError, ValueError) as error:
        raise SoundInputError(
            f"{pose!r} is no pose; expected HeadPose(x_m, y_m, heading_rad), three numbers. Build one."
        ) from error
    if not all(math.isfinite(v) for v in (x, y, heading)) or max(abs(x), abs(y)) > MOST_PLACE_M or abs(heading) > 1e6:
        raise SoundInputError(
            f"the pose x {x:g} m, y {y:g} m, heading {heading:g} rad came; allowed are finite numbers, places within "
            f"{MOST_PLACE_M:g} m. Check units and odometry."
        )
    return HeadPose(x, y, heading)
