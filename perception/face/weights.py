"""Reading and writing the weights of the face network: model.safetensors and config.json, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from perception.face.network import CLASSES, FaceNetwork, NetworkConfig
from perception.speech.weights import WeightsError, write_atomic

__all__ = ["Stored", "WeightsError", "fill", "load", "read_tensors", "save", "write_atomic"]

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "face_emotion"
_RESTORE = "Restore the folder from the release, or train it again with 'python -m perception.face train'."


class Stored(NamedTuple):
    """A network in evaluation mode and the temperature that its logits are divided by."""

    network: FaceNetwork
    temperature: float


def load(folder: Path) -> Stored:
    """Read a weights folder.

    Raises:
        WeightsError: a file is missing or damaged, or belongs to another network.
    """
    raw = _read_json(folder / "config.json")
    config = _network_config(folder / "config.json", raw)
    temperature = raw.get("temperature")
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or not 0.01 <= temperature <= 100.0:
        raise WeightsError(f"{folder}: temperature is {temperature!r}; expected 0.01 to 100. {_RESTORE}")
    if raw.get("labels") != list(CLASSES):
        raise WeightsError(f"{folder}: labels are {raw.get('labels')!r}; expected {list(CLASSES)}. {_RESTORE}")
    tensors = read_tensors(folder / "model.safetensors")
    network = FaceNetwork(config)  # of bounded size, whatever config.json says
    fill(network, tensors, folder)
    return Stored(network.eval(), float(temperature))


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path} is missing; a weights folder holds model.safetensors and config.json. {_RESTORE}")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON ({error}). {_RESTORE}") from error
    if not isinstance(raw, dict):
        raise WeightsError(f"{path} holds no JSON object. {_RESTORE}")
    return raw


def _network_config(path: Path, raw: Mapping[str, Any]) -> NetworkConfig:
    names = {field.name for field in fields(NetworkConfig)}
    try:
        entries: dict[str, Any] = {
            name: tuple(raw[name]) if isinstance(raw[name], list) else raw[name] for name in names
        }
        if not all(type(n) is int for name in ("widths", "blocks") for n in entries[name]):
            raise TypeError("widths and blocks must hold whole numbers")
        if type(entries["heads"]) is not int:
            raise TypeError("heads must be a whole number")
        return NetworkConfig(**entries)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} describes no network of ours ({error}). {_RESTORE}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file; half precision becomes float32.

    Raises:
        WeightsError: the file is missing, truncated, or not in the safetensors format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(f"{path} is missing; a weights folder holds model.safetensors and config.json. {_RESTORE}")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors ({error}). {_RESTORE}") from error
    return {name: t.float() if t.dtype == torch.float16 else t for name, t in tensors.items()}


def fill(network: torch.nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Copy tensors into a network whose names and shapes must match exactly.

    Raises:
        WeightsError: a tensor is missing, is unknown, has another shape, or holds NaN or infinity.
    """
    _check_shapes(network, tensors, folder)
    broken = sorted(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise WeightsError(f"{folder}: {broken[:3]} hold NaN or infinity. {_RESTORE}")
    network.load_state_dict(dict(tensors))


def _check_shapes(network: torch.nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    came = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(name for name in wanted.keys() | came.keys() if wanted.get(name) != came.get(name))
    if wrong:
        shown = "; ".join(f"{n}: {came.get(n, 'absent')}, expected {wanted.get(n, 'nothing')}" for n in wrong[:3])
        raise WeightsError(f"{folder} holds the weights of another network: {len(wrong)} differ ({shown}). {_RESTORE}")


def save(folder: Path, stored: Stored, notes: Mapping[str, Any], card: str) -> None:
    """Write model.safetensors (fp16), config.json (network, temperature, labels, notes) and CARD.md atomically."""
    from safetensors.torch import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    half = {name: _half(tensor) for name, tensor in stored.network.state_dict().items()}
    write_atomic(folder / "model.safetensors", to_bytes(half))
    entries = {**asdict(stored.network.config), "temperature": stored.temperature, "labels": list(CLASSES), **notes}
    write_atomic(folder / "config.json", (json.dumps(entries, indent=2) + "\n").encode())
    write_atomic(folder / "CARD.md", card.encode())


def _half(tensor: Tensor) -> Tensor:
    """Half precision for what is learned; counters stay whole numbers."""
    plain = tensor.detach().cpu()
    return (plain.to(torch.float16) if plain.is_floating_point() else plain).contiguous()
