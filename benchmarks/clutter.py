"""Clearing clutter, packed and piled, by every cloud: rounds of several seeds, by `grasp_eval.py clutter`.

    empaw bench clutter --data ../shared/data/objects --json benchmarks/results/clutter.json

Goes on where it was broken off: every run of rounds keeps its trials in a folder of its own. Trials of another network,
of other settings of the planner or of other objects are refused: delete --out then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.command import run
from envs.grasping.scenes import SceneKind
from evaluation.grasping.clutter import ClutterConfig
from evaluation.grasping.rounds import Clutter, evaluate_clutter
from evaluation.grasping.single import CLOUDS
from evaluation.statistics import Interval, t_interval
from robots.io import check_writable, write_json
from robots.options import JsonOption, WorkersOption


@dataclass(frozen=True)
class Args(JsonOption, WorkersOption):
    """Measure clearing clutter."""

    data: Path
    """Folder that holds vgn_giga."""
    clouds: tuple[str, ...] = ("completed", "partial", "extruded", "true")
    """Which clouds; see grasp_eval.py clutter."""
    rounds: int = 100
    """Of each seed."""
    seeds: int = 3
    """How many."""
    out: Path = Path("runs/results/clutter")
    """Folder of the trials."""

    def __post_init__(self) -> None:
        if not 2 <= self.seeds <= 100:
            raise ValueError(f"--seeds {self.seeds} came; allowed are 2 to 100, since an interval over seeds is told")
        if not self.clouds or not set(self.clouds) <= set(CLOUDS):
            raise ValueError(f"--clouds {' '.join(self.clouds) or 'nothing'} came; allowed are {', '.join(CLOUDS)}")


def main(args: Args) -> dict[str, Any]:
    """Play and return the figures."""
    check_writable(args.json)
    result = {"rows": [_row(args, scene, cloud) for scene in get_args(SceneKind) for cloud in args.clouds]}
    if args.json is not None:
        write_json(result, args.json)
    return result


def _row(args: Args, scene: SceneKind, cloud: str) -> dict[str, Any]:
    found = [_seed(args, scene, cloud, seed) for seed in range(args.seeds)]
    return {
        "scene": scene,
        "cloud": cloud,
        "rounds": sum(one["rounds"] for one in found),
        **{  # the interval over seeds is cut where a share ends
            name: Interval(*np.clip(t_interval([one[name]["mean"] for one in found]), 0.0, 1.0)).as_json()
            for name in ("success", "declutter_rate")
        },
        "plan_seconds": round(float(np.mean([one["plan_seconds"] for one in found])), 3),
        "seeds": found,
    }


def _seed(args: Args, scene: SceneKind, cloud: str, seed: int) -> dict[str, Any]:
    out = args.out / f"{scene}_{cloud}_{seed}"
    return evaluate_clutter(
        Clutter(
            objects=f"{scene}/test",
            data=args.data,
            rounds=args.rounds,
            table=ClutterConfig(scene=scene, cloud=cloud),
            seed=seed,
            out=out,
            resume=(out / "trials.jsonl").exists(),
            workers=args.workers,
        )
    )


if __name__ == "__main__":
    run(main, Args, __doc__)
