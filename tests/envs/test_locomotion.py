from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import envs
from control.command import GaitCommand
from control.dog import standing_joints
from control.gait import GAITS, VelocityCommand, gait_style
from control.mirror import mirror_action, mirror_observation
from control.observation import OBSERVATION, OBSERVATION_SIZE, PRIVILEGED, PRIVILEGED_SIZE, Term
from envs.locomotion import rewards
from envs.locomotion.commands import LONGEST_STEP_M, CommandConfig, sample_command
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.randomization import NONE
from envs.locomotion.rewards import TERMS, RewardWeights, contact_schedule, weighted

REGISTERED = [name for name in gym.registry if name.startswith("Empaw/")]
CALM = LocomotionConfig(randomization=NONE)


@pytest.fixture
def env():
    made = LocomotionEnv(CALM)
    yield made
    made.close()


def roll(env: LocomotionEnv, seed: int, steps: int = 60, command: GaitCommand | None = None) -> np.ndarray:
    actions = np.random.default_rng(seed).uniform(-1, 1, (steps, 12)) * 0.3
    observation, _ = env.reset(seed=seed, options={"command": command} if command else None)
    seen = [observation]
    for action in actions:
        observation, _, fell, ended, _ = env.step(action)
        seen.append(observation)
        if fell or ended:
            observation, _ = env.reset()
    return np.array(seen)


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_registered_environments_keep_the_contracts(name):
    made = gym.make(name)
    check_env(made.unwrapped, skip_render_check=True)
    sb3_check_env(made.unwrapped)
    made.close()


def test_both_ways_of_asking_for_an_environment_work():
    assert envs.__name__ == "envs"
    for name in ("Empaw/Locomotion-v0", "envs:Empaw/Locomotion-v0"):
        gym.make(name).close()


def test_the_same_seed_gives_the_same_walk():
    first, second = LocomotionEnv(), LocomotionEnv()
    walk = roll(first, 5)
    assert np.array_equal(walk, roll(second, 5))
    assert np.array_equal(walk, roll(first, 5)), "a world that was used must not remember"
    assert not np.array_equal(walk, roll(first, 6))


def test_zero_action_is_the_clocked_gait(env):
    command = GaitCommand(VelocityCommand(0.5), gait_style("trot"))
    env.reset(seed=0, options={"command": command})
    speeds = []
    for _ in range(250):
        _, _, fell, _, _ = env.step(np.zeros(12))
        assert not fell
        speeds.append(env.transition.velocity[0])
    assert np.mean(speeds[100:]) == pytest.approx(0.5, abs=0.05)


def test_terms_are_reported_and_add_up(env):
    env.reset(seed=0)
    _, value, fell, _, info = env.step(np.full(12, 0.5))
    assert list(info["reward_terms"]) == list(TERMS)
    for name in TERMS:
        term = getattr(rewards, name)(env.transition)
        assert info["reward_terms"][name] == pytest.approx(getattr(RewardWeights(), name) * term)
    assert not fell
    assert value == pytest.approx(sum(info["reward_terms"].values()) / 20)


def test_going_as_told_pays_more_than_not(env):
    """The same walk, judged by the command that it follows and by one that it does not."""

    def earned(wanted: float) -> float:
        env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(0.5), gait_style("trot"))})
        total = 0.0
        for _ in range(150):
            env.step(np.zeros(12))
            judged = env.transition._replace(command=(wanted, 0.0, 0.0))
            total += sum(weighted(judged, RewardWeights().in_order))
        return total

    assert earned(0.5) > earned(0.8) > earned(1.2)


@pytest.mark.parametrize("wanted", [-0.15, 0.0, 0.15])
def test_the_pitch_is_held_against_a_policy_that_lifts_the_front(env, wanted):
    """Front feet 1.6 cm lower than the clock says pitch the trunk up by 0.04 rad; gravity tells, and it is undone."""
    env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(0.3), gait_style("trot", pitch_rad=wanted))})
    lifting = np.tile([0.0, 0.0, -0.4], 4) * np.repeat([1.0, 0.0], 6)
    pitches = []
    for _ in range(300):
        assert not env.step(lifting)[2]
        pitches.append(env.transition.pitch)
    assert np.mean(pitches[20:50]) < wanted - 0.01
    assert np.mean(pitches[200:]) == pytest.approx(wanted, abs=0.005)


