"""Pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perception.sound.evaluate import Evaluation


def draw(result: Evaluation, folder: Path) -> Path:
    """Draw the share of outputs below each error, a line for each condition with speech; return the picture's path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, errors) in enumerate(result.errors_deg.items()):
        if len(errors):
            # The colours repeat after ten.
            style = "-" if number < 10 else "--"
            axes.plot(np.sort(errors), np.arange(1, len(errors) + 1) / len(errors), style, label=name)
    axes.set(xlim=(0.0, 20.0), ylim=(0.0, 1.0), xlabel="error, degrees", ylabel="share of outputs")
    axes.set_title(f"Direction of sound, {result.speech}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")
    path = folder / "sound_errors.png"
    figure.savefig(path, dpi=120)
    return path
