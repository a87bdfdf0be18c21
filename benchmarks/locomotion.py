"""How fast the task steps and the trainer trains, each as a ratio measured in one run on one machine.

empaw bench locomotion --json benchmarks/results/locomotion.json
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import psutil
from rich.console import Console

from benchmarks.command import run, spread
from control.command import GaitCommand
from control.dog import SUBSTEPS
from control.gait import VelocityCommand, gait_style
from control.observation import OBSERVATION_SIZE, PRIVILEGED_SIZE
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from envs.locomotion.randomization import NONE
from learning.gait.train_config import Train
from robots.io import check_writable, write_json
from robots.options import JsonOption

OURS = "ours, 2 workers x 8"
SAME = "our policy"


@dataclass(frozen=True)
class Args(JsonOption):
    """Measure `env.step` against raw physics, and training against stable-baselines3's own vectorised environments."""

    repeats: int = 7
    """Repetitions; contestants take turns, and the median of the ratios counts."""
    iterations: int = 3
    """Iterations of training in each measurement."""


def main(args: Args) -> dict[str, Any]:
    """Measure and save."""
    check_writable(args.json)
    console = Console(stderr=True)
    found: dict[str, Any] = {"repeats": args.repeats, "step_over_raw": {}}
    for terrain in ("flat", "rough"):
        found["step_over_raw"][terrain] = spread([_step_ratio(terrain) for _ in range(args.repeats)])
        console.print(f"env.step over raw physics and reads, {terrain}: {found['step_over_raw'][terrain]}")
    found["training_memory_mb"] = _memory_mb(Train(recipe="full"))
    console.print(f"memory of a full training with 2 workers: {found['training_memory_mb']} MB")
    rates = _training_rates(args, console)
    found["frames_per_s"] = {name: spread(values) for name, values in rates.items()}
    for key, same in (("ours_over_best_of_sb3", True), ("ours_over_mlp_policy_of_sb3", False)):
        peers = [name for name in rates if name.startswith("sb3") and name.endswith(SAME) == same]
        best = max(peers, key=lambda name: np.median(rates[name]))
        found[key] = {"best": best, **spread((np.array(rates[OURS]) / np.array(rates[best])).tolist())}
        console.print(f"ours over {best}: {found[key]}")
    if args.json is not None:
        write_json(found, args.json)
    return found


