"""Measures clips of the dog: four features that people see, and plain statistics of the motion.

The features are computed from what the body did, not from what it was told, with the signs that studies of movement and
feeling agree on (Montepare et al. 1987; Karg et al. 2013; valence, arousal and dominance of expressive motion:
arXiv 2203.02091). Each is a sum of cues, and each cue is scaled by fixed numbers, `style_scales.json`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from envs.trajectories.style_clip import CHANNELS, FRAME_S
from envs.trajectories.task import six_digits
from geometry.files import read_json

FEATURES = ("arousal", "valence", "dominance", "closeness")
CUES: dict[str, dict[str, float]] = {
    "arousal": {"cadence": 1.0, "amplitude": 1.0, "speed": 1.0, "abrupt": 1.0},
    "valence": {"roll": 1.0, "bounce": 0.4, "curved": 1.0, "raised": 0.8, "smooth": 0.6},
    "dominance": {"height": 1.0, "proud": 0.8, "direct": 1.0, "near": 0.5},
    "closeness": {"near": 1.0, "came": 0.5},
}
"""Weights of the scaled cues in each feature."""
SCALES_FILE = Path(__file__).with_name("style_scales.json")
_FEET = [CHANNELS.index(f"foot_{leg}") for leg in ("FR", "FL", "RR", "RL")]
_STEP = 3  # frames, 0.24 s: half a cycle of a slow gait, a whole one of a quick gait
_LEAST = 1e-3  # below what any channel moves by: keeps logarithms of what stands still finite


def cues(states: np.ndarray) -> dict[str, np.ndarray]:
    """Measure clips (N, T, 17); each cue is (N,), in SI units or their logarithm."""
    seen = {name: states[:, :, index].astype(np.float64) for index, name in enumerate(CHANNELS)}
    feet = states[:, :, _FEET].astype(np.float64)
    lift = np.quantile(feet, 0.9, axis=1).mean(axis=1) + _LEAST
    # A foot that steps goes up and down by its lift: its whole way over twice that is how often it stepped.
    steps = np.abs(np.diff(feet, axis=1)).mean(axis=(1, 2)) / (2 * lift * FRAME_S)
    speed = np.hypot(seen["velocity_forward"], seen["velocity_left"]).mean(axis=1)
    last = seen["distance"][:, -6:].mean(axis=1)
    going = seen["distance"] - last[:, None] + 0.05  # the way still to go: who has come is neither direct nor curved
    beside = np.abs(seen["bearing_sin"])
    return {
        "cadence": steps,
        "amplitude": lift,
        "speed": speed,
        "abrupt": _abruptness(seen["velocity_forward"]),
        "smooth": -_abruptness(seen["velocity_forward"]),
        "roll": np.log(seen["roll"].std(axis=1) + _LEAST),
        "bounce": np.log(
            (seen["velocity_up"].std(axis=1) + _LEAST) / np.sqrt(speed + 0.05)
        ),  # more than its speed asks
        "curved": np.average(beside, axis=1, weights=np.clip(going, 0.01, None)),
        "raised": seen["height"].mean(axis=1),
        "height": seen["height"].mean(axis=1),
        "proud": -seen["pitch"].mean(axis=1),
        "direct": -np.average(beside, axis=1, weights=np.clip(going, 0.01, None)),
        "near": -last,
        "came": seen["distance"][:, 0] - last,
    }


def _abruptness(velocity: np.ndarray) -> np.ndarray:
    """(N,) log of how much the velocity (N, T) changes in a quarter of a second, the sway within a step left out."""
    total = np.cumsum(np.pad(velocity, ((0, 0), (1, 0))), axis=1)
    even = (total[:, _STEP:] - total[:, :-_STEP]) / _STEP
    change: np.ndarray = np.log(np.abs(even[:, _STEP:] - even[:, :-_STEP]).mean(axis=1) + _LEAST)
    return change


def raw_features(measured: dict[str, np.ndarray], scales: dict[str, Any]) -> np.ndarray:
    """Sum scaled cues: (N, 4), of unit size but without bounds."""
    columns = []
    for name in FEATURES:
        parts = [
            weight * (measured[cue] - scales["cues"][cue][0]) / scales["cues"][cue][1]
            for cue, weight in CUES[name].items()
        ]
        columns.append(np.sum(parts, axis=0))
    return np.stack(columns, axis=1)


def features(states: np.ndarray) -> np.ndarray:
    """(N, 4) of `FEATURES` in [0, 1], from clips (N, T, 17)."""
    fixed = scales()
    raw = raw_features(cues(states), fixed)
    low, high = np.array(fixed["features"]).T
    return np.clip((raw - low) / (high - low), 0.0, 1.0)


def raw_descriptors(states: np.ndarray) -> np.ndarray:
    """(N, 68): of each channel the mean, and the logarithms of the spread, of the mean change and of its change."""
    motion = states.astype(np.float64)
    change, bend = np.diff(motion, axis=1), np.diff(motion, n=2, axis=1)
    return np.concatenate(
        [
            motion.mean(axis=1),
            np.log(motion.std(axis=1) + _LEAST),
            np.log(np.abs(change).mean(axis=1) + _LEAST),
            np.log(np.abs(bend).mean(axis=1) + _LEAST),
        ],
        axis=1,
    )


def descriptors(states: np.ndarray) -> np.ndarray:
    """(N, 68) float32: `raw_descriptors` of about zero mean and unit size."""
    middle, size = np.array(scales()["descriptors"]).T
    return ((raw_descriptors(states) - middle) / size).astype(np.float32)


def encode(states: np.ndarray) -> np.ndarray:
    """(N, T, 17) float32: the channels of about zero mean and unit size."""
    middle, size = np.array(scales()["channels"]).T
    return ((states - middle) / size).astype(np.float32)


def measure_scales(states: np.ndarray) -> dict[str, Any]:
    """Work out the fixed numbers from a big sample of clips (N, T, 17).

    Of cues, descriptors and channels the mean and the standard deviation; of features the 1st and 99th percentile.
    """
    found: dict[str, Any] = {"clips": len(states)}
    measured = cues(states)
    found["cues"] = {name: _middle_and_size(values) for name, values in measured.items()}
    low, high = np.quantile(raw_features(measured, found), (0.01, 0.99), axis=0)
    found["features"] = [[six_digits(a), six_digits(b)] for a, b in zip(low, high, strict=True)]
    found["descriptors"] = [_middle_and_size(column) for column in raw_descriptors(states).T]
    found["channels"] = [_middle_and_size(column) for column in states.reshape(-1, states.shape[2]).T]
    return found


def _middle_and_size(values: np.ndarray) -> list[float]:
    return [six_digits(values.mean()), six_digits(max(float(values.std()), _LEAST))]


@cache
def scales() -> dict[str, Any]:
    """The fixed numbers, as `python -m envs.trajectories.style_scales` made them."""
    found: dict[str, Any] = read_json(SCALES_FILE)
    return found
