"""Judge completions beside the partial cloud itself and its mirror image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from datasets.views import Views
from geometry.clouds import chamfer_l1, distances, f_score
from perception.completion.model import complete
from perception.completion.weights import Stored
from perception.progress import track

TRUE_POINTS = 4096


class Judged(NamedTuple):
    """Figures of every view; arrays (N,), lengths in mm.

    `far_side` is as `far_side_error`; `pairs` (M, 2) are claimed and true errors of single points, of all views.
    """

    names: np.ndarray
    cdl1: np.ndarray
    partial: np.ndarray
    mirrored: np.ndarray
    f_score: np.ndarray
    far_side: np.ndarray
    far_side_partial: np.ndarray
    pairs: np.ndarray


class Metrics(NamedTuple):
    """Means over objects, each the mean of its views; mm.

    `extent_error_mm` is a median over views. `uncertainty_rank` is the rank correlation between claimed and true error
    of points, `uncertainty_ratio` true over claimed in the mean.
    """

    cdl1_mm: float
    cdl1_partial_mm: float
    cdl1_mirrored_mm: float
    cdl1_over_partial: float
    f_score_1pct: float
    extent_error_mm: float
    extent_error_partial_mm: float
    uncertainty_rank: float
    uncertainty_ratio: float
    n_objects: int
    n_views: int


def judge(stored: Stored, views: Views) -> Judged:
    """Complete every view and compare it with the truth."""
    rng = np.random.default_rng(0)
    rows, pairs = [], []
    for view in track(range(len(views.clouds)), "completing"):
        cloud = views.clouds[view].astype(np.float64)
        truth = views.truth(view)
        truth = truth[rng.choice(len(truth), TRUE_POINTS, replace=False)]
        points, scale = complete(stored.network, cloud, stored.network.config.frame)
        off = distances(points, truth)
        size = float(np.linalg.norm(np.ptp(truth, axis=0)))
        away = away_from(views.eyes[view], cloud)
        rows.append(
            (
                1e3 * 0.5 * (off.mean() + distances(truth, points).mean()),
                1e3 * chamfer_l1(cloud, truth),
                1e3 * chamfer_l1(mirrored(cloud, away), truth),
                f_score(points, truth, 0.01 * size),
                1e3 * far_side_error(points, truth, away),
                1e3 * far_side_error(cloud, truth, away),
            )
        )
        some = rng.choice(len(points), 64, replace=False)
        pairs.append(np.stack([scale[some] * stored.calibration, off[some]], axis=1))
    cdl1, partial, mirror, score, far, far_partial = np.array(rows).T
    return Judged(views.names, cdl1, partial, mirror, score, far, far_partial, np.concatenate(pairs))


def away_from(eye: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """Horizontal unit direction (3,) from the camera to the cloud."""
    way = (cloud.mean(axis=0) - eye) * (1.0, 1.0, 0.0)
    away: np.ndarray = way / max(float(np.linalg.norm(way)), 1e-9)
    return away


def far_side_error(points: np.ndarray, truth: np.ndarray, away: np.ndarray) -> float:
    """Measure by how much a cloud is wrong about where the object ends on the side away from the camera.

    The mean over three horizontal directions, straight away and 45 degrees to both sides; the outermost 1 % of points
    are noise.
    """
    x, y, _ = away
    directions = np.array([[x, y, 0.0], [x - y, x + y, 0.0], [x + y, y - x, 0.0]])
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    ends, true_ends = (np.quantile(cloud @ directions.T, 0.99, axis=0) for cloud in (points, truth))
    return float(np.abs(ends - true_ends).mean())


def mirrored(cloud: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Add to a cloud its mirror image behind it: what symmetry alone gives.

    The mirror is upright and across the view, as deep in the object as half of its width, but not behind what is seen,
    nor before the middle of it.
    """
    depth, across = cloud @ away, cloud @ np.array([-away[1], away[0], 0.0])
    (near, far), (left, right) = (np.quantile(along, [0.02, 0.98]).tolist() for along in (depth, across))
    plane = near + np.clip((right - left) / 2, (far - near) / 2, far - near)
    return np.concatenate([cloud, cloud + 2.0 * (plane - depth)[:, None] * away])


def calibration(judged: Judged) -> float:
    """Find the factor by which claimed errors are right in the mean."""
    claimed, true = judged.pairs.mean(axis=0)
    return float(true / claimed)


def by_object(names: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Average values (N,) of views over each object (O,): every object counts alike, whatever the number of views."""
    _, which = np.unique(names, return_inverse=True)
    means: np.ndarray = np.bincount(which, values) / np.bincount(which)
    return means


def measure(judged: Judged) -> Metrics:
    """Sum up, every object alike."""
    from scipy.stats import spearmanr

    cdl1, partial, mirrored, score = (
        by_object(judged.names, values).mean()
        for values in (judged.cdl1, judged.partial, judged.mirrored, judged.f_score)
    )
    far = [np.median(judged.far_side), np.median(judged.far_side_partial)]
    rank = spearmanr(*judged.pairs.T)[0]
    found = [cdl1, partial, mirrored, cdl1 / partial, score, *far, rank, calibration(judged)]
    return Metrics._make([*(round(float(value), 3) for value in found), len(set(judged.names)), len(judged.names)])
