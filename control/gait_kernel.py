"""Where the feet of the clocked gait go, and the joints with them, compiled: one call for each control step."""

from __future__ import annotations

from math import cos, sin

import numpy as np

from robots.compiled import compiled
from robots.kinematics import leg_ik_kernel

GRAVITY = 9.81  # m/s^2
MAX_RISE_M = 0.10  # difference in height that the legs make up for
LONGEST_PUSH_S = 0.2  # landing and push-off together; a longer stance holds still between them
SHORT_STANCE_S, LONG_STANCE_S = 0.25, 0.65  # between them a style's `slow_bounce` takes over from its `bounce`
MAX_PUSH_OFF_M_S = 1.0  # what the legs can give; at a low cadence the whole swing would ask for more

STYLE_LAG_S = 0.15
VELOCITY_LAG_S = 0.20
GROUND_LAG_S = 0.05
RIGHTING_S = 0.6
BALANCE_S, MAX_CATCH_M, BALANCE_LAG_S = 0.15, 0.10, 0.05
PHASE_RATE = 1.2  # cycles per second at which a leg may change its place in the cycle

STATE = np.dtype(
    [
        ("clock", np.float64),  # cycles
        ("offsets", np.float64, 4),  # of the legs, cycles
        ("phases", np.float64, 4),  # clock and offset, in [0, 1)
        ("velocity", np.float64, 3),  # vx, vy in m/s, wz in rad/s
        ("caught", np.float64, 2),  # m, how far the feet are set aside
        ("rises", np.float64, 4),  # m, what each foot takes above the mean of the ground
        ("leans", np.float64, (4, 2)),  # rad, how far each leg is turned against the trunk's pitch and roll
    ]
)
"""State of a gait, kept from step to step."""


@compiled
def gait_step(
    state: np.ndarray,
    style: np.ndarray,
    values: np.ndarray,
    wanted: np.ndarray,
    phases: np.ndarray,
    command: tuple[float, float, float],
    velocity_error: tuple[float, float],
    ground: np.ndarray,
    lean: tuple[float, float],
    pitch_trim: float,
    residual: np.ndarray,
    legs: np.ndarray,
    dt: float,
) -> np.ndarray:
    """Advance by `dt` s.

    Args:
        state: (1,) `STATE`, changed in place.
        style: (1,) `control.gait.STYLE` as it stands, changed in place.
        values: (12,) the same numbers without their names.
        wanted: (12,) where they shall go.
        phases: (4) cycles, where the legs' offsets shall go.
        command: (3) what the velocity shall become.
        velocity_error: forward, left, m/s: what is to be caught.
        ground: (4) m, height of the ground where each foot stands or will land.
        lean: pitch, roll, rad: what swinging feet are held level against.
        pitch_trim: rad, added to the style's pitch.
        residual: (12) m, added to where the feet go in axes of the trunk.
        legs: (1,) `robots.kinematics.GEOMETRY`.
        dt: s.

    Returns:
        (12) rad joint targets.
    """
    now, how = state[0], style[0]
    for index in range(values.size):
        values[index] += min(1.0, dt / STYLE_LAG_S) * (wanted[index] - values[index])
    duty, stepping = how.effective_duty - how.lift_lead_s * how.frequency_hz, how.stepping
    _follow(now, how, phases, command, velocity_error, dt)
    vx, vy, wz = now.velocity[0], now.velocity[1], now.velocity[2]
    vx += how.drift_m_s
    stance_s = stepping * duty / max(how.frequency_hz, 1e-6)
    push_s = min(stance_s, LONGEST_PUSH_S)
    crouch = _crouch(how, stance_s) * push_s
    clearance = _rise(now, duty, ground, dt)
    feet, hips, sides = np.empty((4, 3)), legs[0].hips, legs[0].sides
    for leg in range(4):
        along, lift, down = foot_cycle(now.phases[leg], duty)
        # The ground must pass under a stance foot at v + w x r.
        vx_leg, vy_leg = vx - wz * (hips[leg, 1] + sides[leg]), vy + wz * (hips[leg, 0] + how.reach_m)
        feet[leg, 0] = along * vx_leg * stance_s + now.caught[0] * stepping + how.reach_m
        feet[leg, 1] = along * vy_leg * stance_s + now.caught[1] * stepping + sides[leg]
        edge = max(0.0, 0.5 - (0.5 - abs(along)) * stance_s / push_s) if push_s > 0.0 else 0.5
        lifted = lift * (how.swing_m + clearance) * stepping
        feet[leg, 2] = lifted + down * crouch * (0.25 - edge * edge) - how.height_m + now.rises[leg]
        _level(now.leans[leg], now.phases[leg] < duty, lean, dt)
        _turn(feet[leg], hips[leg], how.pitch_rad + pitch_trim + now.leans[leg, 0], how.roll_rad + now.leans[leg, 1])
    return leg_ik_kernel(feet + residual.reshape((4, 3)), legs).ravel()


