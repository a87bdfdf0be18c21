from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.trajectories.grid import GridRobot
from learning.similarity.encoders import DEEPSETS, LINEAR, EncoderConfig
from learning.similarity.fit import (
    ON_DESCRIPTORS,
    ON_WAYPOINTS,
    PAPER,
    WARM_STEPS,
    SimilarityConfig,
    fit_inputs,
    fit_similarity,
    refit,
)
from learning.similarity.inputs import arm_relations, inputs_of
from learning.similarity.likelihood import ChoiceModel
from learning.trainer import Schedule
from policies.taste.choice import CLEAN, careless, pair_distances
from policies.taste.queries import CANNOT_TELL, Answers, random_queries
from policies.taste.teachers import ScriptedTeacher

NOISE = 6


def toy(n=300, items=80, person=CLEAN, seed=0):
    """Two features among eight numbers; the other six mean nothing."""
    rng = np.random.default_rng(seed)
    features = rng.random((items, 2))
    inputs = np.concatenate([features, rng.random((items, NOISE))], axis=1) @ np.diag([1, 1, *[3] * NOISE])
    asked = np.array([query.items for query in random_queries(n, items, rng)])
    teacher = ScriptedTeacher(features, np.ones(2), person, rng)
    return features, inputs, Answers(asked, teacher.choose(asked), np.zeros(n, np.int64))


def agreement(features, embedding):
    asked = np.array([query.items for query in random_queries(500, len(features), np.random.default_rng(9))])
    true, found = pair_distances(features, asked), pair_distances(embedding, asked)
    return (true.argmin(axis=1) == found.argmin(axis=1)).mean()


@pytest.mark.parametrize(
    ("config", "least"),
    [
        (ON_DESCRIPTORS, 0.9),
        (SimilarityConfig(EncoderConfig("mlp", "vector", (64,)), schedule=Schedule(200), sparsity=3.0), 0.8),
        (replace(PAPER, encoder=LINEAR, schedule=Schedule(300, 1e-2)), 0.8),
    ],
    ids=["linear", "mlp", "paper"],
)
def test_answers_tell_what_matters(config, least):
    features, inputs, answers = toy()
    found = fit_inputs(inputs, answers, config)
    assert agreement(features, inputs) < 0.6
    assert agreement(features, found.representation.embed(inputs)) > least


def test_sparsity_leaves_out_what_tells_nothing():
    _, inputs, answers = toy()
    used = np.abs(fit_inputs(inputs, answers, ON_DESCRIPTORS).representation.weights[0]).max(axis=0)
    assert used[2:].max() < 0.2 * used[:2].min()


def test_wrong_answers_are_taken_for_lapses():
    features, inputs, answers = toy(600, person=careless(0.2))
    found = fit_inputs(inputs, answers, ON_DESCRIPTORS)
    assert found.persons[0].lapse == pytest.approx(0.3, abs=0.12)
    assert agreement(features, found.representation.embed(inputs)) > 0.85