def test_an_observation_is_laid_out_as_it_is_described(env):
    env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(0.3, 0.1), gait_style("trot"))})
    for _ in range(30):
        seen = env.step(np.full(12, 0.2))[0]
    legs, state = env.controller, env.state
    style = env.command.style
    expected = {
        "projected_gravity": -state.rotation[2],
        "angular_velocity": state.rotation.T @ state.angular_velocity,
        "joint_positions": state.joint_positions - standing_joints(GAITS["stand"], env.robot.spec),
        "joint_velocities": state.joint_velocities,
        "target_errors": legs.targets - state.joint_positions,
        "action": legs.action,
        "clock_cosine": np.cos(2 * np.pi * np.array(legs.gait.phases)),
        "clock_sine": np.sin(2 * np.pi * np.array(legs.gait.phases)),
        "contacts": np.array(env.contacts, float),
        "command_lin_vel": (0.3, 0.1),
        "command_ang_vel": 0.0,
        "frequency": style.frequency_hz,
        "duty": legs.gait.duty,
        "swing": style.swing_m,
        "bounce": style.bounce,
        "height": legs.gait.style["height_m"][0],
        "pitch": style.pitch_rad,
        "stepping": 1.0,
        "lin_vel_error": np.subtract(legs.estimator.velocity, (0.3, 0.1)),
        "lin_vel_error_stride": np.subtract(legs.estimator.memory["smooth"][0, :2], (0.3, 0.1)),
        "ang_vel_error_stride": legs.estimator.memory["smooth"][0, 2],
        "caught": legs.gait.caught,
        "height_scan": np.zeros(12),
    }
    assert_laid_out(seen, OBSERVATION, expected)


def assert_laid_out(seen: np.ndarray, terms: tuple[Term, ...], expected: dict[str, object]) -> None:
    assert [term.name for term in terms] == list(expected)
    start = 0
    for term in terms:
        scaled = term.scale * (np.array(expected[term.name]) - term.offset)
        assert np.allclose(seen[start : start + term.size], scaled, atol=1e-5), term.name
        start += term.size
    assert start == len(seen)


def test_what_only_a_critic_sees_is_laid_out_as_it_is_described():
    env = LocomotionEnv()
    env.reset(seed=2, options={"command": GaitCommand(VelocityCommand(0.3, 0.1, 0.2), gait_style("trot"))})
    for _ in range(30):
        env.step(np.full(12, 0.2))
    step, drawn = env.transition, env.drawn
    expected = {
        "lin_vel_error": np.subtract(step.velocity, (0.3, 0.1)),
        "lin_vel_error_stride": np.subtract(step.smooth_velocity, (0.3, 0.1)),
        "ang_vel_error_stride": step.smooth_turn - 0.2,
        "lin_vel_z": env.state.velocity[2],
        "height": env.state.position[2],
        "friction": drawn.friction,
        "added_mass": drawn.added_mass,
        "motor_strength": drawn.motor_strength,
        "latency": drawn.latency_substeps,
    }
    privileged = env.privileged()
    env.close()
    assert_laid_out(privileged, PRIVILEGED, expected)
    assert len(privileged) == PRIVILEGED_SIZE


def test_the_schedule_is_not_asked_of_who_is_about_to_fall(env):
    env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(), gait_style("trot"))})
    for _ in range(50):
        env.step(np.zeros(12))
    calm = env.transition
    assert not calm.reacting
    late = calm._replace(contacts=tuple(not stands for stands in calm.stance))
    assert contact_schedule(late) == 0.0 < contact_schedule(calm._replace(contacts=calm.stance)) == 1.0
    env.robot.push((0.0, 1.2, 0.0))
    for _ in range(5):
        env.step(np.zeros(12))
    assert env.transition.reacting
    reacting = env.transition
    assert contact_schedule(reacting) == contact_schedule(reacting._replace(contacts=(True,) * 4))


@pytest.mark.parametrize("action", [np.full(12, np.nan), np.full(12, np.inf), np.zeros(11), np.zeros((1, 12))])
def test_actions_that_are_none_are_refused_and_nothing_moves(env, action):
    env.reset(seed=0)
    before = env.robot.read().position
    with pytest.raises(ValueError, match="12 finite numbers"):
        env.step(action)
    assert np.array_equal(env.robot.read().position, before)


def test_a_command_that_is_none_is_refused_and_leaves_nothing_behind(env):
    env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(0.3), gait_style("trot"))})
    with pytest.raises(RuntimeError, match="step first"):
        _ = env.transition
    good = env.command
    env.command = good._replace(velocity=VelocityCommand(0.3, 0.0, float("nan")))
    with pytest.raises(ValueError, match="finite"):
        env.step(np.zeros(12))
    env.command = good
    assert np.isfinite(env.step(np.zeros(12))[0]).all()


def test_a_fall_ends_the_episode_and_costs(env):
    env.reset(seed=0, options={"command": GaitCommand(VelocityCommand(), gait_style("trot"))})
    env.robot.push((0.0, 6.0, 2.0))
    for _ in range(150):
        _, value, fell, ended, _ = env.step(np.zeros(12))
        if fell:
            break
    assert fell
    assert not ended
    assert value < 0


def test_an_episode_is_cut_after_its_time():
    env = LocomotionEnv(replace(CALM, episode_s=1.0))
    env.reset(seed=1, options={"command": GaitCommand(VelocityCommand(), gait_style("trot"))})
    ends = [env.step(np.zeros(12))[3] for _ in range(50)]
    env.close()
    assert ends == [False] * 49 + [True]


