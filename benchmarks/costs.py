"""Measure the senses' costs on one core: a camera frame, a window of voice, a second of four microphones.

    empaw bench costs --faces ../shared/data/faces/fer2013.tar.gz --json benchmarks/results/costs.json

Times are of the processor, not of the clock on the wall, so that other work on the machine spoils them little; shares
are of one core. Frames have a face in them that is found and judged; pictures come decoded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from apps.gui.server import SAMPLE
from benchmarks.command import run
from benchmarks.senses import Scene, film_of
from datasets.faces import Faces, load_fer2013
from evaluation.sound.rooms import Room, Source, record, speech_like, white_noise
from perception.face.detector import FaceDetector
from perception.face.model import FaceEmotionModel
from perception.face.stream import FaceReading, FaceStream
from perception.sound.array import HeadPose, MicArray
from perception.sound.doa import DoaEstimate, DoaStream
from perception.speech.audio import RATE_HZ, read_sound
from perception.speech.model import Judgement, SpeechEmotionModel
from perception.speech.windows import WindowConfig
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption

FRAMES_PER_S = 10  # as many as the page sends
WINDOWS_PER_S = 4


@dataclass(frozen=True)
class Args(JsonOption, SeedOption):
    """Measure what the senses cost."""

    faces: Path
    """FER2013, see empaw train face --help."""
    repeats: int = 200
    """Frames, windows and seconds of sound to measure."""
    cache: Path = Path("runs/face/cache")
    """Folder that keeps the decoded pictures; may be deleted."""

    def __post_init__(self) -> None:
        if not 10 <= self.repeats <= 100_000:
            raise ValueError(f"--repeats {self.repeats} came; allowed are 10 to 100000")


def main(args: Args) -> dict:
    """Measure and return the figures."""
    import cv2

    check_writable(args.json)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(args.seed)
    faces = load_fer2013(args.faces, args.cache).of("PublicTest")
    frame_ms = spent_ms(frames(faces, rng), args.repeats, "frames")
    window_ms = spent_ms(windows(), args.repeats, "windows of voice")
    sound_ms = spent_ms(seconds_of_sound(rng), args.repeats, "seconds of sound")
    result = {
        "face_ms": frame_ms,
        "face_frames_per_s": round(1000 / frame_ms["median"], 1),
        "face_share_of_one_core": round(frame_ms["median"] * FRAMES_PER_S / 1000, 3),
        "voice_ms": window_ms,
        "voice_share_of_one_core": round(window_ms["median"] * WINDOWS_PER_S / 1000, 3),
        "direction_ms": sound_ms,
        "direction_share_of_one_core": round(sound_ms["median"] / 1000, 3),
        "repeats": args.repeats,
        "seed": args.seed,
    }
    Console(stderr=True).print(result)
    if args.json is not None:
        write_json(result, args.json)
    return result


def spent_ms(work: Callable[[], object], repeats: int, what: str) -> dict[str, float]:
    """Processor time of one call, ms: median and 95th percentile, after three calls that are not counted."""
    for _ in range(3):
        work()
    spent = []
    for _ in track(range(repeats), f"measuring {what}", console=Console(stderr=True)):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return {"median": round(float(np.median(spent)), 1), "p95": round(float(np.percentile(spent, 95)), 1)}


def frames(faces: Faces, rng: np.random.Generator) -> Callable[[], FaceReading]:
    """Judge the next frame of 320 x 240 in which a face is found, of a film of two people.

    Raises:
        ValueError: there is none.
    """
    detector = FaceDetector()
    film = [frame.picture for frame in film_of(Scene("silence", 2, "happy", 20.0), faces, rng)]
    stream = FaceStream(FaceEmotionModel.load(), detector)
    seen = [picture for picture in film if detector.detect(picture)]
    if not seen:
        raise ValueError(f"no face is found in {len(film)} frames made of PublicTest's pictures: give FER2013 as it is")
    coming = enumerate(cycle(seen))

    def work() -> FaceReading:
        number, picture = next(coming)
        return stream.push(picture, number / FRAMES_PER_S)

    return work


def windows() -> Callable[[], Judgement]:
    """Judge a whole window of the voice of the sample."""
    voice = read_sound(SAMPLE).samples
    length = round(WindowConfig().window_s * RATE_HZ)
    window = np.resize(voice, length)
    model = SpeechEmotionModel.load()
    return lambda: model.judge(window)


def seconds_of_sound(rng: np.random.Generator) -> Callable[[], list[DoaEstimate]]:
    """Follow the next second of a voice in a room, in blocks of 50 ms as a sound card gives them."""
    array = MicArray()
    voice = Source(speech_like(10.0, rng), np.array([4.0, 3.5, 1.2]))
    heard = 0.05 * record(Room(), array, HeadPose(2.0, 2.0, 0.0), voice)
    heard = np.clip(heard + 0.001 * white_noise(array, heard.shape[1], rng), -1.0, 1.0)
    stream = DoaStream(array)
    blocks = cycle(np.array_split(heard, 200, axis=1))

    return lambda: [direction for block in islice(blocks, 20) for direction in stream.push(block)]


if __name__ == "__main__":
    run(main, Args, __doc__)
