"""Identity of a run of trials: its settings, and digests of the objects, the planner and the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from zlib import crc32

from evaluation.grasping.clutter import ClutterConfig
from evaluation.grasping.single import TrialConfig
from evaluation.grasping.trials import GraspOptions
from geometry.objects import ObjectModel
from policies.grasping.planner import PlannerConfig


def settings_of(
    options: GraspOptions, models: Sequence[ObjectModel], config: TrialConfig | ClutterConfig
) -> dict[str, Any]:
    """Collect the settings of a run for its store, as JSON gives them back. More views or episodes only add rows.

    Raises:
        OSError: shapes are to be completed and there is no network.
    """
    settings: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    settings |= {"seed": options.seed, "objects": options.objects, "shapes": shapes(models)}
    settings["planner"] = _short(repr(PlannerConfig()).encode())
    if "completed" in (config.clouds if isinstance(config, TrialConfig) else (config.cloud,)):
        from perception.completion.weights import DEFAULT_FOLDER  # which loads torch

        network = (config.completion or DEFAULT_FOLDER) / "model.safetensors"
        settings["network"] = _short(network.read_bytes())
    return settings


def shapes(models: Sequence[ObjectModel]) -> str:
    """Digest the names and shapes of objects, in their order."""
    known = " ".join(f"{model.name} {model.digest}" for model in models)
    return f"{len(models)}, {_short(known.encode())}"


def _short(content: bytes) -> str:
    return f"{crc32(content):08x}"
