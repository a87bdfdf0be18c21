"""The companion's room as a task: Gymnasium's checker, what an action does, and that good company pays."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401 - registers
from envs.companion.env import CompanionConfig
from envs.companion.room import RoomConfig
from envs.companion.wishes import WISHES, Company
from learning.companion.task import FETCH, ShippedMind, make
from perception.emotion import LABELS

SMALL = CompanionConfig(
    episode_s=14.0, decide_s=0.5, room=RoomConfig(side_m=4.5, pieces=(), apart_m=(1.5, 2.2)), grounds=("flat",)
)


@pytest.fixture(scope="module")
def env():
    made = gymnasium.make("Empaw/Companion-v0", config=SMALL, disable_env_checker=True).unwrapped
    yield made
    made.close()


def played(env, feeling: str, behaviour: str, seed: int = 0) -> list[dict]:
    """Show one behaviour for a whole episode."""
    env.reset(seed=seed, options={"feeling": feeling})
    action, infos, over = ShippedMind().behaviours.index(behaviour), [], False
    while not over:
        _, reward, terminated, over, info = env.step(action)
        assert not terminated and reward == pytest.approx(sum(info["reward_terms"].values()))
        infos.append(info)
    return infos


def test_gymnasiums_checker_passes(env):
    check_env(env, skip_render_check=True)


def test_each_behaviour_is_one_action(env):
    assert len(set(ShippedMind().behaviours)) == env.action_space.n


def test_the_feelings_are_those_that_every_sense_knows():
    assert tuple(WISHES) == LABELS


def test_good_company_makes_the_mood_better_and_other_company_worse(env):
    near = played(env, "sad", "comfort")
    away = played(env, "sad", "give_space")
    assert near[-1]["mood"] > 0.05 > away[-1]["mood"]
    assert near[-1]["met"] == 1.0
    assert len(near) == 28


def test_the_same_seed_gives_the_same_episode_and_an_observation_tells_what_was_heard(env):
    first, told = env.reset(seed=3, options={"feeling": "angry"})
    assert told["feeling"] == "angry" and first[:8] == pytest.approx(np.full(8, 1 / 8))
    steps = [env.step(0) for _ in range(6)]
    again, _ = env.reset(seed=3, options={"feeling": "angry"})
    np.testing.assert_array_equal(first, again)
    for observation, reward, *_ in steps:
        other, same, *_ = env.step(0)
        np.testing.assert_array_equal(observation, other)
        assert reward == same
    assert observation[:8].argmax() == LABELS.index("angry")  # the voice has been heard to its end
    assert not any(seen[12] or np.ptp(seen[:8]) for seen, *_ in steps[:2]), "it is quiet at first"
    assert observation[12] == 1.0  # and its direction


def shown(env, observation: np.ndarray) -> str:
    return ShippedMind().behaviours[int(observation[15:-3].argmax())]


def test_fetch_is_begun_told_and_shown_until_it_is_over_whatever_is_chosen_meanwhile(env):
    fetch, comfort = (ShippedMind().behaviours.index(name) for name in (FETCH, "comfort"))
    observation, _ = env.reset(seed=1)
    assert shown(env, observation) == "idle"
    observation, *_ = env.step(comfort)
    assert shown(env, observation) == "comfort" and observation[-3] == pytest.approx(0.05)
    observation, *_ = env.step(fetch)
    assert observation[-2] == 1.0 and observation[-1] == 0.0
    observation, _, _, _, told = env.step(comfort)
    assert shown(env, observation) == FETCH and observation[-3] == pytest.approx(0.1)
    assert told["reward_terms"]["change"] < 0.0


def test_a_feeling_that_is_fixed_changes_nothing_else(env):
    env.reset(seed=5)
    room, thing = env.world.room, env.world.stage.thing_position(0)
    env.reset(seed=5, options={"feeling": "fearful"})
    assert env.world.room == room
    np.testing.assert_array_equal(env.world.stage.thing_position(0), thing)


def test_who_gave_up_tries_again_when_told_again_and_what_was_brought_is_left_there(env):
    env.reset(seed=1)
    mind = env._mind
    mind.choose(FETCH)
    for _ in range(3):
        mind._fetcher.stage = "given up"
        assert not mind.known.fetching and mind.known.shown == "idle"
        mind.choose(FETCH)
        assert mind.known.fetching
    mind._fetcher.stage = "delivered"
    assert not mind.known.delivered, "nobody was met: it lies where the dog was told"
    mind.choose(FETCH)
    assert mind.known.fetching
    mind._for_somebody, mind._fetcher.stage = True, "delivered"
    mind.choose(FETCH)
    assert mind.known.delivered and not mind.known.fetching


def test_what_cannot_be_is_refused(env):
    with pytest.raises(ValueError, match="feeling 'bored' came"):
        env.reset(options={"feeling": "bored"})
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action 99 came"):
        env.step(99)
    with pytest.raises(ValueError, match="grounds"):
        CompanionConfig(grounds=("lava",))
    with pytest.raises(ValueError, match="decide_s"):
        CompanionConfig(decide_s=0.0)
    with pytest.raises(ValueError, match="render_mode 'human'"):
        make(SMALL, render_mode="human")


@pytest.mark.parametrize(
    ("feeling", "company", "met"),
    [
        ("sad", Company(0.8, 0.2, 0.1), True),
        ("sad", Company(0.8, 1.5, 0.1), False),
        ("angry", Company(1.0, 3.0, 0.0), False),
        ("angry", Company(3.0, 3.0, 0.5), True),
        ("fearful", Company(1.0, 2.8, 0.0), True),
        ("fearful", Company(1.0, 0.0, 0.0), False),
        ("calm", Company(1.5, 1.5, 0.0), False),
        ("calm", Company(1.5, 1.5, 0.3), True),
    ],
)
def test_wishes_are_told_by_where_the_dog_is_and_how_it_moves(feeling, company, met):
    assert WISHES[feeling].is_met(company) is met


def test_a_thing_may_be_what_is_wished_for():
    wish = WISHES["sad"]._replace(thing=True)
    assert not wish.is_met(Company(0.8, 0.0, 0.0)) and wish.is_met(Company(0.8, 0.0, 0.0, True))