def _step_ratio(terrain: str, steps: int = 1200, turn: int = 20) -> float:
    """Return the rate of `env.step` over that of physics and reads alone: the same walk, the same motor targets.

    Two worlds take turns of a few steps, so that whatever else the machine does slows both alike.
    """
    options = {"command": GaitCommand(VelocityCommand(0.0), gait_style("trot")), "level": 1}
    env, bare = (LocomotionEnv(LocomotionConfig(terrain=terrain, randomization=NONE)) for _ in range(2))
    for world in (env, bare):
        world.reset(seed=0, options=options)
    targets: list[np.ndarray] = []
    command = env.robot.command

    def noted(angles: np.ndarray) -> None:
        targets.append(angles)
        command(angles)

    env.robot.command = noted  # type: ignore[method-assign, assignment]
    raw, still = _raw(bare), np.zeros(12)
    stepping, alone = [], []
    for _ in range(steps // turn):
        targets.clear()
        stepping.append(_seconds(lambda: env.step(still), turn))
        pending = iter(targets)
        alone.append(_seconds(lambda pending=pending: raw(next(pending)), turn))  # type: ignore[misc]
    env.close()
    bare.close()
    return float(np.median(np.array(alone) / np.array(stepping)))


def _raw(env: LocomotionEnv) -> Callable[[np.ndarray], None]:
    """One control step of physics, with every read that a step needs, and nothing more."""
    client, robot, joints = env.world.client, env.robot, list(range(12))

    def act(targets: np.ndarray) -> None:
        robot.command(targets)
        for _ in range(SUBSTEPS):
            client.stepSimulation()
        client.getBasePositionAndOrientation(robot.body)
        client.getBaseVelocity(robot.body)
        client.getJointStates(robot.body, joints)
        client.getContactPoints(bodyA=robot.body)

    return act


def _seconds(act: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        act()
    return time.process_time() - began


def _training_rates(args: Args, console: Console) -> dict[str, list[float]]:
    """Return frames a second of whole training iterations, learning included."""
    train = Train(uneven=0.0)  # on the ground and with the task that `_sb3` has, too
    contestants: dict[str, Callable[[], float]] = {
        OURS: lambda: _ours(train, args.iterations),
        "ours, 1 worker x 16": lambda: _ours(replace(train, workers=1, envs=16), args.iterations),
        "ours, 2 workers x 8, no overlap": lambda: _ours(replace(train, overlap=False), args.iterations),
        "ours, 2 workers x 4": lambda: _ours(replace(train, envs=4), args.iterations),
        "ours, 4 workers x 4": lambda: _ours(replace(train, workers=4, envs=4), args.iterations),
        "sb3 DummyVecEnv x 16": lambda: _sb3(train, "dummy", 16, args.iterations),
        "sb3 SubprocVecEnv x 4": lambda: _sb3(train, "subproc", 4, args.iterations),
        "sb3 SubprocVecEnv x 16": lambda: _sb3(train, "subproc", 16, args.iterations),
        f"sb3 DummyVecEnv x 16, {SAME}": lambda: _sb3(train, "dummy", 16, args.iterations, same=True),
        f"sb3 SubprocVecEnv x 16, {SAME}": lambda: _sb3(train, "subproc", 16, args.iterations, same=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(args.repeats):
        for name, measure in contestants.items():
            rates[name].append(measure())
            console.print(f"round {turn + 1} of {args.repeats}: {name}: {rates[name][-1]:.0f} frames/s")
    return rates


@contextlib.contextmanager
def _training(train: Train, iterations: int) -> Iterator[Iterator[object]]:
    """Give the iterations of a training, one at every `next`."""
    import torch
    from stable_baselines3.common.logger import configure

    from learning.gait.ppo import Learner
    from learning.gait.train import ppo_iterations
    from learning.gait.workers import Workers

    torch.set_num_threads(1)
    learner = Learner(train.ppo, train.workers * train.envs, 0)
    learner.model.target_kl = None  # all epochs, in every iteration
    learner.set_logger(configure(None, []))
    workers = Workers(train.env_configs(), 0)
    try:
        yield ppo_iterations(replace(train, n_timesteps=iterations * train.per_iteration), learner, workers)
    finally:
        workers.close()


def _memory_mb(train: Train) -> int:
    """Return the most that learner and workers hold at a time in eight iterations; what they share counts once."""
    this, peak, over = psutil.Process(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.5):
            with contextlib.suppress(psutil.NoSuchProcess):
                all_of_them = (this, *this.children(recursive=True))
                peak = max(peak, sum(one.memory_full_info().pss for one in all_of_them) / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with _training(train, 8) as iterations:
            for _ in iterations:
                pass
    finally:
        over.set()
        watcher.join()
    return round(peak)


def _ours(train: Train, measured: int) -> float:
    # The first iteration makes the worlds; one more than are measured, so that the last has its walks beside it too.
    with _training(train, measured + 2) as iterations:
        next(iterations)
        began = time.perf_counter()
        for _ in range(measured):
            next(iterations)
        return measured * train.per_iteration / (time.perf_counter() - began)


def _sb3(train: Train, kind: Literal["dummy", "subproc"], envs: int, iterations: int, same: bool = False) -> float:
    """Frames a second of SB3 with its own vectorised environments, on the same task with the same settings.

    With `same` it trains what ours does: a policy without left or right, a critic that sees the privileged state, and
    normalised observations. Without, SB3's MlpPolicy of the same size, out of the box: less work.
    """
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

    from learning.gait.ppo import make_ppo

    torch.set_num_threads(1)
    ppo = replace(train.ppo, n_steps=train.per_iteration // envs)
    makers = [(lambda: _Privileged(LocomotionEnv())) if same else LocomotionEnv] * envs
    world: VecEnv = DummyVecEnv(makers) if kind == "dummy" else SubprocVecEnv(makers, start_method="spawn")  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if same:
            model = make_ppo(ppo, VecNormalize(world, norm_reward=False), 0)
        else:
            model = PPO(
                "MlpPolicy",
                world,
                n_steps=ppo.n_steps,
                batch_size=ppo.batch_size,
                n_epochs=ppo.n_epochs,
                policy_kwargs={"net_arch": list(ppo.hidden), "activation_fn": torch.nn.ELU},
                device="cpu",
            )
    model.target_kl = None  # all epochs, in every iteration
    model.learn(train.per_iteration)  # makes the worlds
    began = time.perf_counter()
    model.learn(iterations * train.per_iteration, reset_num_timesteps=False)
    seconds = time.perf_counter() - began
    world.close()
    return iterations * train.per_iteration / seconds


class _Privileged(gym.ObservationWrapper):
    """The privileged state behind the observation, where our workers put it."""

    def __init__(self, env: LocomotionEnv) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE + PRIVILEGED_SIZE,), np.float32)
        self._locomotion = env

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """Return (obs + privileged,) of (obs,)."""
        return np.concatenate([observation, self._locomotion.privileged()]).astype(np.float32)


if __name__ == "__main__":
    run(main, Args, __doc__)
