"""A small study on disk, made in a moment: a stand-in task, all kinds of blocks, any setting changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from apps.study.config import StudyConfig, config_from
from apps.study.stimuli import make_task_stimuli, write_manifest
from envs.trajectories.task import Animation, Trajectories


class PointTask:
    """Points that move on lines: four features, nothing to compute."""

    name = "points"
    feature_names = ("x", "y", "speed", "size")

    def generate(self, n: int, rng: np.random.Generator) -> Trajectories:
        return Trajectories(rng.random((n, 5, 4)).astype(np.float32), {"number": np.arange(n)})

    def features(self, trajectories: Trajectories) -> np.ndarray:
        return trajectories.states[:, 0].astype(float)

    def encode(self, trajectories: Trajectories) -> np.ndarray:
        return trajectories.states - 0.5

    def descriptors(self, trajectories: Trajectories) -> np.ndarray:
        return trajectories.states.mean(1)

    def render(self, trajectories: Trajectories, index: int) -> Animation:
        poses = np.zeros((4, 1, 7), np.float32)
        poses[:, 0, 0] = trajectories.states[index, :4, 0]
        poses[..., 6] = 1
        scene = {"links": [{"shape": "sphere"}], "here": {"person": index}}
        return Animation("grid", 30.0, poses, scene)


TEXTS: dict[str, Any] = {
    "consent_version": "1",
    "consent": ["You compare moving points."],
    "checkboxes": ["I agree."],
    "instructions_title": "What to do",
    "instructions": ["Say which two are most alike."],
    "triplet": "Which two are most alike?",
    "preference": "Which do you prefer?",
    "grid": "Which two are most like the first?",
    "debrief": ["Thank you."],
}


def settings(**changes: Any) -> dict[str, Any]:
    """Settings of a short study: two blocks of triplets; top-level keys are changed."""
    defaults: dict[str, Any] = {
        "name": "points",
        "title": "Moving points",
        "blocks": [
            {"name": "one", "task": "points", "trials": 10, "min_watch_s": 0.0},
            {"name": "two", "task": "points", "trials": 10, "min_watch_s": 0.0},
        ],
        "texts": {"en": TEXTS},
        "practice": {"trials": 2, "needed": 1, "attempts": 2},
    }
    return {**defaults, **changes}


def make_study(folder: Path, **changes: Any) -> StudyConfig:
    """Write a study's folder.

    Args:
        folder: where; made if it is not there.
        changes: settings that differ, by their names at the top of study.toml.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = config_from(settings(**changes))
    rng = np.random.default_rng(0)
    stimuli = [make_task_stimuli(PointTask(), 16, folder / "stimuli", rng)]
    for task in config.tasks:
        if task != "points":
            renamed = replace(stimuli[0], task=task)
            stimuli.append(renamed)
    write_manifest(stimuli, folder / "stimuli")
    write_toml(folder / "study.toml", settings(**changes))
    return config


def write_toml(path: Path, values: Mapping[str, Any]) -> None:
    """Write settings as TOML: texts, numbers, lists of them, tables, and lists of tables."""
    path.write_text("\n".join(_table(values, "")) + "\n", "utf-8")


def _table(values: Mapping[str, Any], name: str) -> list[str]:
    lines, inner = [], []
    for key, value in values.items():
        whole = f"{name}.{key}" if name else key
        if isinstance(value, Mapping):
            inner += [f"[{whole}]", *_table(value, whole)]
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            for entry in value:
                inner += [f"[[{whole}]]", *_table(entry, whole)]
        else:
            lines.append(f"{key} = {_scalar(value)}")
    return lines + inner


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in value)
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    return repr(value)
