"""The companion's body as a whole: it walks or stands planted, holds its head, opens and shuts its mouth."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from control.command import Footing
from control.dog import Legs, standing_joints
from control.gait import GAITS, GaitStyle, VelocityCommand
from robots.companion import Companion, CompanionState
from robots.quadruped import QuadrupedSpec, QuadrupedState
from robots.world import World


class SureLegs(Legs, Protocol):
    """Legs that mind where the ground is."""

    def step(
        self,
        command: VelocityCommand,
        style: GaitStyle,
        state: QuadrupedState,
        contacts: list[bool],
        footing: Footing | None = None,
    ) -> np.ndarray:
        """Joint targets (12,) rad for the next 1/50 s, on flat ground or with regard to a footing."""


class _Still(NamedTuple):
    """In which style one stands, and for how many control steps."""

    style: GaitStyle
    steps: int


_STILL_STEPS = 40
_CALM_M_S, _CALM_RAD_S, _CALM_UPRIGHT = 0.12, 0.6, 0.97


def _is_calm(state: CompanionState) -> bool:
    """Whether nobody shoves."""
    legs = state.legs
    slow = float(np.linalg.norm(legs.velocity)) < _CALM_M_S and float(np.abs(legs.angular_velocity).max()) < _CALM_RAD_S
    return slow and legs.upright > _CALM_UPRIGHT


class CompanionDog:
    """One `control` per 1/50 s, then five world steps. Feet are anchored while the legs are told where to stand."""

    def __init__(self, world: World, legs: Callable[[QuadrupedSpec], SureLegs]) -> None:
        self.world = world
        self.body = Companion(world)
        self.legs = legs(self.body.spec)
        self.reset()

    def reset(self, position: tuple[float, float] = (0.0, 0.0), yaw: float = 0.0, ground_m: float = 0.0) -> None:
        """Stand, at rest, at a place (x, y) m on ground of a height, with a heading in rad, the neck folded."""
        style = GAITS["stand"]
        joints = standing_joints(style, self.body.spec)
        self.legs.reset(style, joints, 0.0)
        height = style.height_m + self.body.spec.foot_radius_m
        self.body.plant(False)
        self.body.reset((*position, ground_m + height), yaw, joints)
        self._planted, self._anchored, self._fresh = False, False, True
        self._still, self._targets = _Still(style, 0), joints

    def read(self) -> CompanionState:
        """Read everything once."""
        return self.body.read_all()

    def walk(
        self, command: VelocityCommand, style: GaitStyle, state: CompanionState, footing: Footing | None = None
    ) -> None:
        """Give the legs their next targets by the gait, on flat ground or with regard to a footing.

        Who stands for a while keeps the joints as they are, and the feet anchored: a dog whose legs are moved while it
        stands creeps by up to 3 cm/s in Bullet. Shoved, it balances again.
        """
        if self._planted:
            self._planted, self._anchored = False, False
            self.body.plant(False)
            self.legs.reset(GAITS["stand"], state.legs.joint_positions, 0.0)
        still = not any(command) and not style.stepping
        self._still = _Still(style, self._still.steps + 1 if still and style == self._still.style else 0)
        if self._still.steps > _STILL_STEPS and _is_calm(state):
            self._anchor(True)
            self.body.command(self._targets)
            return
        if self._anchored:
            self.legs.reset(style, state.legs.joint_positions, 0.0)
        self._anchor(False)
        # Bullet finds contacts when it steps; until then it reports those from before the reset.
        contacts = [False] * 4 if self._fresh else self.body.foot_contacts()
        self._fresh = False
        self._targets = self.legs.step(command, style, state.legs, contacts, footing)
        self.body.command(self._targets)

    def stand(self, joints: np.ndarray) -> None:
        """Give the legs target angles (12,) rad, with the feet where they are."""
        self._planted, self._fresh = True, False
        self._anchor(True)
        self.body.command(joints)

    def hold(self, neck: np.ndarray, opening_m: float) -> None:
        """Give the neck target angles (5,) rad and the jaws an opening, m."""
        self.body.command_head(neck, opening_m)

    def _anchor(self, anchored: bool) -> None:
        if anchored != self._anchored:
            self._anchored = anchored
            self.body.plant(anchored)
