"""From a goal to a velocity: where to go, seen from where the person stands, and whether to step at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from control.gait import GAITS, GaitStyle, VelocityCommand, gait_style
from geometry.transforms import wrap
from policies.behaviour import Behaviour


def movement(
    behaviour: Behaviour,
    toward_goal: VelocityCommand,
    gait: str | None = None,
    velocity: VelocityCommand | None = None,
) -> tuple[VelocityCommand, GaitStyle]:
    """Decide how the body moves: the behaviour's way, or what was set by hand.

    Args:
        behaviour: what is being shown.
        toward_goal: the velocity that its goal asks for (see `steer`).
        gait: a gait set by hand.
        velocity: one set by hand.

    Returns:
        The velocity and the style; the style steps only when there is somewhere to go.
    """
    command = toward_goal if velocity is None else velocity
    if gait is not None:
        return (VelocityCommand() if gait == "stand" else command), gait_style(gait)
    style = behaviour.style
    moving = max(abs(command.vx), abs(command.vy)) > 0.03 or abs(command.wz) > 0.05
    if velocity is not None and moving and not style.stepping:
        return command, GAITS["trot"]
    if behaviour.goal == "stay" and velocity is None:
        return command, style
    return command, replace(style, stepping=moving)


def bearing_to(person: np.ndarray, position: np.ndarray, yaw: float) -> float:
    """Angle in rad, within +-pi, from the dog's nose to the person; both places (2,) m in the world."""
    x, y = np.asarray(person, float) - np.asarray(position, float)
    return wrap(float(np.arctan2(y, x)) - yaw)


def steer(
    behaviour: Behaviour, position: np.ndarray, yaw: float, person: np.ndarray, side: float = 1.0
) -> VelocityCommand:
    """Turn a goal into a velocity for the trunk.

    Args:
        behaviour: what is being shown.
        position: (2,) m, the dog in the world.
        yaw: its heading, rad.
        person: (2,) m, the person in the world.
        side: circles with the person on the right (1) or on the left (-1).

    Returns:
        vx, vy in m/s and wz in rad/s in the dog's own frame.
    """
    distance = float(np.hypot(*(np.asarray(person, float) - np.asarray(position, float))))
    bearing = bearing_to(person, position, yaw)
    goal, speed = behaviour.goal, behaviour.speed
    if goal == "face":
        return VelocityCommand(wz=_turn(bearing) if abs(bearing) > 0.25 else 0.0)
    if goal == "approach":
        left = distance - behaviour.distance_m
        aim = bearing + behaviour.curve_rad * float(np.clip(left, 0.0, 1.0))
        return _go(speed * _ramp(left), aim)
    if goal == "retreat":
        return VelocityCommand(-speed * _ramp(behaviour.distance_m - distance), 0.0, _turn(bearing))
    if goal == "circle":
        # Lean in or out by the error in radius.
        inward = float(np.clip(1.2 * (distance - behaviour.distance_m), -1.0, 1.0))
        return _go(speed, wrap(bearing + side * (np.pi / 2 - inward)))
    if goal == "shield":
        if distance > behaviour.distance_m + 0.4:
            return _go(speed, bearing)
        outward = wrap(bearing + np.pi)
        return VelocityCommand(wz=_turn(outward) if abs(outward) > 0.15 else 0.0)
    return VelocityCommand()


def toward(target: np.ndarray, position: np.ndarray, yaw: float, speed: float) -> VelocityCommand:
    """Walk to a place (2,) m: on the spot the dog turns until it is before its nose, then goes, turning still."""
    aim = bearing_to(target, position, yaw)
    return VelocityCommand(wz=_turn(aim)) if abs(aim) > _BEHIND_RAD else _go(speed, aim)


_BEHIND_RAD = 1.0


def _turn(error: float, limit: float = 0.8) -> float:
    return float(np.clip(1.5 * error, -limit, limit))


def _ramp(left_m: float) -> float:
    """Full speed from 0.3 m on, nothing within 5 cm, so that the dog arrives instead of hunting."""
    return float(np.clip((left_m - 0.05) / 0.25, 0.0, 1.0))


def _go(speed: float, aim: float) -> VelocityCommand:
    """Forward at `speed`, slower while the aim (rad) is far off the nose, turning toward it."""
    if speed < 1e-3:
        return VelocityCommand()
    return VelocityCommand(speed * max(0.35, float(np.cos(aim))), 0.0, _turn(aim))
