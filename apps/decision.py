"""From senses to action: an estimate, a behaviour that answers it, and where and how to walk for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from apps.senses import Sensed
from apps.timeline import Manual
from control.gait import SPEED_RANGE_M_S, GaitStyle, VelocityCommand, gait_style
from perception.emotion import LABELS, EmotionEstimate
from perception.fusion.filter import Belief, EmotionFilter, FusionConfig
from policies.behaviour import Behaviour, BehaviourSelector
from policies.navigation.steering import movement, steer
from policies.taste.applied import Manner
from robots.quadruped import QuadrupedState
from robots.sounds import sound_seconds

DRIVEN: Mapping[str, tuple[float, float]] = {
    "speed": SPEED_RANGE_M_S,
    "sideways": (-0.4, 0.4),
    "turning": (-1.2, 1.2),
}
"""How fast the legs may be driven by hand: forward and to the left, m/s, and counter-clockwise, rad/s."""


class Decision:
    """Filter, behaviour selector, an owner's taste, navigation, and what a person has set by hand.

    Args:
        selector: chooses the behaviour; its table holds an owner's taste already.
        manner: lays that taste over the gait.
        seed: of the manner.
    """

    def __init__(self, selector: BehaviourSelector, manner: Manner, seed: int) -> None:
        self.feelings = EmotionFilter(FusionConfig(unsure_below=selector.table.rules.unsure_below))
        self.selector, self.manner, self._seed = selector, manner, seed
        self.reset()

    def reset(self) -> None:
        """Believe nothing, and nothing is set by hand."""
        self.estimate: EmotionEstimate | None = None
        self.manual = Manual()
        self._driven_until_s = math.inf
        self.sounds: list[tuple[float, str]] = []
        self._mouth_until = -1.0
        self.feelings.reset()
        self.selector.reset()
        self.manner.reset(self._seed)
        self.behaviour: Behaviour = self.selector.step(None, 0.0)
        self.command, self.gait = VelocityCommand(), self.behaviour.style.name

    def set_by_hand(self, manual: Manual) -> None:
        """Take over what a person has set; an emotion that is given back is forgotten.

        Raises:
            ValueError: no such emotion or gait, or a velocity outside the range of the body.
        """
        emotion, gait, *velocity = manual
        if emotion is not None and emotion not in LABELS:
            raise ValueError(f"unknown emotion {emotion!r}: choose one of {', '.join(LABELS)}, or none")
        if gait is not None:
            gait_style(gait)
        for (what, (low, high)), value in zip(DRIVEN.items(), velocity, strict=True):
            if value is not None and not low <= value <= high:
                raise ValueError(f"{what} {value} is outside what the body can do: {low} to {high}")
        if emotion is None and self.manual.emotion is not None:
            self.estimate = None
            self.feelings.reset()
        self.manual = manual

    def drive(self, velocity: Sequence[float | None], until_s: float = math.inf) -> None:
        """Walk by hand until a time, s, and stand then: whoever drives may have gone.

        Args:
            velocity: forward and to the left, m/s, and counter-clockwise, rad/s; None as in `Manual`.
            until_s: when to stand.

        Raises:
            ValueError: a velocity outside the range of the body.
        """
        self.set_by_hand(Manual(*self.manual[:2], *velocity))
        self._driven_until_s = until_s

    def lapse(self, time_s: float) -> None:
        """Stand where whoever drove has said nothing for too long."""
        if time_s >= self._driven_until_s:
            self.drive(VelocityCommand())

    def step(self, sensed: Sensed, time_s: float) -> str | None:
        """Believe what was sensed and answer it; returns the sound that begins with a new behaviour."""
        self._believe(sensed, time_s)
        before, self.behaviour = self.behaviour, self.selector.step(self.estimate, time_s)
        sound = None if self.behaviour is before else self.behaviour.sound
        if sound is not None:
            self.sounds.append((round(time_s, 2), sound))
            self._mouth_until = time_s + sound_seconds(sound)
        return sound

    def _believe(self, sensed: Sensed, time_s: float) -> None:
        """Change the estimate when a sense has something to say, or a hand."""
        if (chosen := self.manual.estimate(time_s)) is not None:
            self.estimate = chosen
            return
        for estimate in sensed.voices:
            self.feelings.push("speech", replace(estimate, time_s=time_s), sensed.speech)
        for estimate in sensed.faces:
            self.feelings.push("face", replace(estimate, time_s=time_s))
        if sensed.voices or sensed.faces:
            self.estimate = self.feelings.at(time_s).estimate

    def move(self, state: QuadrupedState, person: np.ndarray, time_s: float) -> tuple[VelocityCommand, GaitStyle]:
        """Decide where and how to walk, seen from a body's state and a person at (2,) m."""
        self.lapse(time_s)
        toward_goal = steer(self.behaviour, state.position[:2], state.yaw, person)
        gait, velocity = self.manual.gait, self.manual.velocity
        self.command, style = movement(self.behaviour, toward_goal, gait, velocity)
        self.gait = style.name
        if gait is None and velocity is None:
            self.command, style = self.manner.step(self.behaviour, self.command, style, time_s)
        return self.command, style

    def shown(self, belief: Belief) -> EmotionEstimate | None:
        """Return what a viewer is shown: what was set by hand, or the belief of now, which fades in silence.

        The behaviour answers `estimate`, which stays as it was when a sense last said something.
        """
        if self.manual.emotion is not None:
            return self.estimate
        return None if belief.estimate.source == "nothing" else belief.estimate

    def mouth(self, time_s: float) -> float:
        """Return how far the mouth is open, 0 to 1: it moves while a sound is made."""
        return float(0.5 + 0.5 * np.sin(2 * np.pi * 6 * time_s)) if time_s < self._mouth_until else 0.0
