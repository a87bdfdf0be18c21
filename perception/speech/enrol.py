"""Get to know a voice: a few clips of ordinary talk go in, a small file comes out that the other commands take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from perception.command import CommandError, FoundFiles, check_folder, check_run, search_files
from perception.media import holds
from perception.progress import track
from perception.speech.audio import SUFFIXES, SoundError, read_sound
from perception.speech.model import SpeechEmotionModel
from perception.speech.speaker import NEUTRAL_DOUBT, Speaker
from perception.speech.speech_detector import LEAST_SPEECH
from perception.speech.windows import trim_to_voice

ENOUGH = 2
"""Neutral clips from which on a voice counts as known."""


@dataclass(frozen=True)
class EnrolConfig:
    """Get to know a voice from clips of it, so that its habits are not taken for feelings.

    Two neutral clips of a few seconds are worth about three points of accuracy, a history of sixteen clips of any mood
    about four; see the evaluation. Only mean features are kept, nothing that could be listened to.
    """

    out: Path
    """File to write."""
    neutral: tuple[Path, ...] = ()
    """Sound files or folders of the voice in an even mood, one utterance each; what is in a file counts, not its
    ending."""
    history: tuple[Path, ...] = ()
    """Sound files or folders of the voice in any mood; the more different, the better."""
    add: bool = False
    """Add to the voice in --out instead of beginning a new one."""
    threads: int = 1
    """Processor cores to use."""


class Enrolled(NamedTuple):
    """The voice, where it lies, and what could not be used."""

    speaker: Speaker
    out: Path
    failures: list[str]
    left_out: str


def main(config: EnrolConfig) -> Enrolled:
    """Encode the clips and write the voice.

    Raises:
        CommandError: no clips, or an output that cannot be written; raised before the work.
        SoundError: none of the clips can be used.
        WeightsError: the shipped weights, or the voice to add to, cannot be used.
    """
    import torch

    check_run(config.threads)
    sources = ((_find(config.neutral), True), (_find(config.history), False))
    files = [(path, neutral) for found, neutral in sources if found is not None for path in found.files]
    left_out = "".join(found.left_out for found, _ in sources if found is not None)
    if not files:
        raise CommandError(f"no clips came; give --neutral or --history sound files or folders of one voice{left_out}.")
    if config.out.exists() and not config.add:
        raise CommandError(f"{config.out} exists; add to it with --add, or name another --out.")
    check_folder(config.out.parent)
    torch.set_num_threads(config.threads)
    speaker = Speaker.load(config.out) if config.add else Speaker()
    model = SpeechEmotionModel.load()
    failures = []
    for path, neutral in track(files, "listening"):
        try:
            _listen(model, speaker, path, neutral)
        except SoundError as error:
            failures.append(str(error))
    if len(failures) == len(files):
        raise SoundError(f"none of {len(files)} clips can be used: {failures[0]}")
    speaker.save(config.out)
    return Enrolled(speaker, config.out, failures, left_out)


def _listen(model: SpeechEmotionModel, speaker: Speaker, path: Path, neutral: bool) -> None:
    judgement = model.judge(trim_to_voice(read_sound(path, max_seconds=30.0).samples))
    if judgement.speech < LEAST_SPEECH:
        raise SoundError(f"{path} holds no speech ({judgement.speech:.2f}); give clips in which the voice talks.")
    speaker.add(judgement.features, neutral)


def _find(sources: tuple[Path, ...]) -> FoundFiles | None:
    return search_files(sources, SUFFIXES, lambda path: holds(path, "audio")) if sources else None


def report(result: Enrolled) -> int:
    """Say on stderr what is known now; exit status 2 where a clip could not be used."""
    for reason in result.failures:
        print(f"error: {reason}", file=sys.stderr)
    neutral, history = (
        0 if heard is None else heard.clips for heard in (result.speaker.neutral, result.speaker.history)
    )
    print(f"wrote {result.out}: {neutral} neutral clips and {history} others{result.left_out}", file=sys.stderr)
    if neutral < ENOUGH and history < 2 * ENOUGH * NEUTRAL_DOUBT:
        print(f"that is little: give {ENOUGH} neutral clips, or more of any mood, with --add", file=sys.stderr)
    return 2 if result.failures else 0
