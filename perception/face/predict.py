"""Judge picture and video files frame by frame and keep the result as a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import tyro

from perception import command
from perception.command import CommandError, Failure, check_run, one_core
from perception.emotion import LABELS
from perception.face import pictures, videos
from perception.face.detector import FaceDetector
from perception.face.model import DEFAULT_FOLDER, FaceEmotionModel
from perception.face.pictures import PictureError, read_picture
from perception.face.stream import FaceReading, FaceStream, StreamConfig
from perception.face.videos import Frame, read_video
from perception.progress import track
from perception.rows import RowWriter

SUFFIXES = pictures.SUFFIXES | videos.SUFFIXES
COLUMNS = (
    "file", "frame", "time_s", "label", "confidence", "valence", "arousal", "reason", "reliability", "faces", "person",
    "x", "y", "width", "height", *(f"p_{name}" for name in LABELS),
)  # fmt: skip


@dataclass(frozen=True)
class PredictConfig:
    """Emotion of the largest face in every frame of a picture, a video, or all of them in a folder and below.

    One row for each frame. Where there is no face, or it is too small, blurred or turned away, the label is empty and
    "reason" says why. "reliability" is below 1 for faces that are small or soft; their confidence is lowered. p_calm is
    always 0: no pictures of calm were there to learn from, so a calm face counts as neutral. A file that cannot be
    read is reported on stderr, the others continue, and the exit status is 2.
    """

    source: tyro.conf.Positional[Path]
    """A picture (jpg, png, bmp, webp, tiff), a video (mp4, mov, webm, mkv, avi, gif, ...), or a folder of them."""
    csv: Path = Path("-")
    """Write the rows to this file; - is stdout."""
    every: int = 1
    """Judge every so many frames of a video."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights."""
    stream: StreamConfig = field(default_factory=StreamConfig)
    """Smoothing, and which faces are judged."""
    detect_side: int = 320
    """Pictures are scaled down to so many pixels to find faces; raise it for faces far away: 640 takes four times
    longer."""
    threads: int = 1
    """Processor cores to use."""

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 1_000_000:
            raise ValueError(f"every is {self.every}; allowed are 1 (each frame) to 1000000.")


class PredictResult(NamedTuple):
    """Counts: how many files and rows came out, how many rows have an estimate, and which files failed."""

    files: int
    rows: int
    judged: int
    failures: list[Failure]


def find_files(source: Path) -> list[Path]:
    """List the files to judge: the file itself, or the pictures and videos in the folder and below, sorted.

    Raises:
        PictureError: the folder holds none.
    """
    found = command.find_files(source, SUFFIXES)
    if not found:
        raise PictureError(
            f"{source} holds no pictures or videos; looked for {', '.join(sorted(SUFFIXES))}. Name another folder."
        )
    return found


def frames_of(path: Path) -> Iterator[Frame]:
    """Frames of a video or an animated picture, or the one frame of a picture.

    Raises:
        PictureError: the file is neither; what came before the damage has been yielded.
    """
    if path.suffix.lower() in videos.SUFFIXES:
        yield from read_video(path)
    else:
        yield Frame(read_picture(path), 0, 0.0)


def readings(path: Path, stream: FaceStream, every: int = 1) -> Iterator[tuple[int, FaceReading]]:
    """Judge one file from its start: (number of the frame, reading); memory does not grow with its length.

    Raises:
        PictureError: as for `frames_of`.
    """
    stream.reset()
    for frame in frames_of(path):
        if frame.number % every == 0:
            yield frame.number, stream.push(frame.picture, frame.time_s)


def to_row(path: Path, frame: int, reading: FaceReading) -> dict[str, str | float]:
    """Lay out one reading under `COLUMNS`; times in seconds, boxes in pixels; what is not known is left out."""
    row: dict[str, str | float] = {
        "file": str(path),
        "frame": frame,
        "time_s": round(reading.time_s, 3),
        "reason": reading.reason,
        "reliability": round(reading.reliability, 3),
        "faces": reading.faces,
        "person": reading.person,
    }
    if reading.face is not None:
        row |= {name: round(v, 1) for name, v in zip(("x", "y", "width", "height"), reading.face.box, strict=True)}
    if reading.estimate is not None:
        e = reading.estimate
        row |= {"label": e.label} | {name: round(getattr(e, name), 4) for name in ("confidence", "valence", "arousal")}
        row |= {f"p_{name}": round(float(p), 4) for name, p in zip(LABELS, e.probabilities, strict=True)}
    return row


def main(config: PredictConfig) -> PredictResult:
    """Judge the files and write the rows.

    Raises:
        PictureError: a folder holds nothing to judge.
        WeightsError: the weights cannot be used.
        CommandError: a setting or the output cannot be used; raised before the work.
    """
    check_run(config.threads)
    files = find_files(config.source)
    if str(config.csv) != "-" and Path(os.path.realpath(config.csv)) in {Path(os.path.realpath(p)) for p in files}:
        raise CommandError(f"{config.csv} is a file to be judged and would be overwritten. Name another output.")
    writer = RowWriter(config.csv, COLUMNS)
    one_core(config.threads)
    stream = FaceStream(
        FaceEmotionModel.load(config.weights), FaceDetector(most_side=config.detect_side), config.stream
    )
    with writer:
        return _judge(files, stream, config.every, writer)


def _judge(files: Sequence[Path], stream: FaceStream, every: int, writer: RowWriter) -> PredictResult:
    rows, judged, failures = 0, 0, []
    for path in track(files, "judging files") if len(files) > 1 else files:
        try:
            for number, reading in readings(path, stream, every):
                writer.write(to_row(path, number, reading))
                rows += 1
                judged += reading.estimate is not None
        except PictureError as error:
            failures.append(Failure(path, str(error)))
    return PredictResult(len(files), rows, judged, failures)


def report(result: PredictResult) -> int:
    """Tell on stderr what could not be judged; exit status 2 where a file failed."""
    for failure in result.failures:
        print(f"error: {failure.reason}", file=sys.stderr)
    done = result.files - len(result.failures)
    print(
        f"{result.rows} frames from {done} of {result.files} files, {result.judged} with an estimate", file=sys.stderr
    )
    return 2 if result.failures else 0