@compiled
def _follow(
    now: np.record,
    how: np.record,
    phases: np.ndarray,
    command: tuple[float, float, float],
    velocity_error: tuple[float, float],
    dt: float,
) -> None:
    """Clock, offsets and velocity go where they are told, and the feet where they catch the body, all eased in."""
    for axis in range(3):
        now.velocity[axis] += (command[axis] - now.velocity[axis]) * min(1.0, dt / VELOCITY_LAG_S)
    limit = PHASE_RATE * dt
    now.clock = (now.clock + how.frequency_hz * dt) % 1.0
    for leg in range(4):
        gap = (phases[leg] - now.offsets[leg] + 0.5) % 1.0 - 0.5
        now.offsets[leg] += min(max(gap, -limit), limit)
        now.phases[leg] = (now.clock + now.offsets[leg]) % 1.0
    for axis in range(2):  # feet on the ground must not be torn away
        wanted = min(max(velocity_error[axis] * BALANCE_S, -MAX_CATCH_M), MAX_CATCH_M)
        now.caught[axis] += (wanted - now.caught[axis]) * min(1.0, dt / BALANCE_LAG_S)


@compiled
def _crouch(how: np.record, stance_s: float) -> float:
    """Push-off, m/s: landing at -v and leaving at +v with v = g T_flight / 2 makes a short stance a parabola."""
    long = min(max((stance_s - SHORT_STANCE_S) / (LONG_STANCE_S - SHORT_STANCE_S), 0.0), 1.0)
    bounce = how.bounce + long * (how.slow_bounce - how.bounce)
    push = bounce * GRAVITY / 2 * (1.0 - how.effective_duty) / max(how.frequency_hz, 1e-6)
    return float(min(push, MAX_PUSH_OFF_M_S))


@compiled
def _rise(now: np.record, duty: float, ground: np.ndarray, dt: float) -> float:
    """Give a foot the height of its next place while it swings, and at a quarter of the rate while it stands.

    Returns:
        m, how much higher the feet must be lifted.
    """
    follow, middle = min(1.0, dt / GROUND_LAG_S), ground.mean()
    for leg in range(4):
        wanted = min(max(ground[leg] - middle, -MAX_RISE_M), MAX_RISE_M)
        now.rises[leg] += (wanted - now.rises[leg]) * (follow if now.phases[leg] >= duty else 0.25 * follow)
    return float(min(ground.max() - ground.min(), MAX_RISE_M))


@compiled
def _level(turned: np.ndarray, standing: bool, lean: tuple[float, float], dt: float) -> None:
    """Swinging legs are turned against a trunk that leans; standing ones come back to its own axes."""
    for axis in range(2):
        if standing:
            turned[axis] *= 1.0 - min(1.0, dt / RIGHTING_S)
        else:
            turned[axis] += min(1.0, dt / GROUND_LAG_S) * (lean[axis] - turned[axis])


@compiled
def _turn(foot: np.ndarray, hip: np.ndarray, pitch: float, roll: float) -> None:
    """Move a foot from level axes under its hip to the axes of a trunk that is pitched and rolled."""
    cp, sp, cr, sr = cos(pitch), sin(pitch), cos(roll), sin(roll)
    x, y, z = foot[0] + hip[0], foot[1] + hip[1], foot[2] + hip[2]
    along = sp * x + cp * z  # R_level_trunk transposed, written out: pitch first, then roll
    foot[0], foot[1], foot[2] = cp * x - sp * z - hip[0], cr * y + sr * along - hip[1], cr * along - sr * y - hip[2]


@compiled
def foot_cycle(phase: float, duty: float) -> tuple[float, float, float]:
    """Return where a foot is in its cycle.

    Returns:
        along: place along the step in stance lengths, +0.5 at touch-down and -0.5 at lift-off.
        lift: height in swing heights, 0..1.
        down: 1 in stance, 0 in swing.
    """
    if phase < duty:
        return 0.5 - phase / duty, 0.0, 1.0
    u = (phase - duty) / (1.0 - duty)
    # Cubic Hermite from -0.5 to +0.5 whose end slopes equal the stance speed, so that a foot meets the ground
    # without scuffing; -(1 - duty) / duty is the stance slope on the swing's own time scale.
    slope = -(1.0 - duty) / duty
    swing = -0.5 + u * u * (3.0 - 2.0 * u) + slope * u * (1.0 - u) * (1.0 - 2.0 * u)
    return swing, 16.0 * (u * (1.0 - u)) ** 2, 0.0
