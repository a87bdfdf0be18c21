"""Shapes to complete, and a network small enough to be trained in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from datasets import views
from datasets.views import RenderConfig, ViewSampling
from geometry.cameras import Caster, DepthCamera, around
from geometry.objects import household_object
from geometry.transforms import transform
from learning.completion.fitting import FitConfig
from perception.completion.network import (
    CompletionNetwork,
    NetworkConfig,
)

SMALL = NetworkConfig(points=128, tokens=16, neighbours=8, width=32, heads=2, encoder=1, decoder=1, queries=16, fold=4)
QUICK = FitConfig(steps=6, batch=2, truth=128, averaged_checkpoints=2)


def network(shape: NetworkConfig = SMALL) -> CompletionNetwork:
    made = CompletionNetwork(shape)
    made.initialise(torch.Generator().manual_seed(0))
    return made.eval()


def seen(name: str = "mug_0", azimuth: float = 0.7) -> np.ndarray:
    model = household_object(name)
    pose = transform(np.eye(3), (0.1, -0.2, model.mesh.extents[2] / 2))
    camera = DepthCamera(160, 120)
    view = Caster([(model.mesh, pose)]).view(
        around((0.1, -0.2, 0.04), 0.5, 0.6, azimuth), camera, np.random.default_rng(0)
    )
    return view.of(0)


def render(folder: Path, objects: Path) -> Path:
    """Render two views of each of eight household objects, which are written to `objects`."""
    for name in ("mug_0", "box_0", "can_1", "bottle_2", "soap_4", "jar_3", "cone_1", "can_5"):
        household_object(name).mesh.as_trimesh().export(objects / f"{name}.ply")
    views.main(RenderConfig(folder, (str(objects),), sampling=ViewSampling(2), workers=1))
    return folder
