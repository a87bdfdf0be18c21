from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file, save_file
from stable_baselines3.common.logger import configure
from threadpoolctl import threadpool_info, threadpool_limits

from control.command import GaitCommand
from control.gait import VelocityCommand, gait_style
from control.mirror import mirror_action, mirror_observation
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.randomization import NONE
from envs.locomotion.terrain import HARDEST
from learning.gait.export import Export, export
from learning.gait.ppo import Learner, Normaliser
from learning.gait.train import ppo_iterations
from learning.gait.train_config import PPOConfig, Train
from learning.gait.workers import EnvBatch, EnvSlot, Rollout, RolloutSource, Workers, _work, env_seeds
from policies.locomotion.actor import DEFAULT_FOLDER, Actor, ActorError, elu, fast_elu
from policies.locomotion.controller import LearnedLegs

SMALL = PPOConfig(n_steps=32, batch_size=64, n_epochs=2, hidden=(32, 16))


@pytest.fixture(scope="module")
def learner() -> Learner:
    made = Learner(SMALL, envs=2, seed=0)
    made.normaliser.update(np.full(95, 3.0), np.full(95, 9.0), 10)
    with torch.no_grad():
        made.model.policy.get_parameter("action_net.weight").mul_(50.0)
    return made


def test_numpy_and_torch_agree_on_the_policy(learner, rng):
    actor = learner.actor()
    seen = actor.normalise(rng.standard_normal((20, 95))).astype(np.float32)
    actions = rng.standard_normal((20, 12)).astype(np.float32)
    with torch.no_grad():
        both = np.concatenate([seen, rng.standard_normal((20, 11)).astype(np.float32)], axis=1)
        _, log_prob, _ = learner.model.policy.evaluate_actions(torch.from_numpy(both), torch.from_numpy(actions))
    deviation = (actions - actor.forward(seen)) / np.exp(actor.log_std)
    expected = -0.5 * (deviation**2).sum(axis=1) - actor.log_std.sum() - 6 * np.log(2 * np.pi)
    assert np.allclose(log_prob.numpy(), expected, rtol=1e-4, atol=1e-3)


def test_the_policy_acts_as_it_is_judged(learner, rng):
    """SB3's own loop asks `forward` for actions and `evaluate_actions` for their likelihood; both see the mirror."""
    seen = torch.from_numpy(rng.standard_normal((20, 106)).astype(np.float32))
    policy = learner.model.policy
    with torch.no_grad():
        actions, values, log_prob = policy(seen, deterministic=True)
        judged = policy.evaluate_actions(seen, policy(seen)[0])
        again = policy.evaluate_actions(seen, actions)
    assert np.allclose(actions.numpy(), learner.actor().forward(seen.numpy()[:, :95]), atol=1e-5)
    assert torch.equal(values, again[0]) and torch.equal(log_prob, again[1])
    assert bool((judged[1] < log_prob).all())  # nothing is likelier than the mean


