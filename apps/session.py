"""One session with the dog: it hears, sees, decides and moves. Page and run without a browser are this same object.

In a notebook:

    session = Session(seed=0)
    session.play_audio("clip.wav")
    timeline = session.record("out.mp4", seconds=10)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.body import Body
from apps.config import SessionConfig, choose_legs, fingerprint, make_ear, make_selector
from apps.decision import Decision
from apps.ear import EAR_RATE_HZ, Ear
from apps.eye import Eye, StreamEye
from apps.recording import Blind, Deaf, Event, Log, Recording, RecordingError, Script, sensed_event
from apps.senses import Audio, Image, Senses
from apps.timeline import Playing, Snapshot, Step, Timeline, felt
from apps.video import film
from control.dog import CONTROL_HZ, SUBSTEPS
from perception.emotion import EmotionEstimate
from perception.face.videos import Frame
from policies.taste.taste import Taste
from robots.quadruped import QuadrupedState

if TYPE_CHECKING:
    from apps.room_body import RoomBody
    from envs.companion.scenario import Scenario

DRIVE_S = 0.6
"""A page that drives says so again several times within this: the dog stops when nobody is there any more."""


class Session(AbstractContextManager):
    """A person, a dog, and what passes between them. Only the thread that made it may call it.

    Raises:
        ValueError: weights, behaviour table, taste or recording cannot be used.
        RuntimeError: `config.window` without a display.
    """

    def __init__(
        self,
        seed: int | None = None,
        config: SessionConfig | None = None,
        ear: Ear | None = None,
        eye: Eye | None = None,
        taste: Taste | Path | str | None = None,
        scenario: Scenario | None = None,
        recording: Recording | None = None,
    ) -> None:
        """Set the scene.

        Args:
            seed: instead of that of `config`.
            config: of the session.
            ear: instead of that of the shipped network.
            eye: instead of that of the shipped network.
            taste: instead of that of `config`.
            scenario: instead of that of `config`.
            recording: a session to be played again; what is heard and seen then counts for nothing.
        """
        config = config or SessionConfig()
        config = config if seed is None else replace(config, seed=seed)
        if recording is not None:
            config = replace(config, seed=recording.seed, person=recording.person)
            ear, eye = Deaf(), Blind()
        self.config = config
        if config.seed < 0:
            raise ValueError(f"seed {config.seed} came; a seed is 0 or more")
        self.senses = Senses(config, ear or make_ear(config), eye or StreamEye(live=config.live))
        self.decision = Decision(*make_selector(config, taste), config.seed)
        self._script = None if recording is None else self._script_of(recording)
        self.log = Log()
        self.body = _body_of(config, scenario)
        self.senses.on_the_way = self.body.hear
        self.on_sound: Callable[[str], None] = lambda name: None
        self.time, self._substep = 0.0, 0

    @cached_property
    def made_with(self) -> str:
        """By which policy, table and taste the dog moves."""
        return fingerprint(self.config, self.decision.selector, self.decision.manner)

    def _script_of(self, recording: Recording) -> Script:
        if recording.made_with != self.made_with:
            raise RecordingError(
                f"the recording was made with policy and behaviour {recording.made_with}, this session has "
                f"{self.made_with}: give it the same --policy, --table and --taste"
            )
        return Script(recording)

    @property
    def recording(self) -> Recording:
        """The session since its beginning; `log.full` says that it lasts longer than what can be kept.

        Raises:
            RecordingError: a scenario is played, whose file and seed say all that a recording could.
        """
        return self.recorded()()

    def recorded(self) -> Callable[[], Recording]:
        """Return what makes the recording up to now, which may take seconds, in any thread.

        Raises:
            RecordingError: as `recording`.
        """
        if played := self.happened.get("scenario"):
            raise RecordingError(f"play scenario {played!r} again with seed {self.config.seed}: it is a recording")
        log, end, config = self.log.copy(), self.log.end(self._substep), self.config
        return lambda: Recording(config.seed, config.person, self.made_with, end, log.events())

    def _note(self, what: str, *value: Any) -> None:
        self.log.note(Event(self._substep, what, list(value)))

    @property
    def estimate(self) -> EmotionEstimate | None:
        """The dog's estimate of the person's feeling."""
        return self.decision.estimate

    @property
    def state(self) -> QuadrupedState:
        """How the trunk and the legs are, as of the last control step."""
        return self.body.state

    @property
    def playing(self) -> Playing | None:
        """The sound that is heard."""
        return self.senses.playing

    @property
    def clip(self) -> str | None:
        """Name of the sound that was played last."""
        return self.senses.clip

    @property
    def sounds(self) -> list[tuple[float, str]]:
        """The dog's sounds: when each began, s, and its name."""
        return self.decision.sounds

    def reset(self) -> None:
        """Begin again: dog at its start, nothing heard, nothing set by hand."""
        self.time, self._substep = 0.0, 0
        self.log.clear()
        if self._script is not None:
            self._script.rewind()
        self.senses.reset()
        self.decision.reset()
        self.body.reset()

    def play_audio(self, sound: Audio, rate_hz: int = EAR_RATE_HZ, name: str = "") -> float:
        """Let the dog hear a file, its bytes, or samples (N,) at `rate_hz`, from now on, in its own time.

        Returns:
            How long the sound lasts, s. A sound that is still playing is replaced.

        Raises:
            SoundError: it cannot be read, is empty, not finite, or longer than `config.max_sound_s`.
        """
        return self.senses.play_audio(sound, rate_hz, name)

    def push_audio(self, samples: np.ndarray) -> None:
        """Take live samples (N,) float32 at 16 kHz from a microphone; the oldest are dropped when they pile up."""
        self.senses.push_audio(samples)

    def show_image(self, picture: Image) -> None:
        """Show the dog a picture of the person, now: a file, its bytes, or BGR (H, W, 3) uint8.

        Raises:
            PictureError: it cannot be read, or is no picture.
        """
        self.senses.show_image(picture, self.time)

    def push_frame(self, picture: np.ndarray) -> None:
        """Take a picture (H, W, 3) uint8 BGR of a live camera; while a film runs, the dog looks at that."""
        self.senses.push_frame(picture, self.time)

    def play_video(self, frames: Iterable[Frame | None]) -> None:
        """Show the dog the frames of a video, from now on, in its own time; None stands for "not decoded yet".

        A frame that cannot be read ends the film and raises PictureError out of the step that meets it.
        """
        self.senses.play_video(frames, self.time)

    def stop_playing(self) -> None:
        """Stop the sound and the film that are playing."""
        self.senses.stop()

    def feel(self, emotion: str | None) -> None:
        """Set by hand what the dog believes the person feels; None gives it back to the ear.

        Raises:
            ValueError: no such emotion.
        """
        self.decision.set_by_hand(self.decision.manual._replace(emotion=emotion))
        self._note("feel", emotion)

    def choose_gait(self, gait: str | None) -> None:
        """Set the gait by hand; None gives it back to the behaviour.

        Raises:
            ValueError: no such gait.
        """
        self.decision.set_by_hand(self.decision.manual._replace(gait=gait))
        self._note("choose_gait", gait)

    def choose_speed(self, speed: float | None) -> None:
        """Set the forward speed by hand, m/s; None gives the legs back to the behaviour.

        Raises:
            ValueError: outside the range of the body, or no number.
        """
        self.decision.drive((speed, None, None))
        self._note("choose_speed", speed)

    def drive(self, velocity: Sequence[float], seconds: float = DRIVE_S) -> None:
        """Drive the legs by hand for a while of the session's time; they stand then until they are driven again.

        `choose_speed(None)` gives them back to the behaviour. The velocity is forward and to the left, m/s, and
        counter-clockwise, rad/s: a `VelocityCommand`.

        Raises:
            ValueError: outside the range of the body, or no number.
        """
        self.decision.drive(velocity, self.time + seconds)
        self._note("drive", [float(value) for value in velocity], seconds)

    def push(self, direction_rad: float | None = None, speed: float = 0.8) -> None:
        """Shove the dog: `speed` m/s in a direction of its own frame (0: forward, pi/2: left), random when None.

        Raises:
            ValueError: a direction or speed that is not finite, or a speed above 3 m/s.
        """
        self.body.push(direction_rad, speed)
        self._note("push", direction_rad, speed)

    def fetch(self, colour: str) -> None:
        """Send the dog for the thing of a colour, in a scenario's room.

        Raises:
            ValueError: nothing of the colour lies there, or there is no room.
        """
        self.body.fetch(colour)

    def advance(self, substeps: int = SUBSTEPS) -> list[Step]:
        """Advance by physics steps of 1/250 s; the control steps that fall into them are returned."""
        steps = []
        for _ in range(substeps):
            self._play_script()
            if self._substep % SUBSTEPS == 0:
                self._control()
            self.body.world.step()
            self._substep += 1
            if self._substep % SUBSTEPS == 0:
                self.time = round(self.time + 1 / CONTROL_HZ, 6)
                steps.append(self._row(self.body.finish_step(self.decision.behaviour, self.decision.mouth(self.time))))
        return steps

    def _play_script(self) -> None:
        for event in () if self._script is None else self._script.by_hand(self._substep):
            try:
                getattr(self, event.what)(*event.value)
            except (TypeError, ValueError) as problem:
                raise RecordingError(
                    f"the recording cannot be played: {event.what} {event.value}: {problem}"
                ) from problem

    def _control(self) -> None:
        if (voice := self.body.says(self.time)) is not None:
            self.play_audio(voice)
        sensed = self.senses.step(self.time) if self._script is None else self._script.sensed(self._substep)
        if sensed.voices or sensed.faces:
            self.log.note(sensed_event(self._substep, sensed))
        sound = self.decision.step(sensed, self.time)
        if sound is not None:
            self.on_sound(sound)
        self.body.move(self.decision, self.time)

    def run(self, seconds: float, watch: Callable[[Step], None] | None = None) -> Timeline:
        """Let `seconds` pass; `watch` is called after every control step."""
        began = time.perf_counter()
        steps: list[Step] = []
        for _ in range(round(seconds * CONTROL_HZ)):
            steps += self.advance()
            if watch is not None:
                watch(steps[-1])
        factor = seconds / max(time.perf_counter() - began, 1e-9)
        return Timeline(self.clip, self.config.seed, steps, list(self.sounds), factor)

    def record(
        self, path: str | Path, seconds: float = 10.0, progress: Callable[[float], None] | None = None
    ) -> Timeline:
        """Let `seconds` pass and film them as an MP4, with sound; `progress` is called with the share done, 0..1."""
        return film(self, Path(path), seconds, progress)

    def _row(self, fallen: bool) -> Step:
        decided = self.decision
        return Step(
            t=round(self.time, 2),
            **felt(decided.estimate),
            behaviour=decided.behaviour.name,
            gait=decided.gait,
            frequency=round(self.body.frequency_hz, 4),
            height=round(self.body.height_m, 4),
            vx=round(self.state.heading_velocity[0], 4),
            fallen=fallen,
        )

    def snapshot(self) -> Snapshot:
        """Return everything that a viewer needs, at this moment."""
        decided = self.decision
        belief = decided.feelings.at(self.time)
        shown = decided.shown(belief)
        return Snapshot(
            self.time,
            self.body.link_poses().astype(np.float32),
            self._row(self.body.fallen)._replace(**felt(shown)),
            decided.behaviour.says,
            shown,
            belief.unsure and decided.manual.emotion is None,
            belief.agreement,
            self.senses.ear.hearing,
            self.senses.recent_sight(self.time),
            None if self.playing is None else self.playing.progress(EAR_RATE_HZ),
            decided.manual,
            self.body.face,
            decided.command.vx,
            self.body.telemetry(),
        )

    @property
    def happened(self) -> dict[str, Any]:
        """Name the scenario and what went on in it, as JSON has them; nothing where there is none."""
        return self.body.happened

    def picture(self, width: int = 480, height: int = 360) -> np.ndarray:
        """Render the dog: (height, width, 3) uint8 RGB."""
        return self.body.picture(width, height)

    def show(self) -> None:
        """Bring Bullet's own window up to date."""
        self.body.show()

    def close(self) -> None:
        """Let go of the physics, the ear and the eye. Closing twice is harmless."""
        self.senses.close()
        self.body.world.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _body_of(config: SessionConfig, scenario: Scenario | None) -> Body | RoomBody:
    """Make the body that is asked for; a room loads what a dog on an empty plain does without.

    Raises:
        ValueError: no such policy, or none in a room.
        ScenarioError: the scenario cannot be played.
    """
    if scenario is None and config.scenario is None:
        return Body(config, choose_legs(config.policy))
    from apps.room_body import RoomBody
    from envs.companion.scenario import Scenario

    return RoomBody(config, scenario or Scenario.load(Path(str(config.scenario))))
