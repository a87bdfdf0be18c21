"""One file that holds all of a training run, written whole after each epoch; safetensors, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception.face.command import CommandError
from perception.face.fitting import Epoch, Trainer, as_tensors, from_tensors
from perception.weights import WeightsError, write_atomic

NAME = "checkpoint.safetensors"


def write(folder: Path, trainer: Trainer, settings: Mapping[str, Any]) -> None:
    """Write the state of a run beside the settings that it was begun with."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    notes = {"settings": json.dumps(settings), "epochs": json.dumps([tuple(epoch) for epoch in trainer.epochs])}
    write_atomic(folder / NAME, save(as_tensors(trainer), metadata=notes))


def resume(folder: Path, trainer: Trainer, settings: Mapping[str, Any]) -> None:
    """Put a fresh trainer where the run stopped.

    Raises:
        CommandError: there is no checkpoint, or it was begun with other settings.
        WeightsError: the checkpoint is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / NAME
    if not path.is_file():
        raise CommandError(f"{path} is missing, so there is nothing to resume. Leave --resume out to begin.")
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        began = json.loads(notes["settings"])
        epochs = [Epoch(*entry) for entry in json.loads(notes["epochs"])]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is damaged ({error}). Delete it and train from the beginning.") from error
    _same(path, began, json.loads(json.dumps(settings)))
    try:
        from_tensors(trainer, tensors, epochs)
    except (KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path} is damaged ({error}). Delete it and train from the beginning.") from error


def _same(path: Path, began: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    other = [
        f"{name} was {began.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(began.keys() | now.keys())
        if began.get(name) != now.get(name)
    ]
    if other:
        raise CommandError(
            f"{path} was begun with other settings: {'; '.join(other)}. Give the same ones, or another --run."
        )
