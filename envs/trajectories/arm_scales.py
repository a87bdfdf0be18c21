"""Measures the fixed numbers of the arm task: `python -m envs.trajectories.arm_scales`."""

from __future__ import annotations

import json

import numpy as np

from envs.trajectories.arm import SCALES_FILE, ArmTask, measure_scales

TRAJECTORIES, SEED = 10_000, 0


def main(trajectories: int = TRAJECTORIES) -> int:
    """Write `arm_scales.json` anew from so many trajectories; returns how many there were."""
    found = measure_scales(ArmTask().generate(trajectories, np.random.default_rng(SEED)).states)
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    SCALES_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return int(found["trajectories"])


if __name__ == "__main__":
    main()
