"""Fit the planner's score: try drawn grasps on objects that the completion network was not trained on, and regress.

    empaw train grasp-score --data ../shared/data/objects

Half of the trials are planned on completed clouds, half on true shapes, so that the score serves every cloud; what they
taught is printed as `Weights`, beside how well it tells grasps that hold on objects that were left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from envs.grasping.parts import load_bodies
from evaluation.grasping.evaluate import check, tasks_of
from evaluation.grasping.identity import settings_of
from evaluation.grasping.ledger import Done, Ledger, Sample
from evaluation.grasping.single import LeftOutError, Look, Task, attempt, clouds, random_of, setting
from geometry.clouds import CloudError
from policies.grasping.planner import Planner, PlannerConfig, Weights
from robots.io import check_writable, write_json
from robots.options import EngineOption, JsonOption, ResumeOption
from robots.parallel import in_order

_BEST, _DRAWN = 2, 2
"""Grasps tried on a look: among the ten best by today's score, and anywhere."""
_FOLDS = 5


@dataclass(frozen=True)
class Fit(JsonOption, ResumeOption, EngineOption):
    """Try grasps on training objects and fit the weights of the score to what held."""

    objects: str = "household/train+packed/train+pile/train"
    """As for grasp_eval.py single; those with which the network was trained are passed over."""
    data: Path | None = None
    """Folder that holds vgn_giga, for its sets."""
    views: int = 16
    """Looks at each object."""
    look: Look = field(default_factory=lambda: Look(clouds=("completed", "true")))
    """What is seen; each look is planned on one of its clouds."""
    strength: float = 1.0
    """Inverse of the penalty on the square of (standardised) weights."""
    out: Path = Path("runs/grasp/fit")
    """Folder of trials.jsonl."""


def fit(args: Fit) -> dict[str, Any]:
    """Try, regress and say; returns weights and figures.

    Raises:
        ValueError: something unknown or out of range, or a run of other settings in the folder.
        OSError: nothing can be written, or there is no network.
    """
    check(args.views, args.workers, args.look)
    check_writable(args.json)
    models = load_bodies(args.objects, args.data)
    models = models._replace(objects=[model for model in models.objects if kept_back(model.name)])
    tasks = tasks_of(models, args.views, args.look)
    settings = settings_of(args.objects, models.objects, args.look)
    ledger = Ledger(args.out / "trials.jsonl", settings, args.resume, Sample)
    missing = [task for task in tasks if task.number not in ledger.done]
    console = Console(stderr=True)
    for done in track(in_order(sample, missing, args.workers, args.engine), "trying", len(missing), console=console):
        ledger.add(done)
    found = regress(ledger.rows, args.strength)
    console.print(found)
    if args.json is not None:
        write_json(found, args.json)
    return found


def kept_back(name: str) -> bool:
    """Whether the training of the completion network kept an object back (`learning.completion.train.split`)."""
    return zlib.crc32(name.encode()) % 12 == 0


def sample(task: Task) -> Done[Sample]:
    """Try some grasps of one look, planned on one of the clouds."""
    rng = random_of(task)
    cloud = task.look.clouds[(task.number + task.view) % len(task.look.clouds)]
    try:
        scene = setting(task)
        grasps = Planner(PlannerConfig(kept=1000)).plan(clouds(task.look)[cloud](scene.observation))
    except (LeftOutError, CloudError) as problem:
        return Done(task.number, task.model.name, [], str(problem))
    best = rng.permutation(min(10, len(grasps)))[:_BEST]
    others = rng.permutation(np.arange(10, max(len(grasps), 10)))[:_DRAWN]
    rows = []
    for number in [*best.tolist(), *others.tolist()]:
        outcome = attempt(scene, grasps[number], task.look.friction)
        reasons = {name: round(value, 5) for name, value in (grasps[number].reasons or {}).items()}
        rows.append(Sample(task.number, task.model.name, cloud, number, reasons, outcome.held, outcome.cause))
    return Done(task.number, task.model.name, rows, "" if rows else "no grasp is found")


def regress(samples: Sequence[Sample], strength: float) -> dict[str, Any]:
    """Logistic regression of holding on the features; discrimination on objects left out.

    Raises:
        ValueError: too few trials, or all ended alike.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = [one.name for one in fields(Weights) if one.name != "bias"]
    held = np.array([one.held for one in samples])
    groups = np.array([one.object for one in samples])
    if len(set(groups)) < _FOLDS or len(set(held.tolist())) < 2:
        raise ValueError(f"{len(samples)} trials of {len(set(groups))} objects cannot be told apart; try more")
    x = np.array([[one.reasons[name] for name in names] for one in samples])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    odds = cross_val_predict(model, x, held, groups=groups, cv=GroupKFold(_FOLDS), method="decision_function")
    scaler, line = model.fit(x, held).named_steps.values()
    slopes = line.coef_[0] / scaler.scale_
    weights = {"bias": line.intercept_[0] - slopes @ scaler.mean_} | dict(zip(names, slopes, strict=True))
    today = Weights()
    before = x @ [getattr(today, name) for name in names]
    return {
        "weights": {name: round(float(value), 3) for name, value in weights.items()},
        "auc": round(float(roc_auc_score(held, odds)), 4),
        "auc_of_the_shipped": round(float(roc_auc_score(held, before)), 4),
        "auc_completed": {
            name: _auc(samples, values, "completed") for name, values in (("new", odds), ("old", before))
        },
        "held": round(float(held.mean()), 4),
        "trials": len(samples),
        "objects": len(set(groups)),
    }


def _auc(samples: Sequence[Sample], odds: np.ndarray, cloud: str) -> float | None:
    from sklearn.metrics import roc_auc_score

    chosen = np.array([one.cloud == cloud for one in samples])
    held = np.array([one.held for one in samples])[chosen]
    return round(float(roc_auc_score(held, odds[chosen])), 4) if 0 < held.sum() < len(held) else None
