from __future__ import annotations

import numpy as np
import pytest

from envs.trajectories.grid import GridRobot, all_paths, split

EVERYTHING = 10**6


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(params=[2, 4])
def task(request):
    return GridRobot(request.param)


def test_there_are_as_many_as_published():
    paths = all_paths()
    assert len(np.unique(paths.reshape(len(paths), -1), axis=0)) == 280
    assert (np.abs(np.diff(paths, axis=1)).sum(axis=2) == 1).all()
    np.testing.assert_array_equal(np.abs(paths[:, -1] - paths[:, 0]), 4)
    assert len(GridRobot().generate(EVERYTHING, rng())) == 1960


def test_features_use_their_whole_range_and_do_what_they_say(task):
    everything = task.generate(EVERYTHING, rng())
    features = task.features(everything)
    assert features.shape == (1960, len(task.feature_names))
    np.testing.assert_allclose(features.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(features.max(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(features[:, -1], np.abs(everything.states[:, 0, 2]) / (np.pi / 2), atol=1e-6)
    nearest = np.argmin(features[:, 0])
    assert [2, 2] in everything.states[nearest, :, :2].tolist()


def test_limits_are_the_tasks_own(task):
    everything = task.generate(EVERYTHING, rng())
    some = np.arange(0, 1960, 97)
    np.testing.assert_array_equal(task.features(everything.take(some)), task.features(everything)[some])


def test_codes_are_of_unit_size_and_lose_nothing(task):
    everything = task.generate(EVERYTHING, rng())
    assert task.encode(everything).shape == (1960, 9, 3)
    vectors = task.vector(everything)
    assert vectors.shape == (1960, 19)
    assert vectors.dtype == np.float32
    assert np.abs(vectors).max() <= 1
    assert len(np.unique(vectors, axis=0)) == 1960
    assert np.isfinite(task.descriptors(everything)).all()


def test_a_sample_has_no_repetition_and_follows_the_seed(task):
    first, again = task.generate(50, rng(1)), task.generate(50, rng(1))
    np.testing.assert_array_equal(first.states, again.states)
    assert len(np.unique(task.vector(first), axis=0)) == 50


def test_it_plays_as_one_robot_on_the_grid(task):
    some = task.generate(5, rng())
    animation = task.render(some, 2)
    assert animation.kind == "grid"
    assert animation.poses.shape[1:] == (1, 7)
    np.testing.assert_allclose(animation.poses[0, 0, :2], some.states[2, 0, :2])
    np.testing.assert_allclose(animation.poses[-1, 0, :2], some.states[2, -1, :2])
    np.testing.assert_allclose(np.linalg.norm(animation.poses[:, 0, 3:], axis=1), 1, atol=1e-6)
    assert len(animation.scene["obstacles"]) == (0 if task.name == "grid-2" else 2)
    with pytest.raises(IndexError, match="0 to 4"):
        task.render(some, 5)


def test_a_split_covers_everything_once():
    train, test = split(100, rng())
    assert len(train) == 80
    assert sorted([*train, *test]) == list(range(100))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="2 or 4"):
        GridRobot(3)
    with pytest.raises(ValueError, match="at least 1"):
        GridRobot().generate(0, rng())
    with pytest.raises(ValueError, match="at least one"):
        split(3, rng(), 0.0)
