from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from control.dog import Dog
from control.style import DEFAULT_STYLES, STYLE_NAMES, ExpressiveStyle
from envs.trajectories import style_library
from envs.trajectories.registry import TASKS, make_task
from envs.trajectories.style import StyleTask
from envs.trajectories.style_clip import CHANNELS, EMOTIONS, FRAMES, ClipSpec, approach_command, film, simulate
from envs.trajectories.style_library import load_clips, make_clips, pack, spec_at
from envs.trajectories.style_measures import CUES, FEATURES, cues, features, scales
from envs.trajectories.task import Trajectories
from perception.emotion import LABELS
from robots.world import World

EVEN = ExpressiveStyle()


@pytest.fixture(scope="module")
def clips() -> Trajectories:
    return StyleTask().generate(24, np.random.default_rng(0))


def mean_cues(style: ExpressiveStyle) -> dict[str, float]:
    """Over both gaits, two phases and both sides."""
    specs = [
        ClipSpec(style, 0, gait, clock, 0.3, side, 5) for gait, clock, side in (("walk", 0.0, 1), ("trot", 0.4, -1))
    ]
    states = np.stack([simulate(spec).states for spec in specs])
    measured = {name: float(values.mean()) for name, values in cues(states).items()}
    return {**measured, **dict(zip(FEATURES, features(states).mean(axis=0).tolist(), strict=True))}


def test_feelings_are_named_as_the_senses_name_them():
    assert EMOTIONS == LABELS
    assert list(DEFAULT_STYLES) == list(LABELS)


def test_clips_have_the_promised_shapes_and_sizes(clips):
    task = StyleTask()
    assert clips.states.shape == (24, FRAMES, len(CHANNELS))
    assert clips.states.dtype == task.encode(clips).dtype == task.descriptors(clips).dtype == np.float32
    assert task.descriptors(clips).shape == (24, 4 * len(CHANNELS))
    found = task.features(clips)
    assert found.shape == (24, len(task.feature_names))
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert (found.std(axis=0) > 0.1).all()
    assert clips.extras["style"].shape == (24, len(STYLE_NAMES))
    for size in (task.encode(clips), task.descriptors(clips)):
        assert np.isfinite(size).all()
        assert 0.5 < size.std() < 2.0


def test_nobody_falls(clips):
    assert clips.states[:, :, CHANNELS.index("height")].min() > 0.2
    assert np.abs(clips.states[:, :, CHANNELS.index("roll")]).max() < 0.4


def test_clips_are_the_same_however_many_work_and_wherever_one_begins():
    alone = list(make_clips(range(6), 7, workers=1))
    for (spec, states), (again, same) in zip(alone, make_clips(range(6), 7, workers=2), strict=True):
        assert spec == again
        assert np.array_equal(states, same)
    ((spec, states),) = make_clips([4], 7)
    assert spec == alone[4][0]
    assert np.array_equal(states, alone[4][1])


def test_a_clip_is_walked_again_from_its_numbers(clips):
    for index in (0, 11):
        assert np.array_equal(simulate(spec_at(clips, index)).states, clips.states[index])


def test_the_picture_shows_the_very_walk_that_was_measured(clips):
    spec = spec_at(clips, 2)
    poses = film(spec)
    heights = clips.states[2, :, CHANNELS.index("height")]
    # Pictures are taken after control steps 0, 2, 4 ..., rows after 3, 7, 11 ...: in between.
    assert np.abs((poses[1::2, 0, 2])[:FRAMES] - heights).max() < 0.02
    shown = StyleTask().render(clips, 2)
    assert np.allclose(
        np.linalg.norm(shown.poses[:, 0, :2], axis=1), np.linalg.norm(poses[:, 0, :2], axis=1), atol=1e-5
    )
    assert np.array_equal(shown.poses, StyleTask().render(clips, 2).poses)


def test_an_animation_is_finite_has_unit_quaternions_and_the_links_of_the_dog(clips):
    shown = StyleTask().render(clips, 5)
    assert shown.kind == "dog"
    assert shown.fps >= 25
    assert shown.poses.dtype == np.float32
    assert np.isfinite(shown.poses).all()
    assert np.allclose(np.linalg.norm(shown.poses[:, :, 3:], axis=2), 1.0, atol=1e-5)
    with World() as world:
        links = [link.as_json() for link in Dog(world, np.random.default_rng(0)).links]
    assert shown.scene["links"] == links
    assert shown.poses.shape[1] == len(shown.scene["links"])
    assert json.loads(json.dumps(shown.scene))["person"] == shown.scene["person"]
    # It comes along y, from where the camera looks.
    assert (shown.poses[:, 0, 1] > 0.2).all()


