"""Is the dog unsure when nobody speaks and nobody is in sight? Ten minutes of what a home sounds and looks like.

    empaw bench senses --voices ../shared/data/speech/ravdess_16k --faces ../shared/data/faces/fer2013.tar.gz \
        --json benchmarks/results/senses.json

Scenes of speech, silence, music and noise, with nobody, one or two people before the camera, follow one another. The
voices are of actors whom the network never heard; the faces are of FER2013's PublicTest. The session is the one that
the page runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.progress import track

from apps.config import SessionConfig
from apps.session import Session
from benchmarks.command import run
from control.dog import CONTROL_HZ
from datasets import nonspeech
from datasets.faces import Faces, load_fer2013
from datasets.voices import Clip, load_ravdess
from perception.face.network import CLASSES
from perception.face.videos import Frame
from perception.speech.audio import RATE_HZ, read_sound
from perception.speech.model import held_out_actors
from robots.io import check_writable, write_json
from robots.lifetime import end_with
from robots.options import JsonOption, SeedOption

SOUNDS = ("speech", "silence", *nonspeech.KINDS)
FRAME_S = 0.2
SAMPLE_EVERY = 5  # control steps between two samples of what the session believes


@dataclass(frozen=True)
class Args(JsonOption, SeedOption):
    """Play ten minutes of mixed scenes to the dog."""

    voices: Path
    """RAVDESS folder with Actor_XX inside."""
    faces: Path
    """FER2013, see empaw train face --help."""
    minutes: float = 10.0
    """How long."""
    cache: Path = Path("runs/face/cache")
    """Folder that keeps the decoded pictures; may be deleted."""

    def __post_init__(self) -> None:
        if not 0.5 <= self.minutes <= 600:
            raise ValueError(f"--minutes {self.minutes} came; allowed are 0.5 to 600")


class Scene(NamedTuple):
    """A stretch of time: a sound, so many people in sight, and the feeling that they show."""

    sound: str
    people: int
    feeling: str
    seconds: float

    @property
    def empty(self) -> bool:
        """Nobody speaks and nobody is there."""
        return self.sound != "speech" and self.people == 0


class Belief(NamedTuple):
    """The session's belief at one moment."""

    scene: int
    label: str | None
    unsure: bool
    heard: bool  # a voice estimate came since the last sample


def scenes(minutes: float, rng: np.random.Generator) -> list[Scene]:
    """Draw scenes: half of them with speech or a face or both, half with neither."""
    out: list[Scene] = []
    while sum(scene.seconds for scene in out) < 60 * minutes:
        number = len(out)
        sound = "speech" if number % 4 in (0, 2) and rng.random() < 0.75 else str(rng.choice(SOUNDS[1:]))
        people = int(rng.integers(0, 3)) if number % 2 == 0 else 0
        out.append(Scene(sound, people, str(rng.choice(CLASSES)), float(rng.uniform(12, 28))))
    return out


def sound_of(scene: Scene, clips: list[Clip], rng: np.random.Generator) -> np.ndarray:
    """Sound of a scene (N,) float32 at 16 kHz: clips of one feeling one after the other, or none of speech."""
    count = round(scene.seconds * RATE_HZ)
    if scene.sound == "silence":
        return (1e-4 * rng.standard_normal(count)).astype(np.float32)
    if scene.sound != "speech":
        return nonspeech.make(scene.sound, scene.seconds, rng)[:count]
    same = [clip for clip in clips if clip.emotion == scene.feeling]
    said: list[np.ndarray] = []
    while sum(map(len, said)) < count:
        said.append(read_sound(same[int(rng.integers(len(same)))].path).samples)
    return np.concatenate(said)[:count]


def film_of(scene: Scene, faces: Faces, rng: np.random.Generator) -> Iterator[Frame]:
    """Frames of a scene, 320 x 240: each person is one picture of FER2013 for two seconds, then another."""
    import cv2

    rows = np.flatnonzero(faces.targets == CLASSES.index(scene.feeling))
    room = np.clip(rng.normal(120, 6, (240, 320, 3)), 0, 255).astype(np.uint8)
    picture = room
    for number in range(round(scene.seconds / FRAME_S)):
        if number % round(2.0 / FRAME_S) == 0:
            picture = room.copy()
            for person in range(scene.people):
                side, x = (140, 60) if person == 0 else (80, 225)
                crop = cv2.resize(faces.pictures[rng.choice(rows)], (side, side), interpolation=cv2.INTER_CUBIC)
                picture[50 : 50 + side, x : x + side] = crop[:, :, None]
        yield Frame(picture, number, number * FRAME_S)


