"""Measures the fixed numbers of the style task: `python -m envs.trajectories.style_scales [CLIPS] [WORKERS]`."""

from __future__ import annotations

import json
import sys

from envs.trajectories.style_library import load_clips
from envs.trajectories.style_measures import SCALES_FILE, measure_scales

CLIPS = 2400


def main(clips: int = CLIPS, workers: int = 2) -> int:
    """Write `style_scales.json` anew from so many clips; returns how many there were."""
    found = measure_scales(load_clips(clips, workers=workers).states)
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    SCALES_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return int(found["clips"])


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:3]))
