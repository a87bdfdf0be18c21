from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.locomotion.env import LocomotionConfig
from policies.gait.actor import Actor, ActorError
from policies.gait.mirror import mirror_action, mirror_observation
from policies.gait.ppo import Learner, Normaliser
from policies.gait.train_config import PPOConfig
from policies.gait.workers import Workers
from tests.conftest import ROOT

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


def command(out: Path, *more: str) -> list[str]:
    small = ["--workers", "1", "--envs", "2", "--n-timesteps", "640", "--ppo.n-steps", "32", "--ppo.batch-size", "32"]
    return [sys.executable, "train_gait.py", "train", "--out", str(out), *small, *more]


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(command(out), cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 90
    while not (out / "checkpoint.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = int(torch.load(out / "checkpoint.pt", weights_only=True)["iteration"])
    assert before >= 1
    refused = subprocess.run(command(out), cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert "--resume" in refused.stderr
    done = subprocess.run(command(out, "--resume"), cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert int(torch.load(out / "checkpoint.pt", weights_only=True)["iteration"]) == 10
    assert Actor.load(out / "policy").log_std.shape == (12,)


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    done = subprocess.run(command(tmp_path, "--resume"), cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr
