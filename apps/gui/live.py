"""The live session: a thread that owns the simulation, keeps real time, and tells whoever listens.

Only that thread touches Bullet. Others put commands on its queue and read immutable snapshots. Listeners have short
queues that drop the oldest message, so that a slow reader never slows the simulation or fills the memory.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from apps.config import SessionConfig
from apps.ear import StreamEar
from apps.eye import StreamEye
from apps.gui.messages import pose_message, state_message
from apps.gui.wheel import Wheel
from apps.recording import Recording
from apps.session import Session
from robots.world import WorldConfig

TICK_SUBSTEPS = 4
"""Physics steps between two pose messages: 250 Hz / 4 = 62.5 Hz, a little more than a screen of 60 Hz shows."""
TICK_S = TICK_SUBSTEPS * WorldConfig.time_step_s
STATE_EVERY_TICKS = 6
MAX_FAILURES = 5
_log = logging.getLogger("empaw")


class Listener:
    """A bounded queue between the simulation and one reader; the oldest message goes when it is full."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=size)

    def offer(self, message: Any) -> None:
        """Hand over a message, from any thread. A reader whose loop has ended gets nothing more."""
        try:
            self._loop.call_soon_threadsafe(self._put, message)
        except RuntimeError:
            _log.debug("a listener's event loop has ended")

    def _put(self, message: Any) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(message)

    async def get(self) -> Any:
        """Wait for the next message."""
        return await self._queue.get()


class LiveSession:
    """Runs a `Session` in real time in a thread of its own."""

    def __init__(self, config: SessionConfig, recording: Recording | None = None) -> None:
        self.config, self._recording = config, recording
        self._commands: queue.Queue[tuple[Callable[[Session], Any], Future]] = queue.Queue(maxsize=256)
        self._pose_listeners: set[Listener] = set()
        self._live_listeners: set[Listener] = set()
        self._stop = threading.Event()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="empaw-simulation", daemon=True)
        self._sounds_made = 0
        self.paused = False
        self.wheel = Wheel()
        self.real_time_factor = 1.0
        self.links: list[dict[str, Any]] = []

    def start(self) -> None:
        """Start the thread and wait until the dog stands.

        Raises:
            ValueError, RuntimeError: what `Session` raises.
        """
        self._thread.start()
        self._ready.result(timeout=120)

    def stop(self) -> None:
        """End the thread and close the session."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.5)  # it waits for whatever the ear and the eye are at; nobody else need

    @property
    def alive(self) -> bool:
        """Whether the simulation runs."""
        return self._thread.is_alive() and not self._stop.is_set()

    def submit(self, command: Callable[[Session], Any]) -> Future:
        """Have the simulation's thread call `command` with the session; the future holds what it returns or raises."""
        future: Future = Future()
        if not self.alive:
            future.set_exception(RuntimeError("the simulation has ended: start the program again"))
            return future
        try:
            self._commands.put_nowait((command, future))
        except queue.Full:
            future.set_exception(RuntimeError("the simulation has too many commands waiting: try again in a moment"))
        return future

    def pause(self, paused: bool) -> None:
        """Stop or go on with the time of the simulation."""
        self.paused = paused

    def listen_poses(self, loop: asyncio.AbstractEventLoop) -> Listener:
        """Listen to pose messages (bytes)."""
        listener = Listener(loop, size=2)
        self._pose_listeners = self._pose_listeners | {listener}
        return listener

    def listen_live(self, loop: asyncio.AbstractEventLoop) -> Listener:
        """Listen to states, sounds and notices (dicts)."""
        listener = Listener(loop, size=64)
        self._live_listeners = self._live_listeners | {listener}
        return listener

    def forget(self, listener: Listener) -> None:
        """Stop telling a listener anything."""
        self._pose_listeners = self._pose_listeners - {listener}
        self._live_listeners = self._live_listeners - {listener}

    def notice(self, text: str, level: str = "info") -> None:
        """Tell every page something in words."""
        self._tell({"type": "notice", "level": level, "text": text})

    def _tell(self, message: dict[str, Any]) -> None:
        for listener in self._live_listeners:
            listener.offer(message)

    # ------------------------------------------------------------------ in the simulation's thread

    def _run(self) -> None:
        try:
            session = Session(config=self.config, recording=self._recording)
        except Exception as problem:  # handed to whoever called `start`, who can tell the user
            self._ready.set_exception(problem)
            return
        session.on_sound = self._sound
        for sense in (session.senses.ear, session.senses.eye):
            if isinstance(sense, StreamEar | StreamEye):
                sense.on_problem = lambda text: self.notice(text, "error")
        self.links = [link.as_json() for link in session.body.links]
        self.toys = session.body.toys
        self._ready.set_result(None)
        try:
            self._loop(session)
        finally:
            self._stop.set()
            self._refuse_waiting()
            session.close()

    def _refuse_waiting(self) -> None:
        while not self._commands.empty():
            _, future = self._commands.get_nowait()
            if future.set_running_or_notify_cancel():
                future.set_exception(RuntimeError("the simulation has ended: start the program again"))

    def _loop(self, session: Session) -> None:
        due = time.perf_counter()
        ticks, failures, mark = 0, 0, (due, session.time)
        while not self._stop.is_set():
            failures = 0 if self._tick(session, ticks) else failures + 1
            if failures > MAX_FAILURES:
                _log.error("the simulation fails again and again, and ends")
                self.notice("The simulation fails again and again, and has ended: start the program again.", "error")
                return
            ticks += 1
            due += TICK_S
            now = time.perf_counter()
            if session.time < mark[1]:
                mark = (now, session.time)  # the session began again, and so does the measurement
            if now - mark[0] >= 1.0:
                self.real_time_factor = (session.time - mark[1]) / (now - mark[0])
                mark = (now, session.time)
            if now - due > 0.25:
                due = now  # too far behind to catch up: go on from here rather than race
            self._stop.wait(max(0.0, due - now))

    def _tick(self, session: Session, ticks: int) -> bool:
        """Obey, advance, publish; False when something broke and the session began again."""
        try:
            self._obey(session)
            if not self.paused:
                session.advance(TICK_SUBSTEPS)
            self._publish(session, with_state=ticks % STATE_EVERY_TICKS == 0)
        except Exception as problem:  # the person at the page should not have to restart anything
            _log.exception("the simulation broke off and begins again")
            self.notice(f"The simulation broke off ({str(problem)[:200]}) and begins again.", "error")
            self._begin_again(session)
            return False
        return True

    def _begin_again(self, session: Session) -> None:
        try:
            session.reset()
        except Exception:  # counted by the loop, which gives up after some of these
            _log.exception("the session cannot be reset")

    def _obey(self, session: Session) -> None:
        for _ in range(self._commands.qsize()):
            command, future = self._commands.get_nowait()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(command(session))
            except Exception as problem:  # the one who gave the command learns of it
                future.set_exception(problem)

    def _publish(self, session: Session, with_state: bool) -> None:
        if session.config.window:
            session.show()
        if not self._pose_listeners and not with_state:
            return
        snapshot = session.snapshot()
        message = pose_message(snapshot)
        for listener in self._pose_listeners:
            listener.offer(message)
        if with_state and self._live_listeners:
            x, y = session.body.person.tolist()
            state = state_message(snapshot, (x, y))
            state |= {
                "paused": self.paused,
                "real_time_factor": round(self.real_time_factor, 3),
                "clients": len(self._live_listeners),
            }
            self._tell(state)

    def _sound(self, name: str) -> None:
        self._sounds_made += 1
        self._tell({"type": "sound", "name": name, "id": self._sounds_made})
