"""Many clips of the dog: made on several processes, the same however many there are, and kept."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from control.dog import ClockedLegs
from control.style import DEFAULT_STYLES, STYLE_GAITS, STYLE_LIMITS, ExpressiveStyle
from envs.trajectories.style_clip import (
    CHANNELS,
    EMOTIONS,
    FRAMES,
    STEPS_PER_FRAME,
    ClipSpec,
    LegsFactory,
    draw_spec,
    simulate,
)
from envs.trajectories.task import DEFAULT_CACHE, Trajectories
from robots.parallel import in_order

SHARD = 100
"""Clips of one file: what an interruption loses at most."""
_TRIES = 20
_EXTRAS = ("emotion", "style", "gait", "clock", "heading", "side", "seed")


def load_clips(
    n: int = 2400,
    seed: int = 0,
    folder: Path = DEFAULT_CACHE,
    workers: int = 2,
    legs: LegsFactory = ClockedLegs,
    legs_name: str = "clocked",
) -> Trajectories:
    """Return clips 0 to n - 1 of a seed; those that are not in `folder` yet are made, in files of `SHARD` clips.

    Clip i depends on `seed`, i and the legs only. What was made before an interruption is used again, as long as the
    first clip, walked anew, comes out the same: after a change of the gait or of the bounds all are made anew.

    Args:
        n: how many.
        seed: of all of them.
        folder: where they are kept.
        workers: processes.
        legs: what walks, for instance a learned policy's.
        legs_name: names the files; other legs need another name.

    Raises:
        ValueError: `n` or `workers` is below 1.
        RuntimeError: the dog falls in clip after clip: the legs do not walk.
    """
    _check(n, workers)
    place = Path(folder) / f"style-{legs_name}-{seed}-{_fingerprint()}"
    place.mkdir(parents=True, exist_ok=True)
    shards = [place / f"{first:06d}.npz" for first in range(0, n, SHARD)]
    parts: dict[Path, Trajectories] = {shard: found for shard in shards if (found := _read(shard)) is not None}
    if parts and not _is_walked_so_still(next(iter(parts.values())), legs):
        parts = {}
    missing = [shard for shard in shards if shard not in parts]
    wanted = [int(shard.stem) + index for shard in missing for index in range(SHARD)]
    made: list[tuple[ClipSpec, np.ndarray]] = []
    for one in _progress(make_clips(wanted, seed, workers, legs), len(wanted)):
        made.append(one)
        if len(made) == SHARD:
            shard = missing.pop(0)
            parts[shard] = pack(made)
            _write(shard, parts[shard])
            made = []
    whole = _concatenate([parts[shard] for shard in shards])
    return whole.take(np.arange(n))


def _is_walked_so_still(clips: Trajectories, legs: LegsFactory) -> bool:
    states = walked(spec_at(clips, 0), legs)
    return states is not None and np.allclose(states, clips.states[0], atol=1e-4)


def make_clips(
    indices: Sequence[int], seed: int, workers: int = 1, legs: LegsFactory = ClockedLegs
) -> Iterator[tuple[ClipSpec, np.ndarray]]:
    """Make the clips of a seed at `indices`, in their order: spec and states (FRAMES, 17)."""
    return in_order(partial(_make, seed, legs), indices, workers)


def pack(clips: Sequence[tuple[ClipSpec, np.ndarray]]) -> Trajectories:
    """Put clips in arrays; `extras` hold all of each spec, so that it can be walked again."""
    specs = [spec for spec, _ in clips]
    extras = {
        "emotion": np.array([spec.emotion for spec in specs], np.int64),
        "style": np.array([spec.style.vector() for spec in specs]),
        "gait": np.array([STYLE_GAITS.index(spec.gait) for spec in specs], np.int64),
        "clock": np.array([spec.clock for spec in specs]),
        "heading": np.array([spec.heading for spec in specs]),
        "side": np.array([spec.side for spec in specs], np.int64),
        "seed": np.array([spec.seed for spec in specs], np.int64),
    }
    return Trajectories(np.stack([states for _, states in clips]), extras)


def spec_at(trajectories: Trajectories, index: int) -> ClipSpec:
    """Return what made the clip at `index`.

    Raises:
        ValueError: the trajectories lack what a clip is made from.
    """
    extras = trajectories.extras
    if missing := [name for name in _EXTRAS if name not in extras]:
        raise ValueError(f"these trajectories lack {', '.join(missing)}: they were not made by the style task")
    return ClipSpec(
        ExpressiveStyle.from_vector(extras["style"][index]),
        int(extras["emotion"][index]),
        STYLE_GAITS[int(extras["gait"][index])],
        float(extras["clock"][index]),
        float(extras["heading"][index]),
        int(extras["side"][index]),
        int(extras["seed"][index]),
    )


def walked(spec: ClipSpec, legs: LegsFactory = ClockedLegs) -> np.ndarray | None:
    """States (FRAMES, 17) of a clip, None where the dog falls."""
    states, fell = simulate(spec, legs)
    return None if fell else states


def _make(seed: int, legs: LegsFactory, index: int) -> tuple[ClipSpec, np.ndarray]:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    for _ in range(_TRIES):
        # What is kept is the style's vector, so the clip is walked with the style that comes back from it.
        drawn = pack([(draw_spec(rng), np.empty(0))])
        spec = spec_at(drawn, 0)
        if (states := walked(spec, legs)) is not None:
            return spec, states
    raise RuntimeError(f"the dog fell in {_TRIES} clips one after the other: these legs do not walk")


def _check(n: int, workers: int) -> None:
    if n < 1:
        raise ValueError(f"{n} clips were asked for: ask for 1 or more")
    if workers < 1:
        raise ValueError(f"{workers} workers cannot make clips: give 1 or more")


def _fingerprint() -> str:
    """Of all numbers that decide clips and are no code."""
    defaults = [(name, style.vector().round(9).tolist()) for name, style in DEFAULT_STYLES.items()]
    recipe = repr((STYLE_LIMITS, defaults, STYLE_GAITS, EMOTIONS, CHANNELS, FRAMES, STEPS_PER_FRAME, SHARD))
    return hashlib.sha256(recipe.encode()).hexdigest()[:10]


def _read(shard: Path) -> Trajectories | None:
    """Read the clips of a file; None where it is missing or was cut off."""
    try:
        with np.load(shard, allow_pickle=False) as data:
            found = Trajectories(data["states"], {name: data[name] for name in _EXTRAS})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found if found.states.shape == (SHARD, FRAMES, len(CHANNELS)) else None


def _write(shard: Path, clips: Trajectories) -> None:
    draft = shard.with_suffix(f".{os.getpid()}.draft")
    with draft.open("wb") as file:
        arrays: dict[str, Any] = {"states": clips.states, **clips.extras}
        np.savez_compressed(file, **arrays)
    draft.replace(shard)  # a file is there as a whole or not at all


def _concatenate(parts: Sequence[Trajectories]) -> Trajectories:
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in _EXTRAS}
    return Trajectories(np.concatenate([part.states for part in parts]), extras)


def _progress(clips: Iterator[tuple[ClipSpec, np.ndarray]], total: int) -> Iterator[tuple[ClipSpec, np.ndarray]]:
    """Pass clips on under a bar, on a terminal; in a file of output it is one line."""
    if total == 0:
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(clips, "clips of the dog", total, console=Console(stderr=True))
