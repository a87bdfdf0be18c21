"""Small commands of every kind that keeps something, and stand-ins for the data that they read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from datasets.views import RenderConfig, ViewSampling
from datasets.views import main as render
from learning import checkpoint

OBJECTS = 30
"""Of them, solid_6 and solid_10 are kept back by name when completion is trained."""


class Job(NamedTuple):
    """A command that is ended: {out} in its words is its folder, {data} that of small stand-ins for data."""

    words: str
    results: tuple[str, ...]
    """Files that an unbroken run leaves."""
    begun: str = ""
    """When there, --resume goes on; without it, the command starts again by itself."""


_NETWORK = (
    "--network.points 128 --network.tokens 16 --network.neighbours 8 --network.width 32 --network.heads 2 "
    "--network.encoder 1 --network.decoder 1 --network.queries 16 --network.fold 4 --fit.batch 2 --fit.truth 64"
)
JOBS: Mapping[str, Job] = {
    "train gait": Job(
        "train gait --recipe quick --workers 1 --envs 2 --n-timesteps 768 --ppo.n-steps 32 --ppo.batch-size 32 "
        "--ppo.n-epochs 2 --out {out}",
        ("policy/model.safetensors", "policy/config.json"),
        checkpoint.NAME,
    ),
    "train face": Job(
        "train face --data {data}/faces --network.blocks 0 0 0 --network.widths 8 8 18 --fit.epochs 6 "
        "--cache {out}/cache --run {out}/run --out {out}/weights",
        ("weights/model.safetensors", "weights/config.json"),
        f"run/{checkpoint.NAME}",
    ),
    "train completion": Job(
        f"train completion --rendered {{data}}/views {_NETWORK} --fit.steps 40 --keep-every 2 --run {{out}}/run "
        "--out {out}/weights",
        ("weights/model.safetensors", "weights/config.json"),
        f"run/{checkpoint.NAME}",
    ),
    "export views": Job(
        "export views --objects {data}/objects --sampling.views 2 --workers 2 --out {out}/views",
        ("views/*.npz", "views/views.json"),
    ),
    "evaluate gait": Job(
        "evaluate gait --cells pace:0.5 trot:0.3 --episodes 6 --seconds 3 --workers 2 --out {out} "
        "--json {out}/gait.json",
        ("gait.jsonl", "gait.json"),
        "*.jsonl",
    ),
    "evaluate grasp": Job(
        "evaluate grasp single --objects {data}/few --views 2 --clouds partial true --workers 2 --out {out}",
        ("trials.jsonl", "trials.csv", "figures.json"),
        "*.jsonl",
    ),
    "bench study-power": Job(
        "bench study-power --people 4 --trials 4 --studies 2 --nulls 1 --foretold 2 --workers 1 --out {out} "
        "--json {out}/power.json",
        ("power.jsonl", "over_http.jsonl", "power.json"),
        "*.jsonl",
    ),
    "record gait": Job("record gait --seconds 1 --out {out}/film.mp4", ("film.mp4",)),
    "record sim": Job(
        "sim run --emotion happy --seconds 1 --record {out}/film.mp4 --json {out}/timeline.json",
        ("film.mp4", "timeline.json"),
    ),
}


def write_data(job: Job, folder: Path) -> None:
    """Write the stand-ins that a command reads and that are not there yet, each whole or not at all."""
    for name, write in _DATA.items():
        if f"{{data}}/{name}" in job.words and not (folder / name).exists():
            draft = folder / f"{name}.draft"
            shutil.rmtree(draft, ignore_errors=True)
            write(draft)
            draft.rename(folder / name)


def _faces(folder: Path) -> None:
    """Write noise under every label of FER2013: (48, 48) uint8."""
    rng = np.random.default_rng(0)
    for split in ("Training", "PublicTest", "PrivateTest"):
        for feeling in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
            place = folder / split / feeling
            place.mkdir(parents=True)
            for number in range(4):
                cv2.imwrite(str(place / f"{split}_{feeling}_{number}.png"), rng.integers(0, 256, (48, 48), np.uint8))


def _objects(folder: Path, count: int = OBJECTS) -> None:
    """Write solids of a few centimetres as URDFs."""
    folder.mkdir(parents=True)
    solids = ('<cylinder radius="0.03" length="0.1"/>', '<box size="0.05 0.07 0.06"/>', '<sphere radius="0.035"/>')
    for number in range(count):
        form = f"<geometry>{solids[number % len(solids)]}</geometry>"
        body = f"<visual>{form}</visual><collision>{form}</collision>"
        text = f'<robot name="x"><link name="x">{body}</link></robot>'
        (folder / f"solid_{number}.urdf").write_text(text, encoding="utf-8")


def _few(folder: Path) -> None:
    _objects(folder, 6)


def _views(folder: Path) -> None:
    """Render views of the solids, to train completion on."""
    _objects(folder / "solids")
    render(RenderConfig(folder, (str(folder / "solids"),), sampling=ViewSampling(views=2), workers=1))


_DATA: Mapping[str, Callable[[Path], None]] = {"faces": _faces, "objects": _objects, "few": _few, "views": _views}
