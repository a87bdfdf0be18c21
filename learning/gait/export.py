"""Take a policy out of a run: as safetensors and JSON, which we ship, and as ONNX for other runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from rich.console import Console

from control.mirror import ACTION_ORDER, ACTION_SIGNS, OBSERVATION_ORDER, OBSERVATION_SIGNS
from control.observation import OBSERVATION_SIZE
from learning import checkpoint
from policies.locomotion.actor import Actor, read_about

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Export:
    """Take the policy out of a run, or out of a folder that holds one already; then calibrate it."""

    run: tyro.conf.Positional[Path]
    """Folder of a run (with checkpoint.safetensors) or of a policy (with model.safetensors)."""
    out: Path
    """Folder to write model.safetensors, config.json and model.onnx to."""
    onnx: bool = True
    """Write ONNX too, and compare it with torch."""
    replace: bool = False
    """Put it in the place of a policy that is in --out already."""


def export(args: Export) -> Path:
    """Write the files and return their folder.

    Raises:
        ValueError: there is no policy in the folder, one in --out already, or ONNX and torch differ by more than 1e-5.
        OSError: the folder cannot be written.
    """
    if (args.out / "model.safetensors").exists() and not args.replace:
        raise ValueError(f"--out {args.out} holds a policy: give another folder, or --replace")
    actor, about = _read(args.run)
    actor.save(args.out, about)
    console = Console(stderr=True)
    if args.onnx:
        worst = _write_onnx(actor, args.out / "model.onnx")
        console.print(f"ONNX and torch differ by at most {worst:.1e}")
    console.print(f"policy: {args.out}")
    return args.out


def _read(folder: Path) -> tuple[Actor, dict[str, Any]]:
    if not (folder / checkpoint.NAME).exists():
        return Actor.load(folder), read_about(folder)
    from learning.gait.checkpoint import read_learner

    learner, settings = read_learner(folder)
    about = {"timesteps": learner.steps, "seed": settings["seed"], "recipe": settings["recipe"]}
    return learner.actor(), about


class Deployed(torch.nn.Module):
    """The actor as torch computes it, with normaliser and mirror inside: (n, 95) raw -> (n, 12) mean actions."""

    def __init__(self, actor: Actor) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList()
        for weight, bias in zip(actor.weights, actor.biases, strict=True):
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
            self.layers.append(layer)
        self.mean, self.scale = (torch.nn.Buffer(torch.from_numpy(values)) for values in (actor.mean, actor.scale))
        self.observation_order, self.action_order, self.observation_signs, self.action_signs = (
            torch.nn.Buffer(torch.from_numpy(values))
            for values in (OBSERVATION_ORDER, ACTION_ORDER, OBSERVATION_SIGNS, ACTION_SIGNS)
        )

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Mean actions."""
        seen = torch.clamp((observation - self.mean) / self.scale, -8.0, 8.0)
        mirrored = torch.index_select(seen, 1, self.observation_order) * self.observation_signs
        reflected = torch.index_select(self._network(mirrored), 1, self.action_order) * self.action_signs
        return 0.5 * (self._network(seen) + reflected)

    def _network(self, hidden: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            hidden = torch.nn.functional.elu(layer(hidden))
        last: torch.Tensor = self.layers[-1](hidden)
        return last


def _write_onnx(actor: Actor, path: Path) -> float:
    """Write, read back, and return the largest difference between both on random observations."""
    try:
        import onnxruntime
    except ModuleNotFoundError as problem:
        raise ValueError("ONNX needs onnx and onnxruntime: pip install 'empaw[train]', or give --no-onnx") from problem
    module = Deployed(actor).eval()
    seen = np.random.default_rng(0).normal(0.0, 2.0, (64, OBSERVATION_SIZE)).astype(np.float32)
    # The newer exporter needs packages of its own; this one writes the same dozen nodes.
    torch.onnx.export(
        module,
        (torch.from_numpy(seen),),
        str(path),
        input_names=["observation"],
        output_names=["action"],
        dynamic_axes={"observation": {0: "n"}, "action": {0: "n"}},
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"observation": seen})
    with torch.no_grad():
        worst = float(np.abs(found - module(torch.from_numpy(seen)).numpy()).max())
    if worst > TOLERANCE:
        raise ValueError(f"{path}: ONNX and torch differ by {worst:.1e}, more than {TOLERANCE:.0e}")
    return worst
