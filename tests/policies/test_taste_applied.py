from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.gait import FREQUENCY_RANGE_HZ, HEIGHT_RANGE_M, VelocityCommand
from control.style import STYLE_LIMITS, ExpressiveStyle
from perception.emotion import LABELS
from policies.behaviour import default_table
from policies.taste.applied import Manner, apply_taste, blend, blended, styled
from policies.taste.priors import emotion_prior, proposed_styles, style_of, table_styles
from policies.taste.taste import Liking, Taste

STYLE = ExpressiveStyle.from_vector(np.array([0.9, 0.8, 0.3, 0.8, 0.95, 0.3, 0.6, 0.6, 0.5, 0.6, 0.6, 0.8]))


def beats(label: str):
    table = default_table()
    return table.beats[table.answers[label]]


def test_the_table_gives_every_feeling_a_style_within_the_limits():
    styles = table_styles()
    assert set(styles) == set(LABELS)
    for style in styles.values():
        assert 0.0 <= style.vector().min() <= style.vector().max() <= 1.0
    sad = beats("sad")[-1]
    assert styles["sad"].approach_distance_m == sad.distance_m
    assert styles["sad"].body_height_m == sad.style.height_m
    assert (styles["sad"].wiggle_rad, styles["sad"].smoothness, styles["sad"].regularity) == (0.0, 1.0, 1.0)
    assert styles["happy"].speed_m_s == STYLE_LIMITS["speed_m_s"][1]  # the table's 0.7 m/s lies beyond


def test_a_style_shown_whole_is_the_beat():
    beat = beats("sad")[-1]
    new = styled(beat, STYLE, 1.0)
    assert style_of(new).vector()[[0, 1, 2, 3, 4, 5, 10, 11]] == pytest.approx(
        STYLE.vector()[[0, 1, 2, 3, 4, 5, 10, 11]]
    )
    assert (new.style.name, new.goal, new.face, new.sound) == (beat.style.name, beat.goal, beat.face, beat.sound)
    assert blended(beat, STYLE, 1.0).vector() == pytest.approx(STYLE.vector())
    assert styled(beat, STYLE, 0.0) == beat


@pytest.mark.parametrize(("sureness", "share"), [(0.5, 0.0), (0.6, 0.5), (0.7, 1.0), (1.0, 1.0)])
def test_the_surer_the_more_is_shown(sureness, share):
    assert blend(sureness) == pytest.approx(share)


def test_gestures_keep_their_shape_and_every_beat_stays_walkable():
    table = default_table()
    taste = Taste("Ana", {label: Liking(STYLE, 1.0) for label in LABELS})
    changed = apply_taste(table, taste)
    for name, scripts in changed.table.beats.items():
        for old, new in zip(table.beats[name], scripts, strict=True):
            assert (new.goal, new.seconds, new.posture, new.sound) == (old.goal, old.seconds, old.posture, old.sound)
            assert FREQUENCY_RANGE_HZ[0] <= new.style.frequency_hz <= FREQUENCY_RANGE_HZ[1]
            assert HEIGHT_RANGE_M[0] <= new.style.height_m <= HEIGHT_RANGE_M[1]
    assert changed.table.beats["play"][:2] == table.beats["play"][:2]  # the bow and the hop
    assert changed.table.beats["idle"] == table.beats["idle"]
    assert changed.table.beats["freeze"][-1].style.height_m == STYLE.body_height_m
    assert changed.table.beats["freeze"][-1].style.stepping is False


def test_a_retreat_keeps_its_distance_in_proportion():
    beat = beats("angry")[-1]
    near = ExpressiveStyle(approach_distance_m=0.8)
    assert styled(beat, near, 1.0).distance_m == pytest.approx(
        beat.distance_m * 0.8 / STYLE_LIMITS["approach_distance_m"][1]
    )


def test_only_feelings_that_are_known_change_and_the_table_given_is_left_alone():
    table = default_table()
    before = dict(table.beats)
    changed = apply_taste(table, Taste("Ana", {"sad": Liking(STYLE, 0.95), "calm": Liking(STYLE, 0.5)}))
    assert table.beats == before
    assert {name for name in before if changed.table.beats[name] != before[name]} == {"comfort"}
    assert set(changed.styles) == {changed.table.beats["comfort"][-1]}
    assert "Ana" in changed.table.beats["comfort"][-1].says


def test_manner_moves_only_what_a_taste_changed(rng):
    beat = beats("sad")[-1]
    command = VelocityCommand(0.3, 0.0, 0.1)
    assert Manner().step(beat, command, beat.style, 1.0) == (command, beat.style)
    manner = Manner({beat: STYLE})
    first = [manner.step(beat, command, beat.style, 0.02 * n) for n in range(100)]
    assert np.std([style.roll_rad for _, style in first]) > 0.01
    assert np.std([command.vx for command, _ in first]) > 0.01
    manner.reset(0)
    assert [manner.step(beat, command, beat.style, 0.02 * n) for n in range(100)] == first
    other = beats("calm")[-1]
    assert manner.step(other, command, other.style, 3.0) == (command, other.style)


def test_the_emotion_tables_proposals_are_believed_better_than_the_middle(rng):
    embeddings = {label: style.vector() for label, style in proposed_styles().items()}
    weights = emotion_prior(embeddings, np.full(12, 0.5), 1.5)
    for row, label in zip(weights, LABELS, strict=True):
        assert row @ (embeddings[label] - 0.5) == pytest.approx(1.5)


def test_feelings_that_share_a_behaviour_keep_their_own_styles():
    shipped = default_table()
    table = replace(shipped, answers={**shipped.answers, "fearful": "comfort", "neutral": "idle"})
    slow = ExpressiveStyle.from_vector(np.full(12, 0.1))
    likings = {"sad": Liking(STYLE, 1.0), "fearful": Liking(slow, 1.0), "neutral": Liking(slow, 1.0)}
    changed = apply_taste(table, Taste("Ana", likings))
    sad, fearful = (changed.table.beats[changed.table.answers[label]][-1] for label in ("sad", "fearful"))
    assert sad.speed == pytest.approx(STYLE.speed_m_s)
    assert fearful.speed == pytest.approx(slow.speed_m_s)
    assert changed.styles[sad].wiggle_rad == pytest.approx(STYLE.wiggle_rad)
    assert changed.table.beats["idle"] == table.beats["idle"]  # is also shown where nothing is felt
    assert changed.table.beats["comfort"] == table.beats["comfort"]
    alone = apply_taste(shipped, Taste("Ana", {"sad": Liking(STYLE, 1.0)}))
    assert alone.table.answers == shipped.answers
