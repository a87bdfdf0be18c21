"""One file that holds all of a training run, written whole; safetensors, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from geometry.files import write_whole
from perception.command import CommandError, check_folder
from perception.weights import WeightsError

NAME = "checkpoint.safetensors"
Part: TypeAlias = nn.Module | torch.optim.Optimizer | torch.Generator | dict[str, Tensor]


def check_folders(out: Path, run: Path, resume: bool) -> None:
    """Refuse, before the work, folders that cannot be written, and a run that would be written over.

    Raises:
        CommandError: nothing can be written in one of them, or `run` holds a run and is not to be resumed, or none
            and is.
    """
    for folder in (out, run):
        missing = not folder.exists()
        check_folder(folder)
        if missing:
            folder.rmdir()  # made again when there is something to save: a mistyped source leaves nothing behind
    if not resume and (run / NAME).exists():
        raise CommandError(f"{run} holds a run. Pass --resume to go on, delete it, or name another --run.")
    if resume and not (run / NAME).is_file():
        raise CommandError(f"{run / NAME} is missing, so there is nothing to resume. Leave --resume out to begin.")


def write(folder: Path, parts: Mapping[str, Part], at: Any, settings: Mapping[str, Any]) -> None:
    """Write the state of the parts of a run, where it is (`at`, as JSON can hold it), and its settings."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    for part, holder in parts.items():
        tensors |= {f"{part}.{name}": torch.as_tensor(value) for name, value in _state(holder).items()}
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    notes = {"settings": json.dumps(settings), "at": json.dumps(at)}
    write_whole(folder / NAME, save(tensors, metadata={**notes, "sha256": _digest(tensors, notes)}))


def resume(folder: Path, parts: Mapping[str, Part], settings: Mapping[str, Any]) -> Any:
    """Put the parts of a run back into the state that `write` wrote; returns where the run was.

    A dict of tensors holds afterwards what it held then.

    Raises:
        CommandError: it was begun with other settings.
        WeightsError: the checkpoint is damaged or missing.
    """
    path = folder / NAME
    tensors, began, at = _read(path)
    check_same(path, began, json.loads(json.dumps(settings)))
    try:
        for part, holder in parts.items():
            state = {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}
            _restore(holder, state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is damaged ({error}). Delete it and train from the beginning.") from error
    return at


def read_settings(folder: Path) -> dict[str, Any]:
    """Settings of the run whose checkpoint lies in a folder.

    Raises:
        WeightsError: the checkpoint is damaged or missing.
    """
    return _read(folder / NAME)[1]


def check_same(path: Path, began: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings.

    Raises:
        CommandError: naming those that differ.
    """
    other = [
        f"{name} was {began.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(began.keys() | now.keys())
        if began.get(name) != now.get(name)
    ]
    if other:
        raise CommandError(
            f"{path} was begun with other settings: {'; '.join(other)}. Give the same ones, or another folder."
        )


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if notes["sha256"] != _digest(tensors, notes):
            raise ValueError("its SHA-256 is not the one that was written")
        return tensors, json.loads(notes["settings"]), json.loads(notes["at"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is damaged ({error}). Delete it and train from the beginning.") from error


def _digest(tensors: dict[str, Tensor], notes: Mapping[str, str]) -> str:
    from safetensors.torch import save

    return hashlib.sha256(save(tensors) + notes["settings"].encode() + notes["at"].encode()).hexdigest()


def _state(holder: Part) -> dict[str, Any]:
    """Tensors and numbers by name; those of an optimiser by the number of the parameter before."""
    if isinstance(holder, torch.Generator):
        return {"state": holder.get_state()}
    if isinstance(holder, dict):
        return holder
    state = holder.state_dict()
    if isinstance(holder, torch.optim.Optimizer):
        return {f"{i}.{name}": value for i, entries in state["state"].items() for name, value in entries.items()}
    return state


def _restore(holder: Part, state: dict[str, Tensor]) -> None:
    if isinstance(holder, torch.Generator):
        holder.set_state(state["state"])
    elif isinstance(holder, dict):
        holder.clear()
        holder.update(state)
    elif isinstance(holder, torch.optim.Optimizer):
        entries: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            number, _, rest = name.partition(".")
            entries.setdefault(int(number), {})[rest] = tensor
        holder.load_state_dict({**holder.state_dict(), "state": entries})
    else:
        holder.load_state_dict(state)
