"""The companion in a furnished room, where a session has a person, a dog with a neck, and things on the floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from apps.body import shove
from apps.config import SessionConfig
from apps.decision import Decision
from apps.timeline import Telemetry
from control.dog import CONTROL_HZ
from envs.companion.acoustics import RATE_HZ
from envs.companion.noises import noise
from envs.companion.person import Action, Sit, Stand, TurnTo, WalkTo
from envs.companion.room import Furniture, Room, furnish, place_on_floor
from envs.companion.scenario import COLOURS, PAINTS, Doing, Scenario, ScenarioError, Toy
from envs.companion.stage import Thing
from envs.companion.world import SAMPLES_PER_STEP, CompanionWorld
from geometry.objects import ObjectModel, load_objects
from perception.completion.model import CompletionModel
from perception.sound.array import HeadPose, MicArray
from perception.sound.doa import DoaStream
from policies.attention import Attention, Listener
from policies.behaviour import Behaviour, BehaviourSelector
from policies.executive import Executive
from policies.fetching.errand import FetchEvent
from policies.fetching.fetch import Fetcher
from policies.fetching.mouth_plan import MouthPlanner
from policies.locomotion.controller import learned_legs
from policies.navigation.walking import Walker
from robots.companion import companion_links
from robots.expression import POSTURES, ExpressiveBody
from robots.face import FACES, FaceParameters
from robots.quadruped import QuadrupedState
from robots.shapes import Link, Skin

_SAMPLES = Path(__file__).resolve().parents[1] / "assets" / "samples"
_LONGEST_WAY_S = 60.0
"""For so long a feeling is answered while the dog is on its way to do so."""
_ODD_S = 0.8
"""A sound that is no voice by then is none: it takes a moment to tell."""
_BESIDE_M = 0.75
"""So far from furniture stands who walks up to it."""


class Happening(NamedTuple):
    """Something in the room, for the log of a run."""

    t: float
    stage: str
    what: str
    ok: bool
    why: str = ""


class _Noise(NamedTuple):
    """A sound that is no voice: when it begins, s, its samples, and where it is, m."""

    begins: float
    samples: np.ndarray
    place: tuple[float, ...]

    def at(self, time_s: float) -> np.ndarray:
        """Return its next 20 ms, or what is left of it; nothing before and after."""
        first = round((time_s - self.begins) * RATE_HZ)
        return self.samples[max(first, 0) : first + SAMPLES_PER_STEP] if first >= 0 else self.samples[:0]


class RoomBody:
    """World, person and dog of a scenario; it stands where `apps.body.Body` stands.

    Attributes:
        state: of the legs, as of the last control step.
        happenings: what went on, oldest first.
    """

    def __init__(self, config: SessionConfig, scenario: Scenario) -> None:
        """Furnish the room.

        Raises:
            ValueError: no such policy, or none.
            ScenarioError: something in the scenario is not to be had.
        """
        self._config, self.scenario, self._legs = config, scenario, learned_legs(config.policy)
        self.room = furnish(scenario.room, np.random.default_rng((config.seed, 3)))
        rng = np.random.default_rng((config.seed, 4))
        self._things = tuple(_thing(toy, self.room, rng) for toy in scenario.toys)
        self._completion = CompletionModel.load()
        self._open()

    def _open(self) -> None:
        self.inside = CompanionWorld(self.room, self._things, legs=self._legs, seed=self._config.seed)
        self.world = self.inside.world
        walker = Walker()
        self.fetcher = Fetcher(MouthPlanner(), self._completion, walker, self.inside.camera.camera)
        self.executive = Executive(self.fetcher, walker)
        self._listener, self._doa = Listener(), DoaStream(MicArray())
        self._expression = ExpressiveBody(
            self.inside.dog.body.spec.trunk_size_m, np.random.default_rng(self._config.seed)
        )
        self._rng = np.random.default_rng((self._config.seed, 5))
        self._attention, self._look, self._lying_s = Attention(), False, 0.0
        self._noises = {
            f"{sound.kind} {number}": _Noise(sound.at, noise(sound.kind, sound.seconds, self._rng), (*sound.place, 1.0))
            for number, sound in enumerate(self.scenario.sounds)
        }
        self._voices = list(self.scenario.voices)
        self._doings, self._errands = list(self.scenario.doings), list(self.scenario.errands)
        self._told, self._met, self._offered = 0, False, False
        self._stayed_s, self._odd_s = 0.0, 0.0
        self.happenings: list[Happening] = []
        self.links = (
            *companion_links(self.inside.dog.body.spec, self.inside.dog.body.neck),
            *self.inside.stage.person.links,
            *(Link(f"furniture_{n}", piece.shapes) for n, piece in enumerate((*self.room.walls, *self.room.furniture))),
            *(
                _looks(f"thing_{n}", *pair)
                for n, pair in enumerate(zip(self.inside.stage.models, self._things, strict=True))
            ),
        )
        self._standing = np.array([_pose(piece) for piece in (*self.room.walls, *self.room.furniture)])

    def reset(self) -> None:
        """Begin the scenario again."""
        self.world.close()
        self._open()

    @property
    def person(self) -> np.ndarray:
        """(2,) m: where the person is."""
        return self.inside.person

    @property
    def state(self) -> QuadrupedState:
        """How the trunk and the legs are."""
        return self.inside.state.legs

    @property
    def fallen(self) -> bool:
        """Whether the dog lies on the ground."""
        return self.inside.fallen

    @property
    def height_m(self) -> float:
        """Height of the trunk above the ground."""
        trunk = self.inside.state.T_world_trunk[:3, 3]
        return float(trunk[2]) - self.room.height(trunk[:2]) - self.inside.dog.body.spec.foot_radius_m

    @property
    def frequency_hz(self) -> float:
        """How often a leg steps."""
        return float(self.inside.dog.legs.gait.frequency_hz)

    @property
    def face(self) -> FaceParameters:
        """What the screen shows."""
        return self._expression.shown_face

    def hear(self, samples: np.ndarray, speech: float | None) -> np.ndarray:
        """Let the person say the next 20 ms, (320,) at 16 kHz; returns what the dog's first microphone hears."""
        inside, now = self.inside, self.inside.time_s
        sounds = {"person": (samples.astype(float), inside.stage.person.mouth)} if samples.any() else {}
        for name, other in self._noises.items():
            chunk = other.at(now)
            if len(chunk):
                sounds[name] = (np.pad(chunk, (0, SAMPLES_PER_STEP - len(chunk))), np.array(other.place))
        mics = np.clip(inside.hear(sounds), -1.0, 1.0)
        directions = self._doa.push(mics, HeadPose(*inside.believed_head))
        self._attention = self._listener.step(directions, speech, now)
        return mics[0].astype(np.float32)

    def says(self, time_s: float) -> Path | None:
        """Return the sound that the person says from now on, as the scenario has it; None most of the time."""
        if not self._voices or self._voices[0].at > time_s:
            return None
        voice = self._voices.pop(0)
        self._note("voice", voice.feeling or Path(voice.file).name, True)
        return _SAMPLES / f"{voice.feeling}.flac" if voice.feeling else Path(voice.file)

    def push(self, direction_rad: float | None, speed: float) -> None:
        """Shove the dog; see `Session.push`."""
        self.inside.dog.body.push(shove(direction_rad, speed, self.state.yaw, self._rng))

    def fetch(self, colour: str) -> None:
        """Send the dog for the thing of a colour.

        Raises:
            ValueError: nothing of the colour lies here, or it fetches something already.
        """
        if colour not in self.toys:
            raise ValueError(f"colour {colour!r} came; things lie here in {', '.join(self.toys) or 'no colour'}")
        if self.fetcher.busy:
            raise ValueError("the dog fetches something already: wait until it is done, or begin again")
        self._send(colour)

    def _send(self, colour: str) -> None:
        """Send the dog for a thing, which need not be there; who was never met has it brought to where it was asked."""
        person = self.executive.person
        self.fetcher.start(COLOURS[colour], self.inside.odometry.place if person is None else person)
        self._told = 0
        self._note("fetch", colour, True)

    def move(self, decision: Decision, time_s: float) -> None:
        """Give the body its next targets, as the executive does what was decided."""
        self._play(time_s)
        decision.lapse(time_s)
        manual = decision.manual
        sensing = self.inside.sense(self._look)
        action = self.executive.step(sensing, decision.behaviour, self._attention, (manual.gait, manual.velocity))
        self._look = action.look
        estimate = decision.estimate
        if estimate is not None and self.executive.on_its_way and time_s - estimate.time_s < _LONGEST_WAY_S:
            decision.selector.keep(time_s)
        self._follow(decision, time_s)
        if action.legs is None and not self.fetcher.busy and (manual.gait, manual.velocity) == (None, None):
            styled = decision.manner.step(decision.behaviour, action.velocity, action.style, time_s)
            action = action._replace(velocity=self.executive.bounded(sensing, styled[0]), style=styled[1])
        decision.command, decision.gait = action.velocity, action.style.name
        self.inside.command(action)
        for event in self.fetcher.events[self._told :]:
            self._tell(event)

    def _follow(self, decision: Decision, time_s: float) -> None:
        """Let one behaviour lead to another: what is begun is shown until it is over, what is noticed for a moment."""
        selector, attention = decision.selector, self._attention
        if self.fetcher.busy:
            if not selector.held:
                selector.hold("fetch", time_s)
            return
        if selector.held:
            selector.go_on(time_s, self.fetcher.stage == "delivered")
        if self.executive.person is not None and not self._met:
            self._met = True
            selector.notice("met", time_s)
        odd = attention.azimuth_rad is not None and not attention.voice
        self._odd_s = self._odd_s + 1 / CONTROL_HZ if odd else 0.0
        if self._odd_s > _ODD_S:
            selector.notice("sound", time_s)
        self._go_on(selector, decision.behaviour, time_s)

    def _go_on(self, selector: BehaviourSelector, behaviour: Behaviour, time_s: float) -> None:
        """Once the dog has come to somebody and stayed a while, go on to what the table says."""
        table, status = selector.table, self.executive.status
        came = behaviour.goal == "approach" and self.executive.person is not None and status == "arrived"
        self._stayed_s = self._stayed_s + 1 / CONTROL_HZ if came else 0.0
        after = table.then.get(selector.name)
        if after is None or self._stayed_s < table.rules.then_s:
            return
        if after != "fetch":
            selector.go_on(time_s)
        elif not self._offered and any(toy.colour == self.scenario.favourite for toy in self.scenario.toys):
            self._offered = True
            self._send(self.scenario.favourite)

    def finish_step(self, behaviour: Behaviour, mouth: float) -> bool:
        """Take in how the step went; returns whether the dog lay."""
        self.inside.settle()
        self._expression.step(1 / CONTROL_HZ, POSTURES["neutral"], FACES[behaviour.face], 0.0, mouth)
        fallen = self.fallen
        self._lying_s = self._lying_s + 1 / CONTROL_HZ if fallen else 0.0
        if self._lying_s >= self._config.get_up_after_s:
            self._note("fall", "it got up again", False)
            self.inside.get_up()
            self._lying_s = 0.0
        return fallen

    def link_poses(self) -> np.ndarray:
        """Return (n, 7) position in m and quat_xyzw of every link in the order of `links`."""
        person = self.inside.stage.person.link_poses()
        person[:, 2] += self.room.height(self.person)
        things = np.array([np.concatenate(self.world.pose(thing)) for thing in self.inside.stage.things])
        return np.vstack([self.inside.dog.body.link_poses(), person, self._standing, things.reshape(-1, 7)])

    @property
    def toys(self) -> list[str]:
        """Colours of the things that may be sent for, the favourite first."""
        colours = dict.fromkeys(toy.colour for toy in self.scenario.toys)
        return sorted(colours, key=lambda colour: colour != self.scenario.favourite)

    @property
    def happened(self) -> dict[str, Any]:
        """The scenario's name and what went on, as JSON has them."""
        return {"scenario": self.scenario.name, "events": [event._asdict() for event in self.happenings]}

    def picture(self, width: int, height: int) -> np.ndarray:
        """Render dog and person from beside both: (height, width, 3) uint8 RGB."""
        return self.inside.picture(width, height)

    def show(self) -> None:
        """Bring Bullet's own window up to date."""
        self.world.follow(self.inside.state.T_world_trunk[:3, 3].tolist())

    def telemetry(self) -> Telemetry:
        """Return what encoders, feet and the inertial unit read."""
        return Telemetry.of(self.state, self.inside.dog.body.foot_contacts())

    def _play(self, time_s: float) -> None:
        """Let the person do, and ask for, what the scenario says."""
        while self._doings and self._doings[0].at <= time_s:
            self.inside.stage.person.ask(*self._actions(self._doings.pop(0)))
        while self._errands and self._errands[0].at <= time_s:
            errand = self._errands.pop(0)
            if self.fetcher.busy:
                self._note("fetch", errand.fetch, False, "it fetches something already")
            else:
                self._send(errand.fetch)

    def _actions(self, doing: Doing) -> tuple[Action, ...]:
        if doing.does in ("sit", "stand"):
            return (Sit() if doing.does == "sit" else Stand(),)
        if doing.does == "turn" and doing.to:
            return (TurnTo(float(np.radians(doing.to[0]))),)
        place = np.array(doing.to) if doing.to else self._where(doing.beside)
        if doing.does == "turn":
            x, y = place - self.person
            return (TurnTo(float(np.arctan2(y, x))),)
        x, y = self._before(place, doing.beside)
        away = self._where("dog") - (x, y)
        return (WalkTo((x, y)), TurnTo(float(np.arctan2(away[1], away[0]))))

    def _where(self, name: str) -> np.ndarray:
        """Where a piece of furniture or the dog is, (2,) m; the person where there is none of the name."""
        if name == "dog":
            return self.inside.state.T_world_trunk[:2, 3]
        pieces = [piece for piece in self.room.furniture if piece.name == name]
        return np.array(pieces[0].place) if pieces else self.person

    def _before(self, place: np.ndarray, beside: str) -> tuple[float, float]:
        """Stop short of what one walks up to."""
        away = self.person - place
        far = float(np.hypot(*away))
        stop = place + away / max(far, 1e-6) * min(_BESIDE_M, far) if beside else place
        return float(stop[0]), float(stop[1])

    def _tell(self, event: FetchEvent) -> None:
        self._told += 1
        self._note("fetch", event.stage, event.ok, event.why)

    def _note(self, stage: str, what: str, ok: bool, why: str = "") -> None:
        self.happenings.append(Happening(round(self.inside.time_s, 2), stage, what, ok, why))


