"""Pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def draw(errors_deg: Mapping[str, np.ndarray], speech: str, folder: Path) -> Path:
    """Draw the share of outputs below each error, a line for each condition; return the picture's path.

    Args:
        errors_deg: of each condition, (N,) degrees.
        speech: what was said, for the title.
        folder: to write in.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes = figure.subplots()
    for number, (name, errors) in enumerate(errors_deg.items()):
        if len(errors):
            # The colours repeat after ten.
            style = "-" if number < 10 else "--"
            axes.plot(np.sort(errors), np.arange(1, len(errors) + 1) / len(errors), style, label=name)
    axes.set(xlim=(0.0, 20.0), ylim=(0.0, 1.0), xlabel="error, degrees", ylabel="share of outputs")
    axes.set_title(f"Direction of sound, {speech}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")
    path = folder / "sound_errors.png"
    figure.savefig(path, dpi=120)
    return path