def test_exploring_actors_take_the_cheaper_elu():
    x = np.concatenate([np.linspace(-12.0, 12.0, 2001), [-1e-8, 0.0, 1e-8]]).astype(np.float32)
    assert np.allclose(fast_elu(x), elu(x), rtol=0.0, atol=2e-7)
    assert np.allclose(elu(x), torch.nn.functional.elu(torch.from_numpy(x)).numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("overlap", [True, False])
def test_who_walks_while_the_learner_learns_is_one_update_old(overlap):
    """The learner gets every rollout, in order, and the workers the newest policy there is when they start."""
    log: list[str] = []

    class Scripted(RolloutSource):
        def start(self, actor: Actor, steps: int) -> None:
            log.append(f"walk with policy {actor}")

        def collect(self) -> list[Rollout]:
            log.append("collect")
            return []

        def close(self) -> None:
            raise AssertionError("it is not for turns to close what they were given")

    class Counting:
        updates = 0

        def anneal_exploration(self, progress: float) -> None:
            log.append(f"explore at {progress:.2f}")

        def actor(self) -> int:
            return self.updates

        def learn(self, rollouts: list[Rollout], progress: float) -> None:
            self.updates += 1
            log.append(f"learn at {progress:.2f}")

    args = Train(n_timesteps=3 * 64, workers=1, envs=2, ppo=SMALL, overlap=overlap)
    done = [turn.iteration for turn in ppo_iterations(args, Counting(), Scripted())]  # type: ignore[arg-type]
    assert done == [1, 2, 3]
    assert [line for line in log if "collect" in line or "learn" in line] == [
        line for progress in ("0.00", "0.33", "0.67") for line in ("collect", f"learn at {progress}")
    ]
    assert [line[-1] for line in log if "walk" in line] == (["0", "0", "1"] if overlap else ["0", "1", "2"])


@pytest.mark.parametrize("overlap", [True, False])
def test_no_update_is_broken_off_because_the_normaliser_moved(overlap, monkeypatch):
    """It moves most at the first updates; counted as a change of the policy, that would break the third one off."""
    steps = []
    learner = Learner(replace(SMALL, n_epochs=3), envs=4, seed=0)
    learner.set_logger(configure(None, []))
    step = learner.model.policy.optimizer.step
    monkeypatch.setattr(learner.model.policy.optimizer, "step", lambda *more: (steps.append(1), step(*more))[1])

    class Here(RolloutSource):
        batch = EnvBatch([LocomotionConfig()] * 4, env_seeds(0, 0, 4))

        def start(self, actor: Actor, steps: int) -> None:
            self.rolled = self.batch.roll(actor, steps)

        def collect(self) -> list[Rollout]:
            return [self.rolled]

        def close(self) -> None:
            """Nothing to end."""

    args = Train(n_timesteps=5 * 128, workers=1, envs=4, ppo=learner.config, overlap=overlap)
    made = [len(steps) for _ in ppo_iterations(args, learner, Here())]
    assert min(np.diff([0, *made])) >= 3, "of 6; an update may go too far, but none has before it begins"


def test_the_policy_knows_no_left_or_right(learner, rng):
    actor = learner.actor()
    raw = rng.standard_normal((10, 95))
    assert np.allclose(actor(mirror_observation(raw)), mirror_action(actor(raw)), atol=1e-4)
    assert np.abs(actor(raw)).max() > 0.05, "a policy that does nothing would be symmetric as well"


def test_the_normaliser_sees_both_sides_of_the_mirror(rng):
    normaliser = Normaliser(count=1e-9)
    data = rng.standard_normal((1000, 95)) + 0.5
    for part in np.split(data, 4):
        normaliser.update(part.sum(axis=0), (part**2).sum(axis=0), len(part))
    both = np.concatenate([data, mirror_observation(data)])
    assert np.allclose(normaliser.mean, both.mean(axis=0), atol=1e-6)
    assert np.allclose(normaliser.variance, both.var(axis=0), atol=1e-2)


def test_a_worker_keeps_to_one_core(monkeypatch):
    """BLAS threads of several workers would spin in each other's way."""
    seen = []

    class Noted:
        def __init__(self, configs, seeds, state):
            seen.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

    class Pipe:
        def recv(self):
            return None

    monkeypatch.setattr("learning.gait.workers.EnvBatch", Noted)
    with threadpool_limits(2, user_api="blas"):
        before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        _work(os.getppid(), Pipe(), [LocomotionConfig()], env_seeds(0, 0, 1), None)
    assert max(before) == 2
    assert set(seen) == {1}


def test_workers_give_the_same_rollouts_for_the_same_seed(learner):
    def rewards() -> np.ndarray:
        workers = Workers([[LocomotionConfig()], [LocomotionConfig(terrain="stairs")]], seed=3)
        try:
            rolled = workers.roll(learner.actor(), 20)
        finally:
            workers.close()
        return np.concatenate([rollout.rewards for rollout in rolled], axis=1)

    first = rewards()
    assert np.array_equal(first, rewards())
    assert not np.array_equal(first[:, 0], first[:, 1])


def test_a_saved_policy_acts_the_same_and_damage_is_named(learner, rng, tmp_path):
    actor = learner.actor()
    actor.save(tmp_path, {})
    raw = rng.standard_normal((5, 95)).astype(np.float32)
    assert np.allclose(Actor.load(tmp_path)(raw), actor(raw), atol=1e-6)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    for damage in (whole[: len(whole) // 2], b"", b"\x80\x04pickle", whole.replace(b"log_std", b"log_sdt")):
        weights.write_bytes(damage)
        with pytest.raises(ActorError, match=str(tmp_path)):
            Actor.load(tmp_path)
    damaged = bytearray(whole)
    damaged[-100] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(ActorError, match="SHA-256"):
        Actor.load(tmp_path)


def test_numbers_that_would_overflow_are_refused(learner, tmp_path):
    actor = learner.actor()
    huge = replace(actor, weights=(*actor.weights[:-1], np.full_like(actor.weights[-1], 1e30)))
    huge.save(tmp_path, {})
    with pytest.raises(ActorError, match=r"as large as .*e\+3"):
        Actor.load(tmp_path)


def test_a_saved_policy_that_is_not_of_this_task_is_named(tmp_path):
    small = Actor(np.zeros(5), np.ones(5), (np.zeros((12, 5)),), (np.zeros(12),), np.zeros(12))
    small.save(tmp_path, {})
    with pytest.raises(ActorError, match="95"):
        Actor.load(tmp_path)


def test_exploration_ends_small_and_the_actor_tells(learner):
    learner.anneal_exploration(0.0)
    first = learner.actor().log_std
    learner.anneal_exploration(1.0)
    assert np.allclose(first, SMALL.log_std_init)
    assert np.allclose(learner.actor().log_std, SMALL.log_std_final)
    assert SMALL.log_std_final < SMALL.log_std_init - 1


def test_onnx_says_what_torch_says(learner, tmp_path):
    learner.actor().save(tmp_path / "policy", {})
    export(Export(tmp_path / "policy", tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.safetensors", "config.json", "model.onnx"}
    seen = np.random.default_rng(1).standard_normal((7, 95)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"observation": seen})[0], learner.actor()(seen), atol=1e-5)
    with pytest.raises(ActorError, match="no gait policy"):
        export(Export(tmp_path, tmp_path / "other"))


def test_the_legs_of_the_simulation_do_what_the_task_does(learner):
    """Same policy, same start: the dog's controller and the environment send the same motor targets."""
    actor = learner.actor()
    env = LocomotionEnv(LocomotionConfig(randomization=NONE))
    command = GaitCommand(VelocityCommand(0.4), gait_style("trot"))
    observation, _ = env.reset(seed=0, options={"command": command})
    legs = LearnedLegs(actor, env.robot.spec)
    legs.reset(command.style, env.controller.targets, env.controller.gait.clock)
    contacts = [False] * 4
    for _ in range(60):
        targets = legs.step(*command, env.state, contacts)
        observation, _, fell, _, _ = env.step(actor(observation))
        contacts = env.contacts
        assert np.allclose(env.controller.targets, targets, atol=1e-4)
        if fell:
            break
    env.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", np.full(95, np.nan, np.float32)),
        ("mean", np.float32(0)),
        ("scale", np.full(95, np.inf, np.float32)),
        ("scale", np.ones((95, 1), np.float32)),
        ("bias.0", np.full(256, np.nan, np.float32)),
        ("bias.0", np.zeros((256, 1), np.float32)),
        ("log_std", np.full(12, np.nan, np.float32)),
        ("weight.1", np.full((128, 256), np.nan, np.float32)),
    ],
)
def test_tensors_that_are_damaged_are_refused(tmp_path, name, value):
    shutil.copy(DEFAULT_FOLDER / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text('{"layers": 3}', encoding="utf-8")
    tensors = load_file(str(tmp_path / "model.safetensors"))
    save_file({**tensors, name: np.ascontiguousarray(value)}, str(tmp_path / "model.safetensors"))
    with pytest.raises(ActorError, match=str(tmp_path)):
        Actor.load(tmp_path)


def test_recipes_and_their_environments():
    full, quick = Train(), Train(recipe="quick")
    assert quick.timesteps < full.timesteps
    assert {task.terrain for batch in quick.env_configs() for task in batch} == {"flat"}
    uneven = [task for batch in full.env_configs() for task in batch if task.terrain != "flat"]
    assert {task.terrain for task in uneven} == set(HARDEST)
    assert len({task.terrain_seed for task in uneven}) == len(uneven), "no two grounds are laid out alike"


def test_the_quick_recipe_shoves_more_unless_told_otherwise():
    usual = LocomotionConfig()
    quick = Train(recipe="quick").recipe_task
    assert quick.fall_penalty > usual.fall_penalty
    assert quick.randomization.push_every_s < usual.randomization.push_every_s
    assert Train().recipe_task == usual
    own = replace(usual, fall_penalty=4.0, randomization=replace(usual.randomization, push_every_s=9.0))
    assert {task for batch in Train(recipe="quick", task=own).env_configs() for task in batch} == {own}
    icy = replace(usual, randomization=replace(usual.randomization, friction=(0.1, 0.2)))
    both = replace(quick, randomization=replace(quick.randomization, friction=(0.1, 0.2)))
    assert Train(recipe="quick", task=icy).recipe_task == both


def test_ground_grows_harder_only_for_who_stays_up():
    slot = EnvSlot(LocomotionConfig(terrain="stairs"), np.random.SeedSequence(0))
    levels = []
    for fell in (False, False, True, False, True, True, True):
        slot.next_episode(fell)
        levels.append(slot.level)
    slot.env.close()
    assert levels == [2, 3, 2, 3, 2, 1, 1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_ray_gives_the_same_rollouts_as_processes(learner):
    pytest.importorskip("ray")
    from learning.gait.ray_workers import RayWorkers

    configs = [[LocomotionConfig()], [LocomotionConfig()]]
    rolled = []
    for make in (Workers, RayWorkers):
        workers = make(configs, seed=3)
        try:
            rolled.append(np.concatenate([one.observations for one in workers.roll(learner.actor(), 15)], axis=1))
        finally:
            workers.close()
    assert np.array_equal(*rolled)
