"""`Empaw/Companion-v0`: choose, second by second, what the dog does about somebody whose feelings it only guesses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from control.companion import SureLegs
from control.dog import CONTROL_HZ
from control.whole_body import BodyAction, BodySensing
from envs.companion.acoustics import RATE_HZ
from envs.companion.noises import noise
from envs.companion.person import Sit, Stand
from envs.companion.room import GROUNDS, RoomConfig, furnish, place_on_floor
from envs.companion.stage import Thing
from envs.companion.wishes import WISHES, Company, Wish
from envs.companion.world import SAMPLES_PER_STEP, CompanionWorld
from geometry.objects import ObjectModel
from geometry.transforms import wrap
from robots.quadruped import QuadrupedSpec

BROUGHT_M = 1.0
_FAR_M, _LONG_S = 5.0, 10.0
"""Distances and times are observed as shares of these."""
_QUIET_S = 1.0
"""So long nobody speaks at first: who hears a voice from the beginning takes it for the room's own noise."""


class Known(NamedTuple):
    """What the mind of the dog knows of the room: places (2,) m and azimuths rad as it believes them itself."""

    person: np.ndarray | None
    sound_rad: float | None
    shown: str
    """The behaviour that is shown now; not always the one that was chosen last."""
    fetching: bool
    delivered: bool


class Mind(Protocol):
    """Carries out a behaviour, in a room, by the dog's own senses; `learning.companion` has the one that is shipped."""

    behaviours: tuple[str, ...]
    """Between which an action chooses."""
    legs: Callable[[QuadrupedSpec], SureLegs]

    def reset(self, world: CompanionWorld) -> None:
        """Wake up in a room and know nothing of it but the camera that one has."""

    def choose(self, behaviour: str) -> None:
        """Do this from now on; it is said before every decision, whether it is another one or the same again."""

    def hear(self, mics: np.ndarray, speech: float, head: tuple[float, float, float]) -> None:
        """Hear 20 ms: (4, 320) at 16 kHz, the probability of speech, and where the head is believed to be."""

    def act(self, sensing: BodySensing) -> BodyAction:
        """Return what the body does in the next 20 ms."""

    @property
    def known(self) -> Known:
        """What it knows now."""


@dataclass(frozen=True)
class CompanionConfig:
    """Everything that shapes the task; times in s."""

    episode_s: float = 60.0
    decide_s: float = 1.0
    """Between two actions."""
    room: RoomConfig = field(default_factory=RoomConfig)
    """Its ground is drawn anew in each episode where `grounds` names several."""
    grounds: tuple[str, ...] = GROUNDS
    feelings: tuple[str, ...] = tuple(WISHES)
    """Of which one is drawn."""
    wishes: Mapping[str, Wish] = field(default_factory=lambda: dict(WISHES))
    """What somebody who feels so would like."""
    speaks_s: tuple[float, float] = (1.5, 4.0)
    """How long the person speaks, and is silent then."""
    doubt: float = 1.0
    """Of estimates of the feeling: standard deviation of their logits, of which the true one leads by 3."""
    rise: float = 0.10
    """Share of what is missing by which the mood gets better in a second of good company."""
    sink: float = 0.03
    """By which it gets worse in any other second."""
    touch_penalty: float = 0.5
    fall_penalty: float = 2.0
    change_penalty: float = 0.02

    def __post_init__(self) -> None:
        unknown = sorted(set(self.feelings) - set(WISHES)) + sorted(set(self.grounds) - set(GROUNDS))
        if unknown or not self.feelings or not self.grounds or set(self.wishes) != set(WISHES):
            raise ValueError(
                f"feelings {self.feelings}, grounds {self.grounds} and wishes {tuple(self.wishes)} came; feelings are "
                f"{', '.join(WISHES)}, each with a wish, and grounds {', '.join(GROUNDS)}"
            )
        if not 0.1 <= self.decide_s <= self.episode_s or min(self.speaks_s) <= 0.0 or self.doubt < 0.0:
            raise ValueError(f"{self} came; 0.1 <= decide_s <= episode_s, times above 0, doubt 0 or more")