def test_commands_change_within_an_episode_and_stay_in_range():
    config = CommandConfig()
    rng = np.random.default_rng(0)
    commands = [sample_command(rng, config) for _ in range(500)]
    assert {command.style.name for command in commands} == set(config.gaits)
    for command in commands:
        assert (
            config.speed_m_s[0] <= command.velocity.vx <= config.top_speed_m_s[config.gaits.index(command.style.name)]
        )
        stance_s = command.style.effective_duty / command.style.frequency_hz
        assert np.hypot(*command.velocity[:2]) * stance_s <= LONGEST_STEP_M + 1e-9
        assert abs(command.velocity.wz) <= 0.9
    env = LocomotionEnv(replace(CALM, commands=CommandConfig(gaits=("trot",), gait_shares=(1.0,))))
    env.reset(seed=0)
    seen = set()
    for _ in range(400):
        _, _, fell, _, _ = env.step(np.zeros(12))
        seen.add(env.command)
        if fell:
            break
    env.close()
    assert len(seen) > 1


def test_ground_that_is_not_drawn_is_walked_on_as_any(rng):
    """Pictures of uneven ground take most of its memory, so there are none without a render mode."""
    seen, action = [], rng.uniform(-0.3, 0.3, 12)
    for mode in (None, "rgb_array"):
        env = LocomotionEnv(LocomotionConfig(terrain="stairs"), render_mode=mode)
        env.reset(seed=1)
        seen.append([env.step(action)[0] for _ in range(50)][-1])
        picture = env.render()
        env.close()
        assert (picture is None) == (mode is None)
    assert np.array_equal(*seen)


def test_rendering_gives_a_picture():
    env = LocomotionEnv(render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    env.close()
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert picture.std() > 5
    with pytest.raises(ValueError, match="rgb_array"):
        LocomotionEnv(render_mode="ansi")


def test_a_mirror_held_twice_changes_nothing(rng):
    observation, action = rng.standard_normal((5, OBSERVATION_SIZE)), rng.standard_normal((5, 12))
    assert np.array_equal(mirror_observation(mirror_observation(observation)), observation)
    assert np.array_equal(mirror_action(mirror_action(action)), action)


def test_the_physics_looks_the_same_in_the_mirror(env, rng):
    """A mirrored action from a mirrored state leads to the mirrored state: the maps get every sign and leg right."""
    action = rng.uniform(-0.5, 0.5, 12)

    def after(command: GaitCommand, act: np.ndarray, clock: list[float]) -> np.ndarray:
        env.reset(seed=0, options={"command": command})
        standing = standing_joints(GAITS["stand"], env.robot.spec)
        env.controller.reset(command, standing, 0.2)
        env.controller.gait.memory["offsets"][:] = clock
        env.robot.reset((0, 0, 0.32), 0.0, standing)
        for _ in range(6):
            observation = env.step(act)[0]
        return observation

    style = gait_style("walk", roll_rad=0.0)
    command = GaitCommand(VelocityCommand(0.3, 0.2, 0.4), style)
    phases = style.phases
    mirrored_style = replace(style, phases=(phases[1], phases[0], phases[3], phases[2]))
    mirrored_command = GaitCommand(VelocityCommand(0.3, -0.2, -0.4), mirrored_style)
    seen = after(command, action, list(style.phases))
    mirrored = after(mirrored_command, mirror_action(action), list(mirrored_style.phases))
    assert np.abs(seen - mirror_observation(seen)).max() > 0.5, "the walk itself must not be symmetric"
    assert np.allclose(mirror_observation(seen), mirrored, atol=0.05)


def test_the_heading_is_held_against_a_gait_that_turns(env, monkeypatch):
    command = GaitCommand(VelocityCommand(0.4), gait_style("trot"))
    step = env.controller.gait.step

    def crooked(velocity, *more, **further):
        return step(velocity._replace(wz=velocity.wz + 0.25), *more, **further)

    monkeypatch.setattr(env.controller.gait, "step", crooked)

    def turn(held: bool) -> float:
        env.reset(seed=0, options={"command": command})
        rates = []
        for _ in range(300):
            if not held:
                env.controller._trims[:] = 0.0
            env.step(np.zeros(12))
            rates.append(env.state.angular_velocity[2])
        return float(np.mean(rates[-100:]))

    assert turn(held=False) > 0.15
    assert abs(turn(held=True)) < 0.03


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
def test_a_copy_that_would_step_the_original_is_refused(name, duplicate):
    env = gym.make(name)
    env.reset(seed=0)
    with pytest.raises(TypeError, match="make another from the same config"):
        duplicate(env)
    env.close()


@pytest.mark.parametrize("terrain", ["flat", "stairs"])
def test_an_episode_repeats_bit_for_bit_from_its_draws_and_actions(terrain, rng):
    """Whatever was walked before in the same world; a training that goes on depends on it."""
    old, new = (LocomotionEnv(LocomotionConfig(terrain=terrain)) for _ in range(2))
    roll(old, 1)
    new.reset(seed=2)
    new.np_random.bit_generator.state = old.np_random.bit_generator.state
    seen = [env.reset()[0] for env in (old, new)]
    assert np.array_equal(*seen)
    for action in rng.uniform(-0.3, 0.3, (100, 12)):
        (a, *judged), (b, *again) = old.step(action), new.step(action)
        assert np.array_equal(a, b) and judged == again
    assert np.array_equal(old.privileged(), new.privileged())
    old.close()
    new.close()