def play(session: Session, index: int, scene: Scene, sound: np.ndarray, film: Iterator[Frame]) -> list[Belief]:
    """Let the session live through a scene."""
    beliefs: list[Belief] = []
    count = 0
    before = session.decision.feelings.last_time("speech")
    session.play_audio(sound)
    session.play_video(film)

    def sample(_: object) -> None:
        nonlocal count, before
        count += 1
        if count % SAMPLE_EVERY:
            return
        now, unsure = session.decision.feelings.last_time("speech"), session.snapshot().unsure
        beliefs.append(
            Belief(index, None if session.estimate is None else session.estimate.label, unsure, now != before)
        )
        before = now

    session.run(scene.seconds, sample)
    return beliefs


def figures(script: list[Scene], beliefs: list[Belief], skip_s: float) -> dict:
    """Count how often it was unsure, by what there was to judge, and whether it ever stuck to a label.

    The first `skip_s` of a scene belong to the one before: what was said then is still fresh. The share is given with
    and without them.
    """

    def share(wanted: list[Belief]) -> float | None:
        return round(float(np.mean([belief.unsure for belief in wanted])), 4) if wanted else None

    per_s = CONTROL_HZ / SAMPLE_EVERY
    place = [number for _, group in groupby(beliefs, lambda belief: belief.scene) for number, _ in enumerate(group)]
    settled = [belief for belief, number in zip(beliefs, place, strict=True) if number >= skip_s * per_s]
    empty = [belief for belief in beliefs if script[belief.scene].empty]
    judged = [belief for belief in settled if not script[belief.scene].empty]
    quiet = [belief for belief in beliefs if script[belief.scene].sound != "speech"]
    sure = [None if belief.unsure else belief.label for belief in beliefs]
    runs = [len(list(group)) / per_s for label, group in groupby(sure) if label is not None]
    ends = {belief.scene: belief for belief in judged}
    said = {scene: belief.label for scene, belief in ends.items() if not belief.unsure}
    right = [label in (script[scene].feeling, _alike(script[scene].feeling)) for scene, label in said.items()]
    return {
        "seconds": round(len(beliefs) / per_s, 1),
        "scenes": len(script),
        "abstention_when_empty": share(empty),
        "abstention_when_empty_settled": share([belief for belief in settled if script[belief.scene].empty]),
        "abstention_when_occupied": share(judged),
        "voice_false_alarm_share": round(float(np.mean([belief.heard for belief in quiet])), 4) if quiet else None,
        "labels": sorted(set(filter(None, sure))),
        "longest_on_one_label_s": round(max(runs, default=0.0), 1),
        "longest_scene_s": round(max(scene.seconds for scene in script), 1),
        "sure_at_the_end_of_scenes": round(len(said) / len(ends), 4) if ends else None,
        "right_at_the_end_of_scenes": round(float(np.mean(right)), 4) if right else None,
    }


def _alike(feeling: str) -> str:
    return "calm" if feeling == "neutral" else feeling


def public_test(args: Args) -> Faces:
    """The faces that are shown."""
    return load_fer2013(args.faces, args.cache).of("PublicTest")


def main(args: Args) -> dict:
    """Play and return the figures."""
    check_writable(args.json)
    torch.set_num_threads(1)
    held_out = held_out_actors()
    clips = [clip for clip in load_ravdess(args.voices) if clip.actor in held_out]
    # In a process of its own, or what reading takes would count as memory.
    with ProcessPoolExecutor(1, get_context("spawn"), end_with, (os.getpid(),)) as elsewhere:
        faces = elsewhere.submit(public_test, args).result()
    rng = np.random.default_rng(args.seed)
    script = scenes(args.minutes, rng)
    process = psutil.Process()
    beliefs: list[Belief] = []
    peak = 0
    console = Console(stderr=True)
    with Session(config=SessionConfig(seed=args.seed)) as session:
        fresh_s = session.decision.feelings.config.fresh_s
        for index, scene in enumerate(track(script, "scenes", console=console)):
            beliefs += play(session, index, scene, sound_of(scene, clips, rng), film_of(scene, faces, rng))
            peak = max(peak, process.memory_info().rss)
    result = {**figures(script, beliefs, fresh_s), "memory_mb": round(peak / 2**20), "seed": args.seed}
    console.print(result)
    if args.json is not None:
        write_json(result, args.json)
    return result


if __name__ == "__main__":
    run(main, Args, __doc__)
