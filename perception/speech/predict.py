"""Judge sound files window by window and keep the result as a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import tyro

from perception.command import CommandError, Failure, FoundFiles, check_run, search_files
from perception.emotion import LABELS, EmotionEstimate
from perception.media import holds
from perception.progress import track
from perception.rows import Form, RowWriter
from perception.speech.audio import SUFFIXES, SoundError, stream_sound
from perception.speech.model import DEFAULT_FOLDER, SpeechEmotionModel
from perception.speech.speaker import Speaker
from perception.speech.speech_detector import LEAST_SPEECH
from perception.speech.stream import SpeechStream
from perception.speech.windows import WindowConfig
from perception.verdict import Tally, Verdict, print_verdicts

COLUMNS = ("file", "start_s", "end_s", "label", "confidence", "valence", "arousal", *(f"p_{name}" for name in LABELS))


@dataclass(frozen=True)
class PredictConfig:
    """Emotion of sound files, or of all sound files in folders and below.

    Prints a verdict on each file: the mean over its 3 s windows. --csv and --json keep the windows, one row each half
    second while somebody speaks: file, start_s, end_s, label, confidence, valence, arousal and the probability of each
    emotion. Silence gives no row. Long files are read piece by piece. A file that cannot be read is reported on stderr,
    the others continue, and the exit status is 2.
    """

    source: tyro.conf.Positional[tuple[Path, ...]]
    """Sound files (wav, flac, ogg, mp3, webm, m4a, 3gp, wma, ...) or folders of them; what is in a file counts, not its
    ending."""
    csv: Path | None = None
    """Write the rows as CSV to this file; - is stdout."""
    json: Path | None = None
    """Write the rows as one JSON object, {"rows": [...]}, to this file; - is stdout."""
    weights: Path = DEFAULT_FOLDER
    """Folder of the trained weights."""
    windows: WindowConfig = field(default_factory=lambda: WindowConfig(hop_s=0.5))
    """Windows and voice gate."""
    least_speech: float = LEAST_SPEECH
    """Windows that are less likely than this to be speech at all give no row; 0 judges whatever is loud enough."""
    speaker: Path | None = None
    """A voice that empaw enrol voice wrote, if all files are of that voice."""
    threads: int = 1
    """Processor cores to use."""


class PredictResult(NamedTuple):
    """Count files and rows, name the files that have no voice in them or could not be read, and judge the others."""

    files: int
    rows: int
    silent: list[Failure]
    failures: list[Failure]
    verdicts: list[Verdict]
    left_out: str


def find_sounds(sources: Sequence[Path]) -> FoundFiles:
    """List the sound files to judge: files as they are named, and those in folders and below, by content or ending.

    Raises:
        SoundError: no source came, or the folders hold no sound.
    """
    if not sources:
        raise SoundError("no files came; name sound files, or folders of them.")
    found = search_files(sources, SUFFIXES, lambda path: holds(path, "audio"))
    if not found.files:
        where = ", ".join(map(str, sources))
        raise SoundError(f"{where} holds no sound files{found.left_out}. Name sound files, or another folder.")
    return found


def estimates(path: Path, stream: SpeechStream) -> Iterator[EmotionEstimate]:
    """Judge one file from its start; memory does not grow with its length.

    Raises:
        SoundError: the file is no usable sound; what came before the damage has been yielded.
    """
    stream.reset()
    for samples in stream_sound(path):
        yield from stream.push(samples)
    yield from stream.finish()


def to_row(path: Path, window_s: float, estimate: EmotionEstimate) -> dict[str, str | float]:
    """Lay out one estimate under `COLUMNS`; times in seconds."""
    numbers = {f"p_{name}": round(float(p), 4) for name, p in zip(LABELS, estimate.probabilities, strict=True)}
    return {
        "file": str(path),
        "start_s": round(max(0.0, estimate.time_s - window_s), 2),
        "end_s": round(estimate.time_s, 2),
        "label": estimate.label,
        "confidence": round(estimate.confidence, 4),
        "valence": round(estimate.valence, 4),
        "arousal": round(estimate.arousal, 4),
        **numbers,
    }


def main(config: PredictConfig) -> PredictResult:
    """Judge the files, write the rows, and print a verdict on each file unless rows go to stdout.

    Raises:
        SoundError: the folders hold no sound files.
        WeightsError: the weights cannot be used.
        CommandError: a setting or an output cannot be used; raised before the work.
    """
    import torch

    check_run(config.threads)
    files, *_ = found = find_sounds(config.source)
    targets = _targets(config, files)
    torch.set_num_threads(config.threads)
    model = SpeechEmotionModel.load(config.weights)
    speaker = None if config.speaker is None else Speaker.load(config.speaker)
    if speaker is not None:
        model.check_speaker(speaker)
    with ExitStack() as stack:
        writers = [stack.enter_context(RowWriter(path, COLUMNS, form)) for path, form in targets]
        stream = SpeechStream(model, config=config.windows, least_speech=config.least_speech, speaker=speaker)
        result = _judge(files, stream, config.windows.window_s, writers)
    result = result._replace(left_out=found.left_out)
    if not any(str(path) == "-" for path, _ in targets):
        print_verdicts(result.verdicts)
    return result


def _targets(config: PredictConfig, files: Sequence[Path]) -> list[tuple[Path, Form]]:
    """List where to write, and in which form; refuse places that would spoil one another."""
    asked: tuple[tuple[Path | None, Form], ...] = ((config.csv, "csv"), (config.json, "json"))
    targets = [(path, form) for path, form in asked if path is not None]
    places = [Path(os.path.realpath(path)) if str(path) != "-" else path for path, _ in targets]
    if len(set(places)) < len(places):
        raise CommandError(f"--csv and --json both came as {config.csv}; give each a place of its own.")
    sounds = {Path(os.path.realpath(path)) for path in files}
    for place in places:
        if place in sounds:
            raise CommandError(f"{place} is a sound to be judged and would be overwritten. Name another output.")
    return targets


def _judge(files: Sequence[Path], stream: SpeechStream, window_s: float, writers: Sequence[RowWriter]) -> PredictResult:
    total, silent, failures = 0, [], []
    verdicts: list[Verdict] = []
    for path in track(files, "judging files") if len(files) > 1 else files:
        tally, rows = Tally(), 0
        try:
            for estimate in estimates(path, stream):
                row = to_row(path, window_s, estimate)
                for writer in writers:
                    writer.write(row)
                tally.add(estimate)
                rows += 1
        except SoundError as error:
            failures.append(Failure(path, str(error)))
        else:
            if not rows:
                silent.append(Failure(path, _why_silent(stream)))
        verdicts += tally.verdicts(path)
        total += rows
    return PredictResult(len(files), total, silent, failures, verdicts, "")


def _why_silent(stream: SpeechStream) -> str:
    if stream.speech is not None:
        return f"what is loud in it is no speech ({stream.speech:.2f} likely)"
    return "less than 0.6 s of voice in its loudest 3 s"


def report(result: PredictResult) -> int:
    """Tell on stderr what could not be judged; exit status 2 where a file failed."""
    for path, reason in result.silent:
        print(f"no voice: {path} ({reason})", file=sys.stderr)
    for failure in result.failures:
        print(f"error: {failure.reason}", file=sys.stderr)
    done = result.files - len(result.failures)
    print(f"{result.rows} windows from {done} of {result.files} files{result.left_out}", file=sys.stderr)
    return 2 if result.failures else 0
