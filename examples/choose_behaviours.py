"""Train a policy that chooses what the dog does about somebody, for a minute, and set it beside choosing at random.

python examples/choose_behaviours.py --seconds 60
"""

from __future__ import annotations

import argparse
import time

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from envs.companion.env import CompanionConfig
from envs.companion.room import RoomConfig

ROOM = RoomConfig(side_m=4.5, pieces=(), apart_m=(1.5, 2.5))
TASK = CompanionConfig(episode_s=20.0, decide_s=2.0, room=ROOM, grounds=("flat",), feelings=("sad", "angry"))


class Until(BaseCallback):
    """Ends the training when its time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.monotonic() + seconds

    def _on_step(self) -> bool:
        return time.monotonic() < self._end


def returns(env: gymnasium.Env, policy: PPO | None, episodes: int) -> np.ndarray:
    """Return what each episode brought, (episodes,); without a policy actions are drawn."""
    found = []
    for seed in range(1000, 1000 + episodes):
        (observation, _), total, over = env.reset(seed=seed), 0.0, False
        while not over:
            action = env.action_space.sample() if policy is None else policy.predict(observation, deterministic=True)[0]
            observation, reward, terminated, truncated, _ = env.step(action)
            total, over = total + float(reward), terminated or truncated
        found.append(total)
    return np.array(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    parser.add_argument("--episodes", type=int, default=10, help="of each in the comparison")
    args = parser.parse_args()
    env = gymnasium.make("envs:Empaw/Companion-v0", config=TASK)
    policy = PPO("MlpPolicy", env, n_steps=40, batch_size=40, gamma=0.9, ent_coef=0.01, seed=0, verbose=1)
    policy.learn(100_000, callback=Until(args.seconds))
    env.action_space.seed(0)
    for name, chosen in (("at random", None), ("learnt", policy)):
        values = returns(env, chosen, args.episodes)
        error = values.std(ddof=1) / len(values) ** 0.5
        print(f"{name:10} {values.mean():+.3f} an episode (standard error {error:.3f})")
    env.close()
