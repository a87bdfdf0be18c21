"""Pictures of the figures: confusion, reliability, coverage. matplotlib is imported where it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evaluation.metrics import Metrics, Predictions

NAMES = ("confusion.png", "reliability.png", "coverage.png")


def draw(folder: Path, metrics: Metrics, predictions: Predictions, title: str) -> list[Path]:
    """Write three PNG files and return their paths.

    Args:
        folder: made if it is missing.
        metrics: those of the predictions.
        predictions: what is drawn.
        title: stands above each.
    """
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    drawings = []
    for drawer in (_confusion, _reliability, _coverage):
        figure = Figure(figsize=(6.0, 5.0), layout="constrained")
        drawer(figure, metrics, predictions)
        figure.suptitle(title, fontsize=9)
        drawings.append(figure)
    paths = [folder / name for name in NAMES]
    for path, figure in zip(paths, drawings, strict=True):
        figure.savefig(path, dpi=120)
    return paths


def _confusion(figure, metrics: Metrics, predictions: Predictions) -> None:  # type: ignore[no-untyped-def]
    axes = figure.subplots()
    counts = np.array(metrics.confusion, float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for (row, column), value in np.ndenumerate(share):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.5 else "black")
    axes.set_xticks(range(len(metrics.labels)), metrics.labels, rotation=45, ha="right")
    axes.set_yticks(range(len(metrics.labels)), metrics.labels)
    axes.set(xlabel="said", ylabel="truth")


def _reliability(figure, metrics: Metrics, predictions: Predictions) -> None:  # type: ignore[no-untyped-def]
    from sklearn.calibration import calibration_curve

    axes = figure.subplots()
    confidence, right = predictions.probabilities.max(axis=1), predictions.said == predictions.truth
    share_right, mean_confidence = calibration_curve(right, confidence, n_bins=15)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(mean_confidence, share_right, marker="o")
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1), title=f"ECE {metrics.ece:.3f}")


def _coverage(figure, metrics: Metrics, predictions: Predictions) -> None:  # type: ignore[no-untyped-def]
    axes = figure.subplots()
    curve = metrics.accuracy_at_coverage
    axes.plot([float(share) for share in curve], list(curve.values()), marker="o")
    axes.set(xlabel="share judged, the surest first", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
