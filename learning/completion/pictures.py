"""Draw completions side by side: for TensorBoard and for reports."""

from __future__ import annotations

import numpy as np

from datasets.views import Views
from perception.completion.model import complete
from perception.completion.network import CompletionNetwork


def completions(network: CompletionNetwork, views: Views, count: int) -> np.ndarray:
    """A picture (height, width, 3) uint8: for each of `count` objects what was seen, the completion, and the truth."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 2.5 * count), dpi=70)
    canvas = FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.0, right=1.0, bottom=0.0, top=0.98, wspace=0.0, hspace=0.08)
    chosen = np.linspace(0, len(views.clouds) - 1, count).round().astype(int)
    for row, view in enumerate(chosen):
        cloud = views.clouds[view].astype(np.float64)
        points, scale = complete(network, cloud, network.config.frame)
        truth = views.truth(view)[::4]
        for column, (title, shown, colour) in enumerate(
            (
                (f"seen: {views.names[view]}", cloud, "tab:blue"),
                ("completed", points, scale),
                ("true", truth, "tab:green"),
            )
        ):
            axes = figure.add_subplot(count, 3, 3 * row + column + 1, projection="3d")
            axes.scatter(*shown.T, c=colour, s=1.5, cmap="viridis" if column == 1 else None)
            _frame(axes, truth)
            axes.set_title(title, fontsize=7)
    canvas.draw()
    picture: np.ndarray = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    return picture


def _frame(axes, truth: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    middle, half = (truth.min(axis=0) + truth.max(axis=0)) / 2, np.ptp(truth, axis=0).max() / 2
    axes.set(**{f"{name}lim": (m - half, m + half) for name, m in zip("xyz", middle, strict=True)})
    axes.set_box_aspect(None, zoom=1.4)
    axes.set_axis_off()