def _pose(piece: Furniture) -> np.ndarray:
    return np.array([*piece.place, 0.0, *Rotation.from_euler("z", piece.yaw).as_quat()])


def _looks(name: str, model: ObjectModel, thing: Thing) -> Link:
    """Return what one sees of a thing, in the frame of its centre of mass."""
    corners, triangles = model.mesh.vertices.round(4).ravel(), model.mesh.triangles.ravel()
    return Link(name, (), Skin(tuple(corners.tolist()), tuple(triangles.tolist()), thing.color))


def _thing(toy: Toy, room: Room, rng: np.random.Generator) -> Thing:
    """Lay a toy where the scenario says, or somewhere free.

    Raises:
        ScenarioError: no such object.
        RuntimeError: the room has no place for it.
    """
    found = {model.name: model for model in load_objects(toy.objects).objects}
    name = toy.name or str(rng.choice(sorted(found)))
    if name not in found:
        raise ScenarioError(f"no object {name!r} came of {toy.objects}; it has {', '.join(sorted(found))}")
    x, y = toy.place if toy.place else place_on_floor(room, rng)
    yaw = float(rng.uniform(-np.pi, np.pi))
    return Thing(found[name], (x, y), yaw, toy.mass_kg, toy.friction, PAINTS[toy.colour])