class CompanionEnv(gym.Env[np.ndarray, np.int64]):
    """A person, a thing on the floor, furniture, and a dog that chooses between behaviours.

    Action: the number of one of `mind.behaviours`. While a thing is fetched, other choices wait until it is done.

    Observation (8 + 4 + 3 + n + 3,), float32: the estimate of the feeling over `WISHES`, as the last voice left it
    (uniform before); whether the person was met, how far they are over 5 m, cosine and sine of where; whether there is
    a sound, cosine and sine of where; which behaviour is shown, not always the one that was chosen; for how long over
    10 s, whether it fetches, and whether it has delivered. All of it is what the dog believes: places come from its
    dead reckoning, camera and microphones.

    Reward: how much better the person's mood became, less penalties: `info["reward_terms"]` carries each. The mood
    follows where the dog really is (`envs.companion.wishes`); the feeling stays as it is for an episode.

    An episode ends with a fall (terminated), or after `episode_s` (truncated).

    Args:
        mind: carries out what is chosen.
        things: objects of which one lies on the floor.
        config: of the task.
        render_mode: None or "rgb_array".

    Raises:
        ValueError: an unknown render mode, or nothing to fetch.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's form

    def __init__(
        self,
        mind: Mind,
        things: tuple[ObjectModel, ...],
        config: CompanionConfig | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r} is not one of {self.metadata['render_modes']} or None")
        if not things:
            raise ValueError("no objects came; the dog needs one to fetch")
        self.config, self.render_mode = config or CompanionConfig(), render_mode
        self._mind, self._things = mind, things
        size = len(WISHES) + 4 + 3 + len(mind.behaviours) + 3
        self.observation_space = gym.spaces.Box(-1.0, max(10.0, self.config.episode_s / _LONG_S), (size,), np.float32)
        self.action_space = gym.spaces.Discrete(len(mind.behaviours))
        self.world: CompanionWorld | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a room, a person who feels something, and a thing; `options={"feeling": "sad"}` fixes the feeling.

        Raises:
            ValueError: no such feeling.
        """
        super().reset(seed=seed)
        self.close()
        rng, config = self.np_random, self.config
        drawn = str(rng.choice(config.feelings))  # also where it is fixed: all else is the same then
        self.feeling = (options or {}).get("feeling") or drawn
        if self.feeling not in WISHES:
            raise ValueError(f"feeling {self.feeling!r} came; there are {', '.join(WISHES)}")
        self.world = self._furnished(rng)
        if rng.random() < 0.5:
            self.world.stage.person.ask(Sit() if rng.random() < 0.5 else Stand())
        self._mind.reset(self.world)
        self._babble = noise("noise", config.speaks_s[0], rng)
        self._estimate = np.full(len(WISHES), 1 / len(WISHES))
        self.mood, self._look = 0.0, False
        self._chosen, self._spoke = -1, False
        self._shown, self._since_s = self._mind.known.shown, 0.0
        return self._observe(), {"feeling": self.feeling}

    def _furnished(self, rng: np.random.Generator) -> CompanionWorld:
        config = self.config
        ground = str(rng.choice(config.grounds))
        room = furnish(RoomConfig(**{**vars(config.room), "ground": ground}), rng)
        model = self._things[int(rng.integers(len(self._things)))]
        thing = Thing(model, place_on_floor(room, rng), float(rng.uniform(-np.pi, np.pi)))
        return CompanionWorld(room, [thing], legs=self._mind.legs, seed=int(rng.integers(2**31)))

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Do what is chosen for `decide_s`.

        Raises:
            ValueError: no such action.
            RuntimeError: the environment was not reset.
        """
        if self.world is None:
            raise RuntimeError("call reset before step")
        if not self.action_space.contains(np.int64(action)):
            raise ValueError(f"action {action} came; there are 0 to {len(self._mind.behaviours) - 1}")
        world, config = self.world, self.config
        changed, self._chosen = self._chosen not in (-1, int(action)), int(action)
        self._mind.choose(self._mind.behaviours[self._chosen])
        met, touched = 0, False
        count = round(config.decide_s * CONTROL_HZ)
        for _ in range(count):
            self._listen(world)
            done = self._mind.act(world.sense(self._look))
            self._look = done.look
            if (shown := self._mind.known.shown) != self._shown:
                self._shown, self._since_s = shown, world.time_s
            world.act(done)
            met += config.wishes[self.feeling].is_met(self._company(world))
            touched |= world.stage.touches_person(world.dog.body.body)
        terms = self._reward(met / count, touched, world.fallen, changed)
        over = world.time_s >= config.episode_s - 1e-9
        info = {"reward_terms": terms, "mood": self.mood, "feeling": self.feeling, "met": met / count}
        return self._observe(), sum(terms.values()), world.fallen, over, info

    def _listen(self, world: CompanionWorld) -> None:
        """Let the person speak, or be silent, for 20 ms; a feeling is heard at the end of what they say."""
        speaking_s, silent_s = self.config.speaks_s
        at = (world.time_s - _QUIET_S) % (speaking_s + silent_s)
        speaks = world.time_s >= _QUIET_S and at < speaking_s
        first = round(at * RATE_HZ)
        chunk = self._babble[first : first + SAMPLES_PER_STEP]
        sounds = {}
        if speaks and len(chunk):
            padded = np.pad(chunk, (0, SAMPLES_PER_STEP - len(chunk)))
            sounds = {"person": (padded, world.stage.person.mouth)}
        self._mind.hear(np.clip(world.hear(sounds), -1.0, 1.0), float(speaks), world.believed_head)
        if self._spoke and not speaks:
            logits = self.np_random.normal(0.0, self.config.doubt, len(WISHES))
            logits[list(WISHES).index(self.feeling)] += 3.0
            odds = np.exp(logits - logits.max())
            self._estimate = odds / odds.sum()
        self._spoke = speaks

    def _company(self, world: CompanionWorld) -> Company:
        x, y = world.person - world.state.T_world_trunk[:2, 3]
        thing = world.stage.thing_position(0)[:2]
        return Company(
            float(np.hypot(x, y)),
            wrap(float(np.arctan2(y, x)) - world.state.legs.yaw),
            float(np.hypot(*world.state.legs.velocity[:2])),
            self._mind.known.delivered and bool(np.hypot(*(thing - world.person)) < BROUGHT_M),
        )

    def _reward(self, met: float, touched: bool, fell: bool, changed: bool) -> dict[str, float]:
        config = self.config
        step = config.decide_s * (config.rise * met * (1.0 - self.mood) - config.sink * (1.0 - met) * (1.0 + self.mood))
        before, self.mood = self.mood, float(np.clip(self.mood + step, -1.0, 1.0))
        return {
            "mood": self.mood - before,
            "touch": -config.touch_penalty * touched,
            "fall": -config.fall_penalty * fell,
            "change": -config.change_penalty * changed,
        }

    def _observe(self) -> np.ndarray:
        assert self.world is not None
        known, odometry = self._mind.known, self.world.odometry
        person = (0.0, 0.0, 0.0, 0.0)
        if known.person is not None:
            x, y = known.person - odometry.place
            away = float(np.arctan2(y, x)) - odometry.yaw
            person = (1.0, float(np.hypot(x, y)) / _FAR_M, float(np.cos(away)), float(np.sin(away)))
        sound = (0.0, 0.0, 0.0)
        if known.sound_rad is not None:
            off = known.sound_rad - odometry.yaw
            sound = (1.0, float(np.cos(off)), float(np.sin(off)))
        shown = [float(behaviour == known.shown) for behaviour in self._mind.behaviours]
        doing = ((self.world.time_s - self._since_s) / _LONG_S, float(known.fetching), float(known.delivered))
        return np.concatenate([self._estimate, person, sound, shown, doing]).astype(np.float32)

    def render(self) -> np.ndarray | None:
        """Return a picture from beside both, (360, 480, 3) uint8 RGB, where that is the render mode."""
        if self.render_mode is None or self.world is None:
            return None
        return self.world.picture(480, 360)

    def close(self) -> None:
        """Let go of the physics. Closing twice is harmless."""
        if self.world is not None:
            self.world.close()
            self.world = None
