"""Judge picture and video files frame by frame and keep the result as a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import tyro

from perception.command import CommandError, Failure, FoundFiles, check_run, one_core, search_files
from perception.emotion import LABELS
from perception.face import pictures, videos
from perception.face.detector import FaceDetector
from perception.face.model import DEFAULT_FOLDER, FaceEmotionModel
from perception.face.pictures import PictureError, is_picture, read_picture
from perception.face.stream import FaceReading, FaceStream, StreamConfig
from perception.face.videos import Frame, is_video, read_video
from perception.media import holds
from perception.progress import track
from perception.rows import RowWriter
from perception.verdict import Tally, Verdict, print_verdicts

SUFFIXES = pictures.SUFFIXES | videos.SUFFIXES
COLUMNS = (
    "file", "frame", "time_s", "label", "confidence", "valence", "arousal", "reason", "reliability", "faces", "person",
    "x", "y", "width", "height", *(f"p_{name}" for name in LABELS),
)  # fmt: skip


@dataclass(frozen=True)
class PredictConfig:
    """Emotion of the largest face in pictures and videos, or in all of them in folders and below.

    Prints a verdict on each file: the mean over its frames. --csv keeps a row for each frame. Where there is no face,
    or it is too small, blurred or turned away, the label is empty and "reason" says why. "reliability" is below 1 for
    faces that are small or soft; their confidence is lowered. p_calm is always 0: no pictures of calm were there to
    learn from, so a calm face counts as neutral. A file that cannot be read is reported on stderr, the others continue,
    and the exit status is 2.
    """

    source: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures (jpg, png, bmp, webp, tiff, heic, avif), videos (mp4, mov, webm, mkv, avi, 3gp, gif, ...), or folders of
    them; what is in a file counts, not its ending."""
    csv: Path | None = None
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
    """Counts of files, rows and rows with an estimate; verdicts; and which files show no face or failed."""

    files: int
    rows: int
    judged: int
    failures: list[Failure]
    verdicts: list[Verdict]
    faceless: list[Failure]
    left_out: str


def find_files(sources: Sequence[Path]) -> FoundFiles:
    """List the files to judge: files as they are named, and those in folders and below, by content or ending.

    Raises:
        PictureError: no source came, or the folders hold none.
    """
    if not sources:
        raise PictureError("no files came; name pictures or videos, or folders of them.")
    found = search_files(sources, SUFFIXES, _shows)
    if not found.files:
        where = ", ".join(map(str, sources))
        raise PictureError(
            f"{where} holds no pictures or videos{found.left_out}. Name pictures or videos, or another folder."
        )
    return found


def _shows(path: Path) -> bool:
    with path.open("rb") as handle:
        return is_picture(handle.read(400)) or holds(path, "video")


def frames_of(path: Path) -> Iterator[Frame]:
    """Frames of a video or an animated picture, or the one frame of a picture.

    Raises:
        PictureError: the file is neither; what came before the damage has been yielded.
    """
    if is_video(path):
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
    files, *_ = found = find_files(config.source)
    if config.csv is not None and Path(os.path.realpath(config.csv)) in {Path(os.path.realpath(p)) for p in files}:
        raise CommandError(f"{config.csv} is a file to be judged and would be overwritten. Name another output.")
    writer = None if config.csv is None else RowWriter(config.csv, COLUMNS)
    one_core(config.threads)
    stream = FaceStream(
        FaceEmotionModel.load(config.weights), FaceDetector(most_side=config.detect_side), config.stream
    )
    with writer or nullcontext():
        result = _judge(files, stream, config.every, writer)
    if str(config.csv) != "-":
        print_verdicts(result.verdicts)
    return result._replace(left_out=found.left_out)


def _judge(files: Sequence[Path], stream: FaceStream, every: int, writer: RowWriter | None) -> PredictResult:
    rows, judged, failures = 0, 0, []
    verdicts: list[Verdict] = []
    faceless: list[Failure] = []
    for path in track(files, "judging files") if len(files) > 1 else files:
        tally, reason = Tally(), ""
        try:
            for number, reading in readings(path, stream, every):
                if writer is not None:
                    writer.write(to_row(path, number, reading))
                rows += 1
                if reading.estimate is not None:
                    judged += 1
                    tally.add(reading.estimate)
                reason = reading.reason
        except PictureError as error:
            failures.append(Failure(path, str(error)))
        else:
            if not tally.verdicts(path):
                faceless.append(Failure(path, reason))
        verdicts += tally.verdicts(path)
    return PredictResult(len(files), rows, judged, failures, verdicts, faceless, "")


def report(result: PredictResult) -> int:
    """Tell on stderr what could not be judged; exit status 2 where a file failed."""
    for path, reason in result.faceless:
        print(f"no face to judge: {path} ({reason})", file=sys.stderr)
    for failure in result.failures:
        print(f"error: {failure.reason}", file=sys.stderr)
    done = result.files - len(result.failures)
    counts = f"{result.rows} frames from {done} of {result.files} files, {result.judged} with an estimate"
    print(f"{counts}{result.left_out}", file=sys.stderr)
    return 2 if result.failures else 0
