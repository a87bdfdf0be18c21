"""One session with the dog: it hears, sees, decides and moves. Page and run without a browser are this same object.

In a notebook:

    session = Session(seed=0)
    session.hear("clip.wav")
    timeline = session.record("out.mp4", seconds=10)
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from apps.config import SessionConfig, choose_legs, make_ear, make_selector
from apps.ear import EAR_RATE_HZ, Ear
from apps.eye import Eye, InlineEye, Reel, Sight, ThreadedEye
from apps.timeline import Manual, Playing, Snapshot, Step, Timeline
from control.dog import CONTROL_HZ, SUBSTEPS, Dog, Scenery, has_fallen
from control.gait import SPEED_RANGE_M_S, VelocityCommand, gait_style
from perception.emotion import LABELS, EmotionEstimate
from perception.face.pictures import as_bgr, read_picture
from perception.face.videos import Frame
from perception.fusion.filter import EmotionFilter
from perception.speech.audio import Sound, read_sound, sound_from_samples
from policies.behaviour import Behaviour
from policies.navigation import bearing_to, movement, steer
from policies.taste.taste import Taste
from robots.expression import POSTURES
from robots.face import FACES
from robots.quadruped import QuadrupedState
from robots.sounds import sound_seconds
from robots.world import World, WorldConfig

SAMPLES_PER_STEP = EAR_RATE_HZ // CONTROL_HZ
_SILENCE = np.zeros(SAMPLES_PER_STEP, np.float32)


class Session:
    """A person, a dog, and what passes between them. Only the thread that made it may call it.

    Raises:
        ValueError: weights, behaviour table or taste cannot be used.
        RuntimeError: `config.window` without a display.
    """

    def __init__(
        self,
        seed: int | None = None,
        config: SessionConfig | None = None,
        ear: Ear | None = None,
        eye: Eye | None = None,
        taste: Taste | Path | str | None = None,
    ) -> None:
        """Set the scene; `seed` and `taste` override `config`'s, `ear` and `eye` those of the shipped networks."""
        config = config or SessionConfig()
        if (config.seed if seed is None else seed) < 0:
            raise ValueError(f"seed {config.seed if seed is None else seed} came; a seed is 0 or more")
        self.config = config if seed is None else replace(config, seed=seed)
        self.ear = ear or make_ear(self.config)
        self.eye = eye or (ThreadedEye() if self.config.live else InlineEye())
        self.film = Reel()
        self.feelings = EmotionFilter()
        self.selector, self.manner = make_selector(self.config, taste)
        self.world = World(WorldConfig(window=self.config.window))
        self.dog = Dog(self.world, np.random.default_rng(self.config.seed), legs=choose_legs(self.config.gait))
        self.scenery: Scenery | None = None
        self.person = np.array(self.config.person)
        self.on_sound: Callable[[str], None] = lambda name: None
        self._reset()

    def _reset(self) -> None:
        self.rng = np.random.default_rng(self.config.seed)
        self.time = 0.0
        self.estimate: EmotionEstimate | None = None
        self.manual = Manual()
        self.playing: Playing | None = None
        self.sight: Sight | None = None
        self.feelings.reset()
        self.film.stop()
        self.clip: str | None = None
        self.sounds: list[tuple[float, str]] = []
        self._microphone: deque[np.ndarray] = deque()
        self._backlog = 0
        self._substep = 0
        self._lying_s = 0.0
        self._mouth_until = -1.0
        self.selector.reset()
        self.manner.reset(self.config.seed)
        self.behaviour: Behaviour = self.selector.step(None, 0.0)
        self.command = VelocityCommand()
        # The seed is where the dog happens to stand, which way it looks, and which foot is next.
        place = self.rng.normal(0, 0.08, 2)
        self.dog.expression.reset(self.rng)
        self.dog.reset((float(place[0]), float(place[1])), float(self.rng.normal(0, 0.15)), float(self.rng.random()))
        self.state = self.dog.body.read()

    # ------------------------------------------------------------------ what a person does

    def reset(self) -> None:
        """Begin again: dog at its start, nothing heard, nothing set by hand."""
        self.ear.reset()
        self.eye.reset()
        self._reset()

    def hear(self, sound: str | Path | bytes | np.ndarray | Sound, rate_hz: int = EAR_RATE_HZ, name: str = "") -> float:
        """Let the dog hear a file, its bytes, or samples (N,) at `rate_hz`, from now on, in its own time.

        Returns:
            How long the sound lasts, s. A sound that is still playing is replaced.

        Raises:
            SoundError: it cannot be read, is empty, not finite, or longer than `config.max_sound_s`.
        """
        limit = self.config.max_sound_s
        if isinstance(sound, Sound):
            sound = sound if sound.rate_hz == EAR_RATE_HZ else sound_from_samples(sound.samples, sound.rate_hz, limit)
        elif isinstance(sound, np.ndarray):
            sound = sound_from_samples(sound, rate_hz, limit)
        else:
            name = name or ("sound" if isinstance(sound, bytes) else Path(sound).name)
            sound = read_sound(sound, max_seconds=limit)
        self.clip = name or "samples"
        self.playing = Playing(self.clip, sound.samples, 0)
        return len(sound.samples) / EAR_RATE_HZ

    def stop_hearing(self) -> None:
        """Stop the sound and the film that are playing."""
        self.playing = None
        self.film.stop()

    def listen(self, samples: np.ndarray) -> None:
        """Take live samples (N,) float32 at 16 kHz from a microphone; the oldest are dropped when they pile up."""
        if not len(samples):
            return
        self._microphone.append(samples)
        self._backlog += len(samples)
        while self._backlog > self.config.max_backlog_s * EAR_RATE_HZ and len(self._microphone) > 1:
            self._backlog -= len(self._microphone.popleft())

    def see(self, picture: str | Path | bytes | np.ndarray) -> None:
        """Show the dog a picture of the person, now: a file, its bytes, or BGR (H, W, 3) uint8.

        Raises:
            PictureError: it cannot be read, or is no picture.
        """
        bgr = as_bgr(picture, "the picture") if isinstance(picture, np.ndarray) else read_picture(picture)
        self.eye.look(bgr, self.time)

    def glance(self, picture: np.ndarray) -> None:
        """Take a picture (H, W, 3) uint8 BGR of a live camera; while a film runs, the dog looks at that."""
        if not self.film.running:
            self.eye.look(picture, self.time)

    def watch(self, film: Iterable[Frame | None]) -> None:
        """Show the dog the frames of a video, from now on, in its own time; None stands for "not decoded yet".

        A frame that cannot be read ends the film and raises PictureError out of the step that meets it.
        """
        self.film.start(film, self.time)

    def feel(self, emotion: str | None) -> None:
        """Set by hand what the dog believes the person feels; None gives it back to the ear.

        Raises:
            ValueError: no such emotion.
        """
        if emotion is not None and emotion not in LABELS:
            raise ValueError(f"unknown emotion {emotion!r}: choose one of {', '.join(LABELS)}, or none")
        if emotion is None and self.manual.emotion is not None:
            self.estimate = None
            self.feelings.reset()
        self.manual = self.manual._replace(emotion=emotion)

    def choose_gait(self, gait: str | None) -> None:
        """Set the gait by hand; None gives it back to the behaviour.

        Raises:
            ValueError: no such gait.
        """
        if gait is not None:
            gait_style(gait)
        self.manual = self.manual._replace(gait=gait)

    def choose_speed(self, speed: float | None) -> None:
        """Set the forward speed by hand, m/s; None gives it back to the behaviour.

        Raises:
            ValueError: outside the range of the body, or no number.
        """
        low, high = SPEED_RANGE_M_S
        if speed is not None and not low <= speed <= high:
            raise ValueError(f"speed {speed} m/s is outside what the body can do: {low} to {high}")
        self.manual = self.manual._replace(speed=speed)

    def push(self, direction_rad: float | None = None, speed: float = 0.8) -> None:
        """Shove the dog: `speed` m/s in a direction of its own frame (0: forward, pi/2: left), random when None.

        Raises:
            ValueError: a direction or speed that is not finite, or a speed above 3 m/s.
        """
        if direction_rad is None:
            direction_rad = float(self.rng.uniform(-np.pi, np.pi))
        if not np.isfinite(direction_rad) or not 0.0 <= speed <= 3.0:
            raise ValueError(f"cannot push with {speed} m/s toward {direction_rad} rad: use 0 to 3 m/s and an angle")
        angle = direction_rad + self.state.yaw
        self.dog.body.push((speed * np.cos(angle), speed * np.sin(angle), 0.0))

    # ------------------------------------------------------------------ time passes

    def advance(self, substeps: int = SUBSTEPS) -> list[Step]:
        """Advance by physics steps of 1/250 s; the control steps that fall into them are returned."""
        steps = []
        for _ in range(substeps):
            if self._substep % SUBSTEPS == 0:
                self._control()
            self.world.step()
            self._substep += 1
            if self._substep % SUBSTEPS == 0:
                steps.append(self._finish_step())
        return steps

    def run(self, seconds: float, watch: Callable[[Step], None] | None = None) -> Timeline:
        """Let `seconds` pass; `watch` is called after every control step."""
        began = time.perf_counter()
        steps: list[Step] = []
        for _ in range(round(seconds * CONTROL_HZ)):
            steps += self.advance()
            if watch is not None:
                watch(steps[-1])
        took = max(time.perf_counter() - began, 1e-9)
        return Timeline(self.clip, self.config.seed, steps, list(self.sounds), seconds / took)

    def record(
        self, path: str | Path, seconds: float = 10.0, progress: Callable[[float], None] | None = None
    ) -> Timeline:
        """Let `seconds` pass and film them: the dog, its face, what it hears and feels, with sound.

        Args:
            path: the MP4 file to write.
            seconds: how long.
            progress: called with the share that is done, 0..1.
        """
        from apps.video import film

        return film(self, Path(path), seconds, progress)

    def _control(self) -> None:
        self._sense()
        self.behaviour = self._choose()
        toward_goal = steer(self.behaviour, self.state.position[:2], self.state.yaw, self.person)
        self.command, style = movement(self.behaviour, toward_goal, self.manual.gait, self.manual.speed)
        if self.manual.gait is None and self.manual.speed is None:
            self.command, style = self.manner.step(self.behaviour, self.command, style, self.time)
        self.dog.control(self.command, style, self.state)

    def _sense(self) -> None:
        """Take in what is heard and seen; the estimate changes when a sense has something to say."""
        heard = self.ear.push(self._next_sound())
        picture = self.film.due(self.time)
        if picture is not None:
            self.see(picture)
        seen = self.eye.sights()
        if seen:
            self.sight = seen[-1]
        told = self.manual.estimate(self.time)
        if told is not None:
            self.estimate = told
            return
        speech = self.ear.hearing.speech
        for estimate in heard:
            self.feelings.push("speech", replace(estimate, time_s=self.time), 1.0 if speech is None else speech)
        # How far a face is trusted is in its estimate already.
        judged = [sight.reading.estimate for sight in seen if sight.reading.estimate is not None]
        for estimate in judged:
            self.feelings.push("face", replace(estimate, time_s=self.time))
        if heard or judged:
            self.estimate = self.feelings.at(self.time).estimate

    def _next_sound(self) -> np.ndarray:
        """The next 20 ms of what there is to hear: the file, else the microphone, else silence."""
        if self.playing is not None:
            name, samples, position = self.playing
            end = position + SAMPLES_PER_STEP
            chunk = samples[position:end]
            self.playing = Playing(name, samples, end) if end < len(samples) else None
            self._forget_microphone()
        elif self._microphone:
            chunk = np.concatenate(self._microphone)
            # A little more than real time while there is a backlog, so that a late burst is caught up with.
            share = SAMPLES_PER_STEP * (1 if len(chunk) < EAR_RATE_HZ // 5 else 2)
            self._forget_microphone()
            self.listen(chunk[share:])
            return chunk[:share]
        else:
            return _SILENCE
        return chunk if len(chunk) == SAMPLES_PER_STEP else np.pad(chunk, (0, SAMPLES_PER_STEP - len(chunk)))

    def _forget_microphone(self) -> None:
        self._microphone.clear()
        self._backlog = 0

    def _choose(self) -> Behaviour:
        before = self.behaviour
        now = self.selector.step(self.estimate, self.time)
        if now is not before and now.sound is not None:
            self.sounds.append((round(self.time, 2), now.sound))
            self._mouth_until = self.time + sound_seconds(now.sound)
            self.on_sound(now.sound)
        return now

    def _finish_step(self) -> Step:
        self.time = round(self.time + 1 / CONTROL_HZ, 6)
        self.state = self.dog.body.read()
        gaze = float(np.clip(bearing_to(self.person, self.state.position[:2], self.state.yaw), -0.6, 0.6))
        mouth = 0.5 + 0.5 * np.sin(2 * np.pi * 6 * self.time) if self.time < self._mouth_until else 0.0
        self.dog.expression.step(
            1 / CONTROL_HZ, POSTURES[self.behaviour.posture], FACES[self.behaviour.face], gaze, float(mouth)
        )
        fallen = has_fallen(self.state.upright, float(self.state.position[2]))
        self._lying_s = self._lying_s + 1 / CONTROL_HZ if fallen else 0.0
        if self._lying_s >= self.config.get_up_after_s:
            self._get_up()
        return self._row(self.state, fallen)

    def _get_up(self) -> None:
        x, y = self.state.position[:2]
        self.dog.reset((float(x), float(y)), self.state.yaw, self.dog.gait.clock)
        self._lying_s = 0.0

    def _row(self, state: QuadrupedState, fallen: bool) -> Step:
        estimate, gait = self.estimate, self.dog.gait
        return Step(
            round(self.time, 2),
            None if estimate is None else estimate.label,
            None if estimate is None else round(estimate.confidence, 4),
            None if estimate is None else round(estimate.valence, 4),
            None if estimate is None else round(estimate.arousal, 4),
            self.behaviour.name,
            self.manual.gait or self.behaviour.style.name,
            round(gait.frequency_hz, 4),
            round(float(state.position[2]) - self.dog.spec.foot_radius_m, 4),
            round(state.heading_velocity[0], 4),
            fallen,
        )

    # ------------------------------------------------------------------ what one sees

    def snapshot(self) -> Snapshot:
        """Everything a viewer needs, at this moment."""
        belief = self.feelings.at(self.time)
        seen = self.sight
        if seen is not None and self.time - seen.reading.time_s > self.config.sight_memory_s:
            seen = None  # the camera is off
        return Snapshot(
            self.time,
            self.dog.link_poses().astype(np.float32),
            self._row(self.state, has_fallen(self.state.upright, float(self.state.position[2]))),
            self.behaviour.says,
            self.estimate,
            None if self.estimate is None else self.estimate.source,
            belief.unsure and self.manual.emotion is None,
            belief.agreement,
            self.ear.hearing,
            seen,
            None if self.playing is None else self.playing.progress(EAR_RATE_HZ),
            self.manual,
            self.dog.expression.shown_face,
            self.command.vx,
        )

    def picture(self, width: int = 480, height: int = 360) -> np.ndarray:
        """Render the dog: (height, width, 3) uint8 RGB."""
        if self.scenery is None:
            self.scenery = Scenery(self.dog, self.person)
        return self.scenery.picture(width, height)

    def show(self) -> None:
        """Bring Bullet's own window up to date."""
        if self.scenery is None:
            self.scenery = Scenery(self.dog, self.person)
        self.world.follow(self.scenery.update().tolist())

    def close(self) -> None:
        """Let go of the physics, the ear and the eye. Closing twice is harmless."""
        self.film.stop()
        self.ear.close()
        self.eye.close()
        self.world.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
