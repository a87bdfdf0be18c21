"""Reading and writing the weights of the completion network: model.safetensors and config.json, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from perception.completion.network import CompletionNetwork, NetworkConfig
from perception.weights import WeightsError, build, part_of, read_config, write_folder

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "weights" / "completion"


class Stored(NamedTuple):
    """A network in evaluation mode, and what its uncertainty is multiplied by."""

    network: CompletionNetwork
    calibration: float


@dataclass(frozen=True)
class _StoredConfig(NetworkConfig):
    """Names what config.json holds beside the shape of the network."""

    calibration: float = 1.0


def load(folder: Path) -> Stored:
    """Read a weights folder.

    Raises:
        WeightsError: a file is missing or damaged, or belongs to another network.
    """
    config = read_config(folder, _StoredConfig)
    if not 0.01 <= config.calibration <= 100.0:
        raise WeightsError(f"{folder}: calibration is {config.calibration}; expected 0.01 to 100.")
    return Stored(build(lambda: CompletionNetwork(part_of(config, NetworkConfig)), folder), config.calibration)


def save(folder: Path, stored: Stored, notes: Mapping[str, Any], card: str) -> None:
    """Write model.safetensors (fp16), config.json (network, calibration, notes) and CARD.md atomically."""
    config = _StoredConfig(**asdict(stored.network.config), calibration=stored.calibration)
    write_folder(folder, stored.network.state_dict(), config, notes, card)
