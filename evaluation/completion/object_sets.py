"""Measure completion alone: sets of objects are rendered where they are not yet, completed and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.grasping.identity import shapes
from geometry.objects import load_objects
from robots.io import check_writable
from robots.options import JsonOption, SeedOption, WorkersOption


@dataclass(frozen=True)
class EvaluateCompletion(JsonOption, WorkersOption, SeedOption):
    """Complete partial views of objects that were never met, and say how far off the surfaces are.

    Example: python grasp_eval.py completion --objects household/test
    """

    objects: tuple[str, ...] = ("household/test",)
    """Sets or folders, as for single; each is a row, and those joined by a + share one: packed/test+pile/test."""
    data: Path | None = None
    """Folder that holds vgn_giga and ycb_dev: for their sets, and to look for objects that were trained on."""
    views: int = 8
    """Views of each object."""
    weights: tuple[Path, ...] = ()
    """Folders of networks, the others compared with the first; the shipped one unless told."""
    out: Path = Path("runs/grasp/completion")
    """Folder for views (rendered once, and gone on with after an interruption) and for pictures of completions."""
    seed: int = 1
    """Of the views."""


def evaluate_completion(args: EvaluateCompletion) -> dict[str, Any]:
    """Render what is missing, complete and compare; returns the figures, those of the first row above all.

    Raises:
        ValueError: something unknown or out of range, damaged weights, or views rendered otherwise in the folder.
        OSError: nothing can be written.
    """
    from datasets import views
    from evaluation.completion import evaluate
    from perception.completion.weights import DEFAULT_FOLDER, load

    check_writable(args.json)
    if not 1 <= args.workers <= 256 or not 1 <= args.views <= 10_000:
        raise ValueError(f"--views {args.views} --workers {args.workers} came; allowed are 1 to 10000 and 1 to 256")
    networks = args.weights or (DEFAULT_FOLDER,)
    for folder in networks:
        load(folder)  # before the long work
    if not args.objects:
        raise ValueError("no --objects came; give one or more sets or folders")
    folders = []
    for joined in args.objects:
        models = load_objects(joined, args.data).objects
        # Named after the shapes too, so that views of what has changed since are not taken for those of today.
        folder = args.out / shapes(models).rpartition(" ")[2] / joined.strip("/").replace("/", "_")
        sampling = views.ViewSampling(views=args.views)
        rendering = views.RenderConfig(
            folder, tuple(joined.split("+")), args.data, sampling=sampling, seed=args.seed, workers=args.workers
        )
        views.report(views.main(rendering))
        folders.append(folder)
    result = evaluate.main(
        evaluate.EvaluateConfig(tuple(folders), networks, args.out / "pictures", args.data, json=args.json)
    )
    evaluate.report(result)
    return {**result.rows[0], "rows": result.rows, "leaks": result.leaks}
