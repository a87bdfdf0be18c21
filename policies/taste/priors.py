"""Where taste begins: the style that the behaviour table shows for each feeling, and what people in general read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from control.style import DEFAULT_STYLES, STYLE_GAITS, STYLE_LIMITS, ExpressiveStyle
from perception.emotion import LABELS
from policies.behaviour import Behaviour, BehaviourTable, default_table


def style_of(behaviour: Behaviour) -> ExpressiveStyle:
    """Return how a beat of the table moves, as a style; what lies beyond `STYLE_LIMITS` becomes the nearest limit.

    The table knows neither wiggle nor starts and stops: its dogs go evenly and step like a clock.
    """
    gait = behaviour.style
    values = {
        "speed_m_s": abs(behaviour.speed),
        "cadence_hz": gait.frequency_hz,
        "duty": gait.duty,
        "swing_height_m": gait.swing_m,
        "body_height_m": gait.height_m,
        "body_pitch_rad": gait.pitch_rad,
        "approach_distance_m": behaviour.distance_m,
        "approach_curvature_rad": abs(behaviour.curve_rad),
    }
    return ExpressiveStyle(**{name: float(np.clip(value, *STYLE_LIMITS[name])) for name, value in values.items()})


def table_styles(table: BehaviourTable | None = None) -> dict[str, ExpressiveStyle]:
    """Return the style that a behaviour table (the shipped one) comes to rest in, for each of `LABELS`."""
    table = table or default_table()
    return {label: style_of(table.beats[table.answers[label]][-1]) for label in LABELS}


def table_gaits(table: BehaviourTable | None = None) -> np.ndarray:
    """(E,) int index into `STYLE_GAITS` of how a table walks for each label; a trot where it stands."""
    table = table or default_table()
    names = [table.beats[table.answers[label]][-1].style.name for label in LABELS]
    return np.array([STYLE_GAITS.index(name if name in STYLE_GAITS else "trot") for name in names])


def emotion_prior(embeddings: Mapping[str, np.ndarray], centre: np.ndarray, strength: float) -> np.ndarray:
    """Return weights believed before any answer: whoever is not known likes what the emotion table proposes.

    Language-guided preference learning (Clark, Hejna & Sadigh 2025, arXiv 2502.03717) has a language model propose the
    parameters of a gait, which answers then refine. Here the table of `control.style` proposes.

    Args:
        embeddings: (d,) of the proposed style, for each of `LABELS`.
        centre: (d,) where the middle of all styles lies.
        strength: how much better the proposal is believed to be than the middle, in units of the log odds.

    Returns:
        (E, d) weights under which each proposal is worth `strength` more than the middle.
    """
    rows = []
    for label in LABELS:
        away = np.asarray(embeddings[label], float) - centre
        rows.append(strength * away / max(float(away @ away), 1e-9))
    return np.stack(rows)


def proposed_styles() -> dict[str, ExpressiveStyle]:
    """Return what the emotion table proposes for each of `LABELS`."""
    return {label: DEFAULT_STYLES[label] for label in LABELS}
