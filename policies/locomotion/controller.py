"""The trained policy as the legs of the simulated dog."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from control.command import NO_SCAN, Footing, GaitCommand
from control.gait import GaitGenerator, GaitStyle, VelocityCommand
from control.locomotion_controller import LocomotionController
from policies.locomotion.actor import Actor, load_policy
from robots.quadruped import QuadrupedSpec, QuadrupedState


class LearnedLegs:
    """Adds the policy's residuals to the clocked gait, with the same eyes and hands as in training.

    Stands where `control.dog.ClockedLegs` stands: see `control.dog.Legs`.
    """

    def __init__(self, actor: Actor, spec: QuadrupedSpec) -> None:
        self._actor = actor
        self._controller = LocomotionController(spec, actor.slip_compensation)

    @property
    def gait(self) -> GaitGenerator:
        """The clock and the style as they stand now."""
        return self._controller.gait

    def reset(self, style: GaitStyle, joints: np.ndarray, clock: float) -> None:
        """Start anew, standing with joints at (12,) rad."""
        self._controller.reset(GaitCommand(VelocityCommand(), style), joints, clock)

    def step(
        self,
        command: VelocityCommand,
        style: GaitStyle,
        state: QuadrupedState,
        contacts: list[bool],
        footing: Footing | None = None,
    ) -> np.ndarray:
        """Joint targets (12,) rad for the next 20 ms, on flat ground or with regard to a footing."""
        wanted = GaitCommand(command, style)
        self._controller.sense(state, contacts, wanted)
        scan = NO_SCAN if footing is None else footing.scan
        return self._controller.act(self._actor(self._controller.observe(wanted, scan)), wanted, footing)


def learned_legs(policy: str) -> Callable[[QuadrupedSpec], LearnedLegs]:
    """Make legs that walk with a policy, see `load_policy`, and that mind the ground.

    Raises:
        ValueError: there is no such policy, or none is asked for.
    """
    actor = load_policy(policy)
    if actor is None:
        raise ValueError(f"policy {policy!r} came; a policy that minds the ground is needed, such as 'default'")
    return partial(LearnedLegs, actor)
