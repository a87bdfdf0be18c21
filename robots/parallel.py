"""Tasks on processes of this machine or on a Ray cluster: results in the order of the tasks, however many work."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

from robots.lifetime import end_with

Engine = Literal["processes", "ray"]
Task = TypeVar("Task")
Result = TypeVar("Result")
_AHEAD = 4
"""Tasks in flight for each worker on Ray: enough to keep them busy, few enough to keep memory small."""


def in_order(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int, engine: Engine = "processes"
) -> Iterator[Result]:
    """Give the result of each task, in order, as soon as it and all before it are done.

    Raises:
        RuntimeError: Ray is asked for and not there, or one of its workers died.
    """
    if engine == "ray":
        return _on_ray(work, tasks, workers)
    if workers == 1 or len(tasks) < 2:
        return map(work, tasks)
    from joblib import Parallel, delayed

    # joblib renews a worker that grew by 300 MB, as ours do when they load a network; no task is lost by that.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    warnings.filterwarnings("ignore", r"\d+ tasks (have been successfully|which were still)", UserWarning)  # by Ctrl-C
    _end_in_silence()
    at_work = Parallel(
        n_jobs=workers,
        return_as="generator",
        pre_dispatch=f"{_AHEAD}*n_jobs",
        initializer=end_with,
        initargs=(os.getpid(),),
    )
    results: Iterator[Result] = at_work(delayed(work)(task) for task in tasks)
    return results


def _end_in_silence() -> None:
    """Let Ctrl-C say nothing but what we say: joblib ends its workers, and its helpers complain about what is gone.

    Its thread stumbles over tasks that were taken back, and its tracker of semaphores, a process, over those that died.
    """
    if threading.excepthook is not _thread_failed:
        threading.excepthook = _thread_failed
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")  # handed on to that process when it starts


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    last = failed.exc_traceback
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = last.tb_frame.f_code.co_name if last is not None else ""
    if not (failed.exc_type is KeyError and place == "add_call_item_to_queue"):
        threading.__excepthook__(failed)


def _on_ray(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    try:
        import ray
    except ModuleNotFoundError as problem:
        raise RuntimeError("--engine ray needs Ray: pip install 'empaw[scale]'") from problem
    # A cluster that is named brings its own cores, and Ray refuses to be told of others.
    cores: dict[str, Any] = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True, **cores)
    remote: Any = ray.remote(num_cpus=1)(work)
    coming: list[Any] = []
    try:
        for task in tasks:
            coming.append(remote.remote(task))
            if len(coming) >= _AHEAD * workers:
                yield ray.get(coming.pop(0))
        while coming:
            yield ray.get(coming.pop(0))
    except ray.exceptions.RayError as problem:
        raise RuntimeError(f"a worker died: start again with --resume ({problem})") from problem
