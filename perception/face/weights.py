"""Reading and writing the weights of the face network: model.safetensors and config.json, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from perception.face.network import CLASSES, FaceNetwork, NetworkConfig
from perception.weights import WeightsError, build, part_of, read_config, write_folder

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "face_emotion"


class Stored(NamedTuple):
    """A network in evaluation mode and the temperature that its logits are divided by."""

    network: FaceNetwork
    temperature: float


@dataclass(frozen=True)
class _StoredConfig(NetworkConfig):
    """Names what config.json holds beside the shape of the network."""

    temperature: float = 1.0
    labels: tuple[str, ...] = CLASSES


def load(folder: Path) -> Stored:
    """Read a weights folder.

    Raises:
        WeightsError: a file is missing or damaged, or belongs to another network.
    """
    config = read_config(folder, _StoredConfig)
    if not 0.01 <= config.temperature <= 100.0:
        raise WeightsError(f"{folder}: temperature is {config.temperature}; expected 0.01 to 100.")
    if config.labels != CLASSES:
        raise WeightsError(f"{folder}: labels are {config.labels}; expected {CLASSES}.")
    return Stored(build(lambda: FaceNetwork(part_of(config, NetworkConfig)), folder), config.temperature)


def save(folder: Path, stored: Stored, notes: Mapping[str, Any], card: str) -> None:
    """Write model.safetensors (fp16), config.json (network, temperature, labels, notes) and CARD.md atomically."""
    config = _StoredConfig(**asdict(stored.network.config), temperature=stored.temperature)
    write_folder(folder, stored.network.state_dict(), config, notes, card)
