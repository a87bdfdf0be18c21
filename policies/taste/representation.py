"""A learnt map from motion to a small space in which what people call alike is near; numpy runs it.

Kept as safetensors and JSON, never pickle. Three forms: a linear map of motion descriptors, a network over the whole
(`mlp`), and a network over each waypoint whose outputs are averaged (`deepsets`, Zaheer et al. 2017).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import expit

from geometry.files import read_json
from perception.weights import check_digest

Kind = Literal["linear", "mlp", "deepsets"]
Activation = Literal["relu", "silu"]
Inputs = Literal["descriptors", "encoded", "vector", "relations"]
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "taste"
_VERSION = 1


class RepresentationError(ValueError):
    """A representation that cannot be used; the message says what came and what was expected."""


@dataclass(frozen=True)
class Representation:
    """A map from inputs to (N, d).

    Attributes:
        kind: 'linear' and 'mlp' take (N, K), or anything (N, ...) of K numbers; 'deepsets' takes waypoints (N, T, K).
        inputs: what of a trajectory it takes: its descriptors, its encoding, its published vector, or its relations.
        mean: (K,) taken off the inputs.
        scale: (K,) they are divided by, above 0.
        weights: one (outputs, inputs) for each layer.
        biases: one (outputs,) for each layer.
        activation: between layers.
        about: what it was learnt from, as JSON takes it.
    """

    kind: Kind
    inputs: Inputs
    mean: np.ndarray
    scale: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    activation: Activation = "relu"
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, allowed in (("kind", Kind), ("inputs", Inputs), ("activation", Activation)):
            if getattr(self, name) not in get_args(allowed):
                known = ", ".join(get_args(allowed))
                raise RepresentationError(f"{name} {getattr(self, name)!r} came; allowed are {known}")
        if not self.weights or len(self.weights) != len(self.biases):
            raise RepresentationError(f"{len(self.weights)} weights and {len(self.biases)} biases came")
        width = self.n_inputs
        if self.mean.shape != (width,) or self.scale.shape != (width,) or not (self.scale > 0).all():
            raise RepresentationError(
                f"mean {self.mean.shape} and scale {self.scale.shape} came; expected ({width},) each, the scale above 0"
            )
        for weight, bias in zip(self.weights, self.biases, strict=True):
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                raise RepresentationError(f"a layer {weight.shape} with bias {bias.shape} follows {width} numbers")
            width = len(weight)
        arrays = (self.mean, self.scale, *self.weights, *self.biases)
        if not all(np.isfinite(array).all() for array in arrays):
            raise RepresentationError("a number in it is not finite; train it again or take another copy")

    @property
    def n_inputs(self) -> int:
        """K, how many numbers an input (or a waypoint of it) has."""
        return int(self.weights[0].shape[1])

    @property
    def dimensions(self) -> int:
        """d, how many numbers come out."""
        return len(self.weights[-1])

    @property
    def fingerprint(self) -> str:
        """Names the map by its numbers: what was learnt on one must not be used with another."""
        arrays = (self.mean, self.scale, *self.weights, *self.biases)
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(one, np.float32).tobytes() for one in arrays))
        return f"{self.kind}-{self.dimensions}-{digest.hexdigest()[:12]}"

    def embed(self, inputs: np.ndarray) -> np.ndarray:
        """(N, d) float64 of inputs (N, K), or (N, T, K) for 'deepsets'.

        Raises:
            RepresentationError: the inputs have another size, or are not finite.
        """
        values = np.asarray(inputs, float)
        if self.kind != "deepsets":
            values = values.reshape(len(values), -1)
        if values.ndim != (3 if self.kind == "deepsets" else 2) or values.shape[-1] != self.n_inputs:
            raise RepresentationError(f"inputs {np.shape(inputs)} came; {self.kind} takes {self.n_inputs} numbers each")
        if not np.isfinite(values).all():
            raise RepresentationError("an input is not finite: look for a damaged clip")
        hidden = (values - self.mean) / self.scale
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if index:
                hidden = np.maximum(hidden, 0) if self.activation == "relu" else hidden * expit(hidden)
            hidden = hidden @ weight.T + bias
        embedded: np.ndarray = hidden.mean(axis=1) if self.kind == "deepsets" else hidden
        return embedded

    def save(self, folder: Path) -> None:
        """Write model.safetensors and config.json.

        Raises:
            OSError: they cannot be written.
        """
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"mean": self.mean, "scale": self.scale}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors |= {f"layers.{index}.weight": weight, f"layers.{index}.bias": bias}
        whole = {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}
        path = folder / "model.safetensors"
        save_file(whole, str(path))
        path.chmod(0o644)  # it is written for its owner alone otherwise
        config = {
            "version": _VERSION,
            "kind": self.kind,
            "inputs": self.inputs,
            "activation": self.activation,
            "n_inputs": self.n_inputs,
            "dimensions": self.dimensions,
            "layers": len(self.weights),
            "about": dict(self.about),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path = DEFAULT_FOLDER) -> Representation:
        """Read what `save` wrote.

        Raises:
            RepresentationError: files are missing, damaged, or of another version.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = read_json(folder / "config.json")
            tensors = load_file(str(folder / "model.safetensors"))
            if config["version"] != _VERSION:
                raise RepresentationError(f"it is of version {config['version']}; this Empaw reads {_VERSION}")
            check_digest(folder / "model.safetensors", config)
            layers = range(config["layers"])
            return cls(
                kind=config["kind"],
                inputs=config["inputs"],
                mean=tensors["mean"],
                scale=tensors["scale"],
                weights=tuple(tensors[f"layers.{index}.weight"] for index in layers),
                biases=tuple(tensors[f"layers.{index}.bias"] for index in layers),
                activation=config["activation"],
                about=config["about"],
            )
        except (OSError, KeyError, TypeError, ValueError, AttributeError, SafetensorError) as problem:
            raise RepresentationError(
                f"{folder} holds no representation that can be used ({type(problem).__name__}: {problem}); expected "
                "model.safetensors and config.json as they are saved after training"
            ) from problem
