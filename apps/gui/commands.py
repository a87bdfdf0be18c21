"""Commands from a page to the session: each is checked here before it reaches the simulation's thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.gui.live import LiveSession
from apps.session import Session
from control.gait import VelocityCommand

Command = Callable[[Session], Any]


class CommandError(ValueError):
    """A command that cannot be obeyed; the message says what came and what is allowed."""


def to_command(order: Any, live: LiveSession, visitor: object) -> Command:
    """Turn a message {"type": "command", "name": ..., "value": ...} of a visitor into a call on the session.

    Raises:
        CommandError: unknown command, a value of the wrong type, or somebody else drives. Ranges are checked by the
            session itself.
    """
    if not isinstance(order, dict) or order.get("type") != "command":
        raise CommandError('send {"type": "command", "id": number, "name": text, "value": value}')
    name, value = order.get("name"), order.get("value")
    makers: dict[str, Callable[[Any], Command]] = {
        "emotion": lambda v: _with_text(v, Session.feel),
        "gait": lambda v: _with_text(v, Session.choose_gait),
        "speed": lambda v: _with_number(v, Session.choose_speed),
        "drive": lambda v: _drive(v, live, visitor),
        "push": _push,
        "fetch": _fetch,
        "reset": lambda v: Session.reset,
        "stop_playing": lambda v: Session.stop_playing,
        "pause": lambda v: _pause(v, live),
    }
    if not isinstance(name, str) or name not in makers:
        raise CommandError(f"unknown command {_shown(name)}: there are {', '.join(makers)}")
    return makers[name](value)


def _with_text(value: Any, method: Callable[[Session, str | None], None]) -> Command:
    if value is not None and not isinstance(value, str):
        raise CommandError(f"expected a name or null, got {_shown(value)}")
    return lambda session: method(session, value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CommandError(f"expected a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError as problem:
        raise CommandError(f"{_shown(value)} is too large a number") from problem


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge number"
    return text[:80]


def _with_number(value: Any, method: Callable[[Session, float | None], None]) -> Command:
    number = None if value is None else _number(value)
    return lambda session: method(session, number)


def _drive(value: Any, live: LiveSession, visitor: object) -> Command:
    if value is None:
        live.wheel.let_go(visitor)
        return lambda session: session.choose_speed(None)
    if not isinstance(value, dict) or set(value) != set(VelocityCommand._fields):
        raise CommandError(f'expected null or {{"vx": m/s, "vy": m/s, "wz": rad/s}}, got {_shown(value)}')
    velocity = VelocityCommand(**{name: _number(number) for name, number in value.items()})
    if velocity == VelocityCommand():  # whoever sees it may stop it
        live.wheel.let_go(visitor)
    elif not live.wheel.take(visitor):
        raise CommandError("somebody else drives the dog: wait until they let go")
    return lambda session: session.drive(velocity)


def _push(value: Any) -> Command:
    if value is None:
        return lambda session: session.push()
    if not isinstance(value, dict) or "direction_rad" not in value:
        raise CommandError(f'expected null or {{"direction_rad": angle}}, got {_shown(value)}')
    angle = _number(value["direction_rad"])
    return lambda session: session.push(angle)


def _fetch(value: Any) -> Command:
    if not isinstance(value, str):
        raise CommandError(f"expected the name of a colour, got {_shown(value)}")
    return lambda session: session.fetch(value)


def _pause(value: Any, live: LiveSession) -> Command:
    if not isinstance(value, bool):
        raise CommandError(f"expected true or false, got {_shown(value)}")
    return lambda session: live.pause(value)
