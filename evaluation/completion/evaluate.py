"""Judge completions of objects that the network was not trained on."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.views import Views, load_views
from evaluation.statistics import cluster_bootstrap, paired_difference
from geometry.clouds import chamfer_l1
from geometry.objects import load_objects
from learning.completion.judging import Judged, by_object, judge, measure
from perception.command import CommandError, check_run
from perception.completion import weights
from perception.completion.weights import DEFAULT_FOLDER, Stored
from perception.weights import count_parameters
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption


@dataclass(frozen=True)
class EvaluateConfig(JsonOption, SeedOption):
    """Judge completions: CDL1 beside that of the partial cloud and its mirror image, F-score, far side, uncertainty."""

    rendered: tuple[Path, ...]
    """Folders of rendered views, each a row; none of their objects may have been trained on."""
    weights: tuple[Path, ...] = (DEFAULT_FOLDER,)
    """Folders of weights; the others are compared with the first, on the same views (`cdl1_difference_mm`)."""
    pictures: Path | None = None
    """Folder for a picture of completions of each set."""
    data: Path | None = None
    """Folder with vgn_giga: looks for objects of the training sets among those judged, by name and by shape."""


class EvaluateResult(NamedTuple):
    """Figures by weights and set, and pairs (judged, trained on) that look the same."""

    rows: list[dict[str, Any]]
    leaks: list[tuple[str, str, float]]


def main(config: EvaluateConfig) -> EvaluateResult:
    """Judge, and save.

    Raises:
        CommandError: no views, or the output cannot be written.
        WeightsError: no such weights.
    """
    check_run(1, config.seed)
    if not config.rendered or not config.weights:
        raise CommandError("no --rendered or no --weights came; give at least one folder of each.")
    check_writable(config.json)
    stored = {str(folder): weights.load(folder) for folder in config.weights}
    if len({folder.name for folder in config.weights}) == len(config.weights):
        stored = {Path(folder).name: one for folder, one in stored.items()}
    rows = []
    for folder in config.rendered:
        views = load_views(folder)
        first: Judged | None = None
        for name, one in stored.items():
            judged = judge(one, views)
            row = {"weights": name, "set": folder.name, **figures(judged, first, config.seed)}
            rows.append({**row, "parameters": count_parameters(one.network)})
            first = first or judged
            print(_line(row), file=sys.stderr)
        if config.pictures is not None:
            _draw(config.pictures, folder.name, next(iter(stored.values())), views)
    leaks = [] if config.data is None else look_for_leaks(config)
    result = EvaluateResult(rows, leaks)
    write_json({**rows[0], "rows": rows, "leaks": leaks}, config.json)
    return result


def figures(judged: Judged, first: Judged | None, seed: int) -> dict[str, Any]:
    """Lay out the metrics, with 95 % intervals over objects, and the difference to the first network on these views."""

    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)  # the same objects are drawn for each interval

    cdl1, partial = (by_object(judged.names, values) for values in (judged.cdl1, judged.partial))
    ratio = cluster_bootstrap(
        np.stack([cdl1, partial], axis=1),
        rng(),
        statistic=lambda rows: float(rows[:, 0].mean() / rows[:, 1].mean()),
        expand=False,
    )
    row = {
        **measure(judged)._asdict(),
        "cdl1_mm": cluster_bootstrap(cdl1, rng(), expand=False).as_json(3),
        "cdl1_over_partial": ratio.as_json(3),
    }
    if first is not None:
        more = paired_difference(cdl1, by_object(first.names, first.cdl1), rng(), expand=False)
        row["cdl1_difference_mm"] = more.as_json(3)
    return row


def _line(row: dict[str, Any]) -> str:
    cdl1 = row["cdl1_mm"]
    return (
        f"{row['weights']} on {row['set']} ({row['n_objects']} objects): CDL1 {cdl1['mean']:.2f} mm ({cdl1['low']:.2f} "
        f"to {cdl1['high']:.2f}), partial {row['cdl1_partial_mm']:.2f}, mirrored {row['cdl1_mirrored_mm']:.2f}; far "
        f"side {row['extent_error_mm']:.1f} mm (partial {row['extent_error_partial_mm']:.1f}); F "
        f"{row['f_score_1pct']:.2f}"
    )


def _draw(folder: Path, name: str, stored: Stored, views: Views) -> None:
    import cv2

    from learning.completion.pictures import completions

    folder.mkdir(parents=True, exist_ok=True)
    picture = completions(stored.network, views, 6)
    cv2.imwrite(str(folder / f"{name}.png"), picture[:, :, ::-1])


TRAINED_ON = ("packed/train", "pile/train", "household/train", "pybullet")


def look_for_leaks(config: EvaluateConfig) -> list[tuple[str, str, float]]:
    """Pairs of a judged and a trained object with one name, or with surfaces as close as two samples of one (mm).

    Shapes are compared as they are stored, centred: turned copies are not found.
    """
    rng = np.random.default_rng(0)
    trained = [model for spec in TRAINED_ON for model in load_objects(spec, config.data).objects]
    samples = [[model.surface(1024, rng)[0] for _ in range(2)] for model in trained]
    sizes = np.array([np.sort(model.mesh.extents) for model in trained])
    found = []
    for folder in config.rendered:
        views = load_views(folder)
        for index, surface in enumerate(views.surfaces):
            name = str(views.names[np.flatnonzero(views.surface == index)[0]])
            cloud = surface[rng.choice(len(surface), 1024, replace=False)].astype(np.float64)
            alike = np.abs(sizes - np.sort(np.ptp(surface, axis=0))).max(axis=1) < 0.004
            for k in np.flatnonzero(alike | np.array([model.name == name for model in trained])):
                apart, own = chamfer_l1(cloud, samples[k][0]), chamfer_l1(*samples[k])
                if trained[k].name == name or apart < 1.2 * own:
                    found.append((f"{folder.name}/{name}", trained[k].name, round(1e3 * apart, 2)))
    return found


def report(result: EvaluateResult) -> int:
    """Say what was found, on stderr."""
    for judged, trained, apart in result.leaks:
        print(f"warning: {judged} looks like {trained}, which was trained on ({apart} mm apart)", file=sys.stderr)
    return 0