@pytest.mark.parametrize(
    ("dimension", "low", "high", "more", "less"),
    [
        ("speed_m_s", 0.2, 0.45, ["speed", "arousal"], []),
        ("cadence_hz", 1.9, 3.1, ["cadence", "arousal"], []),
        ("swing_height_m", 0.035, 0.08, ["amplitude", "arousal"], []),
        ("smoothness", 0.0, 1.0, ["smooth", "valence"], ["abrupt", "arousal"]),
        ("wiggle_rad", 0.0, 0.1, ["roll", "valence"], []),
        ("body_height_m", 0.25, 0.31, ["height", "valence", "dominance"], []),
        ("body_pitch_rad", -0.1, 0.1, [], ["proud", "dominance"]),
        ("approach_curvature_rad", 0.0, 0.8, ["curved", "valence"], ["direct", "dominance"]),
        ("approach_distance_m", 0.6, 1.5, [], ["near", "closeness", "dominance"]),
    ],
)
def test_features_go_the_way_that_is_expected_of_a_dimension(dimension, low, high, more, less):
    before, after = (mean_cues(replace(EVEN, **{dimension: value})) for value in (low, high))
    for name in more:
        assert after[name] > before[name], name
    for name in less:
        assert after[name] < before[name], name


def test_every_cue_has_its_numbers():
    assert {cue for weights in CUES.values() for cue in weights} == set(scales()["cues"])
    assert all(size > 0 for _, size in (*scales()["cues"].values(), *scales()["descriptors"], *scales()["channels"]))


def test_the_dog_arrives_and_stops():
    assert approach_command(EVEN, 1, EVEN.approach_distance_m, 0.1) == (0.0, 0.0, 0.0)
    far = approach_command(EVEN, 1, 3.0, 0.0)
    assert far.vx > 0.8 * EVEN.speed_m_s
    assert far.wz > 0 > approach_command(EVEN, -1, 3.0, 0.0).wz


def test_a_library_is_made_in_files_resumed_after_a_cut_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(style_library, "SHARD", 3)
    whole = load_clips(5, 1, tmp_path, workers=1)
    first, second = sorted(tmp_path.glob("*/*.npz"))
    second.write_bytes(second.read_bytes()[:200])
    untouched = first.stat().st_mtime_ns
    again = load_clips(5, 1, tmp_path, workers=1)
    assert np.array_equal(whole.states, again.states)
    assert all(np.array_equal(whole.extras[name], again.extras[name]) for name in whole.extras)
    assert first.stat().st_mtime_ns == untouched
    with np.load(first) as data:
        arrays = dict(data)
    arrays["states"] = arrays["states"] + 0.1  # as if the gait had changed since
    np.savez(first, **arrays)
    assert np.array_equal(load_clips(5, 1, tmp_path, workers=1).states, whole.states)
    alone = pack(list(make_clips(range(5), 1)))
    assert np.array_equal(alone.states, whole.states)
    drawn = StyleTask(whole).generate(99, np.random.default_rng(0))
    assert len(drawn) == 5
    assert sorted(drawn.extras["seed"]) == sorted(whole.extras["seed"])


def test_given_styles_are_performed(rng):
    style = DEFAULT_STYLES["calm"].vector()
    done = StyleTask().perform(style, np.array(1), rng)
    assert np.allclose(done.extras["style"][0], style)
    assert done.extras["emotion"].tolist() == [1]


def test_bad_input_is_told(clips, tmp_path, rng):
    task = StyleTask()
    with pytest.raises(ValueError, match="0 clips"):
        task.generate(0, rng)
    with pytest.raises(ValueError, match="-1 clips"):
        load_clips(-1, 0, tmp_path)
    with pytest.raises(ValueError, match="0 workers"):
        load_clips(1, 0, tmp_path, workers=0)
    with pytest.raises(ValueError, match="index from 0 to 7"):
        task.perform(np.zeros((1, 12)), np.array([8]), rng)
    with pytest.raises(ValueError, match="one for each"):
        task.perform(np.zeros((2, 12)), np.array([0]), rng)
    with pytest.raises(ValueError, match="lack"):
        task.render(Trajectories(clips.states), 0)
    for index in (24, -1):
        with pytest.raises(IndexError, match="0 to 23"):
            task.render(clips, index)
    assert not list(Path(tmp_path).iterdir())


def test_legs_that_do_not_walk_are_told(rng):
    class Limp:
        def __init__(self, spec):
            from control.dog import ClockedLegs

            self._legs = ClockedLegs(spec)
            self.gait = self._legs.gait

        def reset(self, style, joints, clock):
            self._legs.reset(style, joints, clock)

        def step(self, command, style, state, contacts):
            return np.tile([0.0, 2.0, -0.5], 4)

    with pytest.raises(RuntimeError, match="do not carry"):
        StyleTask(legs=Limp).perform(np.full((1, 12), 0.5), np.array([0]), rng)


@pytest.mark.parametrize("name", ["grid-2", "grid-4", "arm", "style"])
def test_tasks_are_made_by_name(name):
    task = make_task(name)
    assert task.name
    assert task.feature_names
    assert name in TASKS


def test_an_unknown_task_is_told_with_those_there_are():
    with pytest.raises(ValueError, match="grid-2, grid-4, arm, style"):
        make_task("juggling")
