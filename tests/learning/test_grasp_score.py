"""The planner's score, fitted to grasps that were tried."""

from __future__ import annotations

import numpy as np
import pytest

from learning.grasp_score.fit import Sample, fit_weights
from policies.grasping.planner import Weights

NAMES = [name for name in Weights.__dataclass_fields__ if name != "bias"]


def samples(rng: np.random.Generator, count: int) -> list[Sample]:
    """Grasps that hold by a logistic model of two features."""
    out = []
    for task in range(count):
        features = dict(zip(NAMES, rng.normal(size=len(NAMES)).tolist(), strict=True))
        held = bool(rng.random() < 1 / (1 + np.exp(-(3.0 * features["grip"] - 2.0 * features["arm_cm"] + 1.0))))
        out.append(Sample(task, f"thing_{task % 20}", "true", 0, features, held, "" if held else "slipped"))
    return out


def test_the_weights_that_decided_are_found_again(rng):
    found = fit_weights(samples(rng, 4000), 100.0)
    assert (found.weights.grip, found.weights.arm_cm, found.weights.bias) == pytest.approx((3.0, -2.0, 1.0), abs=0.3)
    assert all(abs(getattr(found.weights, name)) < 0.25 for name in NAMES if name not in ("grip", "arm_cm"))
    assert found.auc > max(found.auc_shipped, 0.85) and found.auc_completed is found.auc_completed_shipped is None
    assert found.as_json()["weights"]["grip"] == found.weights.grip and found.objects == 20


def test_what_cannot_be_told_apart_is_refused(rng):
    with pytest.raises(ValueError, match="try more"):
        fit_weights(samples(rng, 4))
    with pytest.raises(ValueError, match="try more"):
        fit_weights([one for one in samples(rng, 200) if one.held])