def test_the_same_seed_gives_the_same_map():
    _, inputs, answers = toy(60)
    config = replace(ON_DESCRIPTORS, schedule=Schedule(20))
    first, again, other = (fit_inputs(inputs, answers, config, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.representation.weights[0], again.representation.weights[0])
    assert not np.array_equal(first.representation.weights[0], other.representation.weights[0])


def test_a_refit_goes_on_from_what_was_known_and_takes_few_steps():
    features, inputs, answers = toy()
    known = fit_inputs(inputs, answers.take(np.arange(250)), ON_DESCRIPTORS)
    found = refit(known, inputs, answers, replace(ON_DESCRIPTORS, schedule=Schedule(10_000, 3e-2)))
    assert WARM_STEPS < 200
    assert agreement(features, found.representation.embed(inputs)) > 0.9
    one_step = refit(known, inputs, answers, replace(ON_DESCRIPTORS, schedule=Schedule(1, 1e-5)))
    np.testing.assert_allclose(one_step.representation.weights[0], known.representation.weights[0], atol=1e-4)


def test_a_second_person_may_come_later():
    _, inputs, answers = toy(100)
    known = fit_inputs(inputs, answers, ON_DESCRIPTORS)
    two = replace(answers, person=np.arange(100) % 2, people=("a", "b"))
    assert len(refit(known, inputs, two, ON_DESCRIPTORS).persons) == 2


def test_grids_are_learnt_from_waypoints_with_few_answers():
    task = GridRobot(2)
    everything = task.generate(10**6, np.random.default_rng(0))
    features = task.features(everything)
    rng = np.random.default_rng(1)
    asked = np.array([query.items for query in random_queries(150, len(features), rng)])
    answers = Answers(asked, ScriptedTeacher(features, np.ones(2), CLEAN, rng).choose(asked), np.zeros(150, np.int64))
    found = fit_similarity(task, everything, answers, replace(ON_WAYPOINTS, schedule=Schedule(150)))
    assert found.embed(everything).shape == (1960, 6)
    assert agreement(features, task.vector(everything)) < 0.5
    assert agreement(features, found.embed(everything)) > 0.7
    assert found.bits < 0.6


def test_more_triplets_help_where_answers_are_few():
    features, inputs, answers = toy(10)
    rng = np.random.default_rng(4)
    triples = np.array([query.items for query in random_queries(400, len(inputs), rng)])
    apart = pair_distances(features, triples)
    nearer = np.where((apart[:, 0] < apart[:, 1])[:, None], triples, triples[:, [0, 2, 1]])
    alone = fit_inputs(inputs, answers, ON_DESCRIPTORS)
    together = fit_inputs(inputs, answers, ON_DESCRIPTORS, nearer=nearer)
    embedded = [found.representation.embed(inputs) for found in (alone, together)]
    assert agreement(features, embedded[1]) > max(0.85, agreement(features, embedded[0]))


def test_cannot_tell_is_data_for_the_likelihood_and_none_for_the_paper():
    _, inputs, answers = toy(60)
    silent = replace(answers, choice=np.full(60, CANNOT_TELL))
    config = replace(ON_DESCRIPTORS, schedule=Schedule(30))
    assert fit_inputs(inputs, silent, config).persons[0].cannot_tell > 0.05
    with pytest.raises(ValueError, match="at least one"):
        fit_inputs(inputs, silent, replace(config, objective="paper"))


def test_bad_input_is_refused():
    _, inputs, answers = toy(20)
    with pytest.raises(ValueError, match="there are 5"):
        fit_inputs(inputs[:5], answers, ON_DESCRIPTORS)
    with pytest.raises(ValueError, match="waypoints"):
        fit_inputs(inputs, answers, SimilarityConfig(DEEPSETS))
    with pytest.raises(ValueError, match="has none"):
        fit_inputs(inputs, answers, SimilarityConfig(replace(LINEAR, hidden=(4,))))
    with pytest.raises(ValueError, match="came"):
        SimilarityConfig(sparsity=-1.0)
    with pytest.raises(ValueError, match="bare inputs"):
        fit_inputs(inputs, answers, replace(ON_DESCRIPTORS, schedule=Schedule(1))).embed(None)


def test_relations_are_the_same_wherever_all_stands():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(3, 4, 97)).astype(np.float32)
    moved = states.copy()
    shift = np.array([0.5, -0.2, 0.0], np.float32)
    moved[..., 70:] += np.tile(shift, 9)
    np.testing.assert_allclose(arm_relations(states), arm_relations(moved), atol=1e-6)
    assert arm_relations(states).shape == (3, 4, 58)
    with pytest.raises(ValueError, match="97"):
        arm_relations(states[..., :20])


def test_inputs_by_name():
    task = GridRobot(2)
    some = task.generate(5, np.random.default_rng(0))
    shapes = [inputs_of(task, some, name).shape for name in ("descriptors", "encoded", "vector")]
    assert shapes == [(5, 12), (5, 9, 3), (5, 19)]
    assert ChoiceModel(1, 2).personal_axes is False
