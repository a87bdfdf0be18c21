"""What must be the same for trials to be the same: what was asked, the objects, the planner and the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zlib import crc32

from evaluation.grasping.clutter import Table
from evaluation.grasping.single import Look
from geometry.objects import ObjectModel
from perception.completion.weights import DEFAULT_FOLDER
from policies.grasping.planner import PlannerConfig


def settings_of(objects: str, models: Sequence[ObjectModel], chosen: Look | Table) -> dict[str, Any]:
    """Settings of a run for its ledger, as JSON gives them back. More looks or rounds only add rows.

    Raises:
        OSError: shapes are to be completed and there is no network.
    """
    told = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(chosen).items()}
    told |= {"objects": objects, "shapes": shapes(models), "planner": _short(repr(PlannerConfig()).encode())}
    if "completed" in (chosen.clouds if isinstance(chosen, Look) else (chosen.cloud,)):
        network = (chosen.completion or DEFAULT_FOLDER) / "model.safetensors"
        told["network"] = _short(network.read_bytes())
    settings: dict[str, Any] = json.loads(json.dumps(told))
    return settings


def shapes(models: Sequence[ObjectModel]) -> str:
    """Short digest of the names and shapes of objects, in their order."""
    told = " ".join(f"{model.name} {model.digest}" for model in models)
    return f"{len(models)}, {_short(told.encode())}"


def _short(content: bytes) -> str:
    return f"{crc32(content):08x}"
