"""Work beside the session: at once within the call, or in a thread of its own, by one interface."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
_In = TypeVar("_In", contravariant=True)
_Out = TypeVar("_Out", covariant=True)
_log = logging.getLogger("empaw")


class Engine(Protocol[_In, _Out]):
    """Turns items into results, one item at a time, and may remember those of before."""

    def push(self, item: _In) -> Iterable[_Out]:
        """Take an item; return the results that are ready with it."""
        ...

    def reset(self) -> None:
        """Forget the items of before."""
        ...


class InlineWorker(Generic[In, Out]):
    """Works within `put`: the same items give the same results, and what the engine raises is raised there.

    Args:
        open_engine: makes the engine when the first item comes.
        most_ready: results that are kept while nobody asks for them, the newest; None keeps all.
    """

    def __init__(self, open_engine: Callable[[], Engine[In, Out]], most_ready: int | None = None) -> None:
        self._open = open_engine
        self._engine: Engine[In, Out] | None = None
        self._ready: deque[Out] = deque(maxlen=most_ready)

    def put(self, item: In) -> None:
        """Work on an item, now."""
        self._engine = self._engine or self._open()
        self._ready.extend(self._engine.push(item))

    def ready(self) -> list[Out]:
        """Return the results since the last call, oldest first."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    def reset(self) -> None:
        """Forget what was put."""
        self._ready.clear()
        if self._engine is not None:
            self._engine.reset()

    def close(self) -> None:
        """Nothing to stop."""


class BackgroundWorker(Generic[In, Out]):
    """Works in a thread of its own; `put` never waits.

    At most `most_waiting` items wait; when the engine cannot keep up, the oldest is dropped, so that the answer is to
    what comes now. What was put before a `reset` never comes out after it. An engine that fails is reset and goes on
    with the next item; one that cannot be opened is not tried again.

    Args:
        name: of the thread.
        open_engine: makes the engine, in the thread, when the first item is there. The newest items are worked on then.
        on_problem: called in the thread with the problem in words, and whether the engine had been opened.
        most_waiting: items that wait.
        most_ready: results that are kept while nobody asks for them, the newest; None keeps all.
    """

    def __init__(
        self,
        name: str,
        open_engine: Callable[[], Engine[In, Out]],
        on_problem: Callable[[str, bool], None],
        most_waiting: int,
        most_ready: int | None = None,
    ) -> None:
        self._open, self._on_problem = open_engine, on_problem
        self._items: deque[tuple[int, In]] = deque(maxlen=most_waiting)
        self._ready: deque[tuple[int, Out]] = deque(maxlen=most_ready)
        self._change = threading.Condition()
        self._epoch = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many items have not been begun."""
        return len(self._items)

    def put(self, item: In) -> None:
        """Hand over an item, from the thread that also calls `ready` and `reset`."""
        with self._change:
            self._items.append((self._epoch, item))
            self._change.notify()

    def ready(self) -> list[Out]:
        """Return what has become ready since the last call, oldest first."""
        ready = []
        while self._ready:
            epoch, result = self._ready.popleft()
            if epoch == self._epoch:
                ready.append(result)
        return ready

    def reset(self) -> None:
        """Forget what was put; what the thread still has of it belongs to an epoch that is over."""
        with self._change:
            self._epoch += 1
            self._items.clear()

    def stop(self) -> None:
        """Have the thread end after the item that it works on; does not wait."""
        with self._change:
            self._stopped = True
            self._change.notify()

    def close(self) -> None:
        """End the thread."""
        self.stop()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        engine, begun = self._open_or_tell(), 0
        while engine is not None and (taken := self._take()) is not None:
            epoch, item = taken
            try:
                if epoch != begun:
                    begun = epoch
                    engine.reset()
                self._ready.extend((epoch, result) for result in engine.push(item))
            except Exception as problem:  # whatever an item holds, the next one is worked on
                _log.exception("%s failed and begins again", self._thread.name)
                self._on_problem(_short(problem), True)
                engine.reset()

    def _take(self) -> tuple[int, In] | None:
        """Wait for the next item; None when there will be none."""
        with self._change:
            self._change.wait_for(lambda: self._items or self._stopped)
            return None if self._stopped else self._items.popleft()

    def _open_or_tell(self) -> Engine[In, Out] | None:
        with self._change:
            self._change.wait_for(lambda: self._items or self._stopped)
            if self._stopped:
                return None
        try:
            return self._open()
        except Exception as problem:  # everything else goes on without it
            _log.exception("%s cannot be opened", self._thread.name)
            self._on_problem(_short(problem), False)
            return None


def _short(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]
