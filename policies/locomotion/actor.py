"""The policy as numpy runs it: a normaliser, two hidden layers, twelve residuals. Kept as safetensors, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from control.gait import GAITS
from control.locomotion_controller import SlipCompensation, Table
from control.mirror import ACTION_SIGNS, mirror_action, mirror_observation
from control.observation import OBSERVATION_SIZE
from geometry.files import read_json, whole
from perception.weights import check_digest

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "gait"
_CLIP = 8.0
MAX_SLIP_M_S = 0.3
_MOST_REACH = 1e6  # the shipped policies could reach 2,600 if all inputs were at their worst


class ActorError(ValueError):
    """Weights that cannot be used; the message says what came and what was expected."""


def elu(x: np.ndarray) -> np.ndarray:
    """Return x where positive, exp(x) - 1 elsewhere: the exponential linear unit (Clevert et al. 2016, 1511.07289)."""
    below = np.minimum(x, 0.0)
    return np.maximum(x, np.expm1(below, out=below), out=below)  # expm1(x) > x where x < 0


def fast_elu(x: np.ndarray) -> np.ndarray:
    """Return `elu`, off by 1e-7 near zero, in a quarter of the time: numpy has a vectorised exp, but no expm1."""
    below = np.minimum(x, 0.0)
    np.exp(below, out=below)
    below -= 1.0
    return np.maximum(x, below, out=below)


@dataclass(frozen=True)
class Actor:
    """A Gaussian policy: `mean` and `scale` (obs,) normalise, ELU layers follow, `log_std` (12,) is for exploring.

    `slip_compensation` holds by gait what its legs lose to scuffing feet, by cadence and velocity, as
    `learning.gait.calibrate` measured it; gaits that are not in it lose what the clocked gait does.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: tuple[np.ndarray, ...]  # each (outputs, inputs)
    biases: tuple[np.ndarray, ...]
    log_std: np.ndarray
    slip_compensation: Mapping[str, SlipCompensation] = field(default_factory=dict)

    def normalise(self, observations: np.ndarray) -> np.ndarray:
        """Normalise and clip observations (..., obs)."""
        scaled = (observations - self.mean) / self.scale
        return np.minimum(np.maximum(scaled, -_CLIP), _CLIP)

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Return mean actions (..., 12) for observations (..., obs) as the environment gives them."""
        return self.forward(self.normalise(observations))

    def forward(self, normalised: np.ndarray, activation: Callable[[np.ndarray], np.ndarray] = elu) -> np.ndarray:
        """Return mean actions for observations that are normalised already: the mean of both sides of the mirror."""
        hidden = np.stack([normalised, mirror_observation(normalised)]).reshape(-1, normalised.shape[-1])
        *inner, (weight, bias) = self._layers
        for factors, offset in inner:
            hidden = activation(hidden @ factors + offset)
        both = (hidden @ weight + bias).reshape(2, *normalised.shape[:-1], -1)
        mean: np.ndarray = 0.5 * (both[0] + mirror_action(both[1]))
        return mean

    @cached_property
    def _layers(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Weights as they are multiplied with, (inputs, outputs) in that order in memory: a third of the time."""
        return tuple(
            (np.ascontiguousarray(weight.T), bias) for weight, bias in zip(self.weights, self.biases, strict=True)
        )

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the weights and their compensation: the first 16 hexadecimal digits of a SHA-256."""
        digest = hashlib.sha256(json.dumps(_as_json(self.slip_compensation), sort_keys=True).encode())
        for values in (self.mean, self.scale, *self.weights, *self.biases):
            digest.update(np.asarray(values, np.float32).tobytes())
        return digest.hexdigest()[:16]

    def sample(self, normalised: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw actions (n, 12) for normalised observations (n, obs)."""
        mean = self.forward(normalised, fast_elu)
        return mean + np.exp(self.log_std) * rng.standard_normal(mean.shape)

    def save(self, folder: Path, about: dict[str, Any]) -> None:
        """Write model.safetensors and config.json."""
        from safetensors.numpy import save

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"mean": self.mean, "scale": self.scale, "log_std": self.log_std}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors |= {f"weight.{index}": weight, f"bias.{index}": bias}
        content = save({name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()})
        slip = {"slip_compensation": _as_json(self.slip_compensation)}
        # Both are written before one takes its place: a full disk leaves what was there before.
        with whole(folder / "config.json") as config, whole(folder / "model.safetensors") as model:
            model.write_bytes(content)
            digest = {"sha256": hashlib.sha256(content).hexdigest()}
            text = json.dumps({"layers": len(self.weights), **slip, **about, **digest}, indent=1)
            config.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Actor:
        """Read what `save` wrote.

        Raises:
            ActorError: a file is missing, damaged, or of another network.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = read_json(folder / "config.json")
            layers = int(config["layers"])
            tensors = load_file(str(folder / "model.safetensors"))
            actor = cls(
                tensors["mean"],
                tensors["scale"],
                tuple(tensors[f"weight.{index}"] for index in range(layers)),
                tuple(tensors[f"bias.{index}"] for index in range(layers)),
                tensors["log_std"],
                _slip_compensation(config),
            )
            check_digest(folder / "model.safetensors", config)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
            raise ActorError(
                f"{folder} holds no gait policy that can be read ({problem}); it needs config.json and "
                "model.safetensors as `train_gait.py train` writes them"
            ) from problem
        actor._check(folder)
        return actor

    def _check(self, folder: Path) -> None:
        flat, square = (self.mean, self.scale, self.log_std, *self.biases), self.weights
        shaped = all(one.ndim == 1 for one in flat) and all(one.ndim == 2 for one in square)
        if not shaped or not all(np.isfinite(one).all() for one in (*flat, *square)):
            raise ActorError(
                f"{folder}: the tensors have NaN or infinite numbers, or shapes of no policy; it is damaged"
            )
        inputs = len(self.mean)
        if (inputs, len(self.log_std)) != (OBSERVATION_SIZE, len(ACTION_SIGNS)):
            raise ActorError(
                f"{folder} holds a policy for {inputs} observations and {len(self.log_std)} actions; this task has "
                f"{OBSERVATION_SIZE} and {len(ACTION_SIGNS)}: it is of another version or another robot"
            )
        for gait, tables in self.slip_compensation.items():
            if gait not in GAITS or not all(map(_is_sound, tables)):
                raise ActorError(
                    f"{folder}: slip_compensation has {tables} for {gait!r}; allowed are rising cadences, Hz, and "
                    f"rising speeds, m/s, each with up to {MAX_SLIP_M_S} m/s, for {', '.join(GAITS)}. Run "
                    "train_gait.py calibrate again"
                )
        reach = np.full(inputs, _CLIP)  # the largest that each number of a layer can be: elu(x) is within -1 and |x|
        for weight, bias in zip(self.weights, self.biases, strict=True):
            if weight.shape != (len(bias), inputs):
                raise ActorError(f"{folder}: a layer has shape {weight.shape}, expected ({len(bias)}, {inputs})")
            inputs = len(bias)
            reach = np.abs(weight, dtype=float) @ np.maximum(reach, 1.0) + np.abs(bias)
        if not reach.max(initial=0.0) <= _MOST_REACH:
            raise ActorError(f"{folder}: actions could be as large as {reach.max():.0e}; it is damaged or ran away")
        if inputs != len(self.log_std) or self.mean.shape != self.scale.shape or not (self.scale > 0).all():
            raise ActorError(f"{folder}: the tensors do not fit each other")


def read_about(folder: Path) -> dict[str, Any]:
    """Return what config.json says of a policy beside what `Actor.save` writes itself."""
    about: dict[str, Any] = read_json(folder / "config.json")
    written = ("layers", "slip_compensation", "sha256", _OLD_KEY)
    return {name: value for name, value in about.items() if name not in written}


_OLD_KEY = "losses"  # of the slip compensation, in policies that were written before


def _as_json(slip_compensation: Mapping[str, SlipCompensation]) -> dict[str, dict[str, Any]]:
    return {gait: tables._asdict() for gait, tables in slip_compensation.items()}


def _slip_compensation(config: dict[str, Any]) -> dict[str, SlipCompensation]:
    held = config.get("slip_compensation", config.get(_OLD_KEY, {}))
    return {str(gait): SlipCompensation(*_tables(**tables)) for gait, tables in held.items()}


def _tables(
    by_cadence: list[list[float]], by_speed: list[list[float]], by_sideways: list[list[float]] | None = None
) -> tuple[Table, Table, Table]:
    return _table(by_cadence), _table(by_speed), _table(by_sideways or [[0.0, 0.0]])


def _table(pairs: list[list[float]]) -> Table:
    return tuple((float(place), float(slip)) for place, slip in pairs)


def _is_sound(table: Table) -> bool:
    places = [place for place, _ in table]
    rising = bool(places) and places == sorted(set(places)) and bool(np.isfinite(places).all())
    return rising and all(abs(slip) <= MAX_SLIP_M_S for _, slip in table)


def load_policy(name: str) -> Actor | None:
    """Load the policy in a folder; 'default' is the shipped one, 'none' the clocked gait alone, and None is given.

    Raises:
        ActorError: it is not there, damaged, or of another task.
    """
    if name == "none":
        return None
    return Actor.load(DEFAULT_FOLDER if name == "default" else Path(name))
