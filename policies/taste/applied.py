"""A taste applied: to the beats of the behaviour table, and as an overlay of the gait from moment to moment.

A behaviour keeps its script, its gait, its goal, its face and its voice. A taste changes how fast, how high, how close
and how lively it is, and the less sure it is, the less: see `blend`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from control.gait import FREQUENCY_RANGE_HZ, HEIGHT_RANGE_M, GaitStyle, VelocityCommand
from control.style import STYLE_GAITS, ExpressiveStyle, StyleModulator
from policies.behaviour import Behaviour, BehaviourTable
from policies.taste.priors import style_of
from policies.taste.taste import Taste

UNSURE, SURE = 0.5, 0.7
"""A style that is better than the default with probability `UNSURE` is not shown, with `SURE` it is shown whole."""
_GOING = ("approach", "retreat", "circle", "shield")
_WITHOUT_FEELING = ("idle", "ask")


def blend(sureness: float) -> float:
    """Share of a style that is shown, 0 to 1, when it is liked better than the default with probability `sureness`."""
    return float(np.clip((sureness - UNSURE) / (SURE - UNSURE), 0.0, 1.0))


class StyledTable(NamedTuple):
    """A behaviour table after a taste, and the styles to be laid over those of its beats that changed."""

    table: BehaviourTable
    styles: Mapping[Behaviour, ExpressiveStyle]
    caption: str = ""


def apply_taste(table: BehaviourTable, taste: Taste) -> StyledTable:
    """Change the beats that answer a feeling about which the taste has something to say.

    Beats that go somewhere change in all that a style has; where the last beat stands, it changes in height and pitch.
    Other gestures (a bow, a hop) stay as they are: their shape is what they say. Where a behaviour answers several
    feelings, or is shown without any, each feeling that is liked otherwise gets one of its own.
    """
    beats, answers, then, styles = dict(table.beats), dict(table.answers), dict(table.then), {}
    used = Counter([*table.answers.values(), *_WITHOUT_FEELING])
    for label, liking in taste.likings.items():
        name, share = table.answers[label], blend(liking.sureness)
        if share == 0.0:
            continue
        changed = []
        for beat in table.beats[name]:
            new = styled(beat, liking.style, share, last=beat is table.beats[name][-1])
            if new is not beat:
                new = replace(new, says=f"{new.says} {taste.caption}")
                styles[new] = blended(beat, liking.style, share)
            changed.append(new)
        answers[label] = name if used[name] == 1 else f"{name} ({label})"
        beats[answers[label]] = tuple(changed)
        if name in then:
            then[answers[label]] = then[name]
    return StyledTable(replace(table, answers=answers, beats=beats, then=then), styles, taste.caption)


def blended(beat: Behaviour, style: ExpressiveStyle, share: float) -> ExpressiveStyle:
    """Return the style `share` (0 to 1) of the way from how a beat moves by default to another."""
    default = style_of(beat).vector()
    return ExpressiveStyle.from_vector(default + share * (style.vector() - default))


def styled(beat: Behaviour, style: ExpressiveStyle, share: float, last: bool = True) -> Behaviour:
    """Return a beat moved `share` (0 to 1) of the way to a style; itself where a style has nothing to change.

    A retreat keeps its distance in proportion: whoever likes a dog half as far away has it back off half as far.
    """
    if beat.goal in _GOING and beat.style.name in STYLE_GAITS:
        apart = style.approach_distance_m / style_of(beat).approach_distance_m
        aim = beat.distance_m * apart if beat.goal == "retreat" else style.approach_distance_m
        bend = style.approach_curvature_rad * (-1.0 if beat.curve_rad < 0 else 1.0)
        return replace(
            beat,
            style=_stepped(beat.style, style, share),
            speed=_between(beat.speed, style.speed_m_s, share),
            distance_m=_between(beat.distance_m, aim, share),
            curve_rad=_between(beat.curve_rad, bend, share) if beat.goal == "approach" else beat.curve_rad,
        )
    if last and not beat.style.stepping:
        return replace(beat, style=_held(beat.style, style, share))
    return beat


def _between(default: float, liked: float, share: float) -> float:
    return float(default + share * (liked - default))


def _held(gait: GaitStyle, style: ExpressiveStyle, share: float) -> GaitStyle:
    return replace(
        gait,
        height_m=float(np.clip(_between(gait.height_m, style.body_height_m, share), *HEIGHT_RANGE_M)),
        pitch_rad=_between(gait.pitch_rad, style.body_pitch_rad, share),
    )


def _stepped(gait: GaitStyle, style: ExpressiveStyle, share: float) -> GaitStyle:
    return replace(
        _held(gait, style, share),
        frequency_hz=float(np.clip(_between(gait.frequency_hz, style.cadence_hz, share), *FREQUENCY_RANGE_HZ)),
        duty=_between(gait.duty, style.duty, share),
        swing_m=_between(gait.swing_m, style.swing_height_m, share),
    )


class Manner:
    """Lays wiggle, starts and stops and uneven timing over the gait while a beat that a taste changed is shown.

    `styles` are those of the beats that a taste changed; `caption` says in a sentence whose taste it is, and is empty
    where there is none.
    """

    def __init__(self, styles: Mapping[Behaviour, ExpressiveStyle] | None = None, caption: str = "") -> None:
        self.styles = styles or {}
        self.caption = caption
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin anew; the same seed moves the same."""
        self._rng = np.random.default_rng([seed, 12])
        self._beat: Behaviour | None = None
        self._modulator: StyleModulator | None = None

    def step(
        self, beat: Behaviour, command: VelocityCommand, gait: GaitStyle, time_s: float
    ) -> tuple[VelocityCommand, GaitStyle]:
        """Return what to tell the gait at `time_s` while `beat` is shown; unchanged where the taste says nothing."""
        if beat is not self._beat:
            style = self.styles.get(beat)
            self._beat = beat
            self._modulator = None if style is None else StyleModulator(style, self._rng)
        return (command, gait) if self._modulator is None else self._modulator.step(command, gait, time_s)
