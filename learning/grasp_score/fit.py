"""Fit the planner's score: a logistic regression of whether a grasp held on what the planner knew of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from policies.grasping.planner import Weights

_FOLDS = 5


@dataclass(frozen=True)
class Sample:
    """One grasp tried to learn from: its rank among those planned, its `features`, and what came of it."""

    task: int
    object: str
    cloud: str
    rank: int
    features: dict[str, float]
    held: bool
    cause: str


class FittedScore(NamedTuple):
    """Weights and how well they tell grasps that hold: areas under the ROC curve on objects that were left out.

    `*_shipped` are those of the weights as they are now; `*_completed` of grasps on completed clouds alone, None where
    all of them ended alike. `held` is the share of all samples.
    """

    weights: Weights
    auc: float
    auc_shipped: float
    auc_completed: float | None
    auc_completed_shipped: float | None
    held: float
    trials: int
    objects: int

    def as_json(self) -> dict[str, Any]:
        """Give the same as JSON takes it."""
        return self._asdict() | {"weights": asdict(self.weights)}


def fit_weights(samples: Sequence[Sample], strength: float = 1.0) -> FittedScore:
    """Regress holding on the features; discrimination is cross-validated over objects.

    Args:
        samples: grasps tried.
        strength: inverse of the penalty on the square of the (standardised) weights.

    Raises:
        ValueError: too few trials, or all ended alike.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = [one.name for one in fields(Weights) if one.name != "bias"]
    held = np.array([one.held for one in samples])
    groups = np.array([one.object for one in samples])
    if len(set(groups)) < _FOLDS or len(set(held.tolist())) < 2:
        raise ValueError(f"{len(samples)} trials of {len(set(groups))} objects cannot be told apart; try more")
    x = np.array([[one.features[name] for name in names] for one in samples])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    log_odds = cross_val_predict(model, x, held, groups=groups, cv=GroupKFold(_FOLDS), method="decision_function")
    scaler, line = model.fit(x, held).named_steps.values()
    slopes = line.coef_[0] / scaler.scale_
    weights = {"bias": line.intercept_[0] - slopes @ scaler.mean_} | dict(zip(names, slopes, strict=True))
    shipped = x @ [getattr(Weights(), name) for name in names]
    completed = np.array([one.cloud == "completed" for one in samples])
    return FittedScore(
        Weights(**{name: round(float(value), 3) for name, value in weights.items()}),
        _auc(held, log_odds),
        _auc(held, shipped),
        _auc(held[completed], log_odds[completed]),
        _auc(held[completed], shipped[completed]),
        round(float(held.mean()), 4),
        len(samples),
        len(set(groups)),
    )


def _auc(held: np.ndarray, log_odds: np.ndarray) -> Any:
    from sklearn.metrics import roc_auc_score

    return round(float(roc_auc_score(held, log_odds)), 4) if 0 < held.sum() < len(held) else None
