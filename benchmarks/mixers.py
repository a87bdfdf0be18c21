"""Measure what self-attention is worth to the face network: beside a convolution with as many weights, trained alike.

empaw bench mixers --data ../shared/data/faces/fer2013.tar.gz --json benchmarks/results/mixers.json
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.stats import ttest_rel

from benchmarks.command import run
from datasets.faces import DEFAULT_CACHE, Faces, load_fer2013
from evaluation.statistics import Interval
from learning import checkpoint
from learning.face import train
from learning.face.fitting import FitConfig
from learning.face.judging import judge
from perception.command import one_core
from perception.face import weights
from perception.face.network import NetworkConfig
from perception.weights import count_parameters
from robots.io import check_writable, write_json
from robots.options import JsonOption, ThreadsOption

MIXERS = ("gpsa", "conv")


@dataclass(frozen=True)
class Args(JsonOption, ThreadsOption):
    """Train both networks on FER2013 and compare them on the pictures of PublicTest; an interrupted run goes on."""

    data: Path
    """FER2013, see empaw train face --help."""
    epochs: int = 12
    """Passes over the pictures, for each network."""
    seeds: int = 1
    """Trainings of each."""
    out: Path = Path("runs/face/mixers")
    """Folder for weights and checkpoints; a network whose weights are there is not trained again."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the decoded pictures; may be deleted."""


def main(args: Args) -> dict[str, Any]:
    """Train, compare and save."""
    check_writable(args.json)
    one_core(args.threads)
    faces = load_fer2013(args.data, args.cache).of("PublicTest")
    rows: list[dict[str, Any]] = []
    right: list[np.ndarray] = []
    for mixer in MIXERS:
        right.append(np.mean([_right(args, mixer, seed, faces) for seed in range(args.seeds)], axis=0))
        row: dict[str, Any] = {
            "mixer": mixer,
            "parameters": count_parameters(weights.load(_folder(args, mixer, 0)).network),
            "wa": round(float(right[-1].mean()), 4),
        }
        if len(right) > 1:
            low, high = ttest_rel(right[-1], right[0]).confidence_interval(0.95)
            row["difference"] = Interval(float(np.mean(right[-1] - right[0])), low, high).as_json()
        rows.append(row)
        Console(stderr=True).print(rows[-1])
    found = {"n": len(faces.targets), "epochs": args.epochs, "seeds": args.seeds, "rows": rows}
    if args.json is not None:
        write_json(found, args.json)
    return found


def _folder(args: Args, mixer: str, seed: int) -> Path:
    return args.out / f"{mixer}-{args.epochs}-{seed}"


def _right(args: Args, mixer: str, seed: int, faces: Faces) -> np.ndarray:
    """Say (N,) which pictures of PublicTest a network gets right, by TTA; train it if it is not there."""
    folder = _folder(args, mixer, seed)
    if not (folder / "config.json").exists():
        unfinished = folder.with_name(f"{folder.name}-run")
        train.main(
            train.TrainConfig(
                data=args.data,
                out=folder,
                run=unfinished,
                resume=(unfinished / checkpoint.NAME).exists(),
                network=NetworkConfig(mixer=mixer),  # type: ignore[arg-type]
                fit=FitConfig(epochs=args.epochs),
                seed=seed,
                cache=args.cache,
                threads=args.threads,
            )
        )
    said = judge(weights.load(folder).network, faces.pictures, tta=True).argmax(axis=1)
    return np.asarray(said == faces.targets, dtype=float)


if __name__ == "__main__":
    run(main, Args, __doc__)
