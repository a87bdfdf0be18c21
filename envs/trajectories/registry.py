"""All tasks by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from envs.trajectories.task import TrajectoryTask


def _grid(features: int) -> TrajectoryTask:
    from envs.trajectories.grid import GridRobot

    return cast(TrajectoryTask, GridRobot(features))


def _arm() -> TrajectoryTask:
    from envs.trajectories.arm import ArmTask

    return ArmTask()


def _style() -> TrajectoryTask:
    from envs.trajectories.style import StyleTask

    return StyleTask()


TASKS: dict[str, Callable[[], TrajectoryTask]] = {
    "grid-2": lambda: _grid(2),
    "grid-4": lambda: _grid(4),
    "arm": _arm,
    "style": _style,
}


def make_task(
    name: str, cache: Path | None = None, clips: int = 2400, seed: int = 0, workers: int = 2
) -> TrajectoryTask:
    """Make a task.

    Args:
        name: one of `TASKS`.
        cache: where clips of the dog are kept; 'style' then draws from `clips` of them, which are walked on `workers`
            processes where they are not there yet (three minutes). Without, it walks each anew. Others need none.
        clips: how many.
        seed: of the clips.
        workers: processes.

    Raises:
        ValueError: the name is not known.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}: choose one of {', '.join(TASKS)}")
    if name == "style" and cache is not None:
        from envs.trajectories.style import StyleTask
        from envs.trajectories.style_library import load_clips

        return StyleTask(load_clips(clips, seed, cache, workers), workers)
    return TASKS[name]()
