"""The session without a browser: a clip goes in, a timeline and a video come out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress, TaskID

from apps.config import SessionConfig, SessionOptions
from apps.mp4 import check_film
from apps.recording import Recording
from apps.session import Session
from apps.timeline import Step, Timeline
from control.dog import CONTROL_HZ
from envs.companion.scenario import Scenario
from perception.emotion import LABELS
from perception.face.videos import is_video, read_video
from perception.speech.audio import NO_SOUND, SoundError
from robots.io import check_writable, write_json
from robots.options import JsonOption
from robots.stdio import reserve_stdout


@dataclass(frozen=True)
class Run(JsonOption, SessionOptions):
    """Let the dog hear a clip without a browser; write what happens as a table, a timeline or a video."""

    speech: Path | None = None
    """Sound file that the dog hears (wav, flac, ogg, mp3, webm, m4a, 3gp, ...); its content counts, not its ending.
    Without one it hears silence."""
    video: Path | None = None
    """Video or picture file that the dog sees, and whose sound it hears unless --speech gives another; its content
    counts, not its ending."""
    seconds: float | None = None
    """How long the session lasts, s of simulated time; 10, or all of what --replay or --scenario plays."""
    replay: Path | None = None
    """Play a recording again instead, as the page or --recording wrote it; with the same --policy, --table and --taste
    the dog moves as it did then."""
    recording: Path | None = None
    """File to write a recording to: what was sensed and set by hand, without sound or picture."""
    record: Path | None = None
    """MP4 file to film the dog into."""
    emotion: str | None = None
    """Tell the dog what you feel instead of letting it listen."""


def run(args: Run) -> Timeline:
    """Run a session as asked and save what was asked for.

    Raises:
        ValueError: the clip, weights, table, taste or number of seconds cannot be used.
        OSError: a file cannot be written.
    """
    replayed = None if args.replay is None else Recording.load(args.replay)
    scenario = None if args.scenario is None else Scenario.load(args.scenario)
    played = replayed or scenario
    seconds = args.seconds if args.seconds is not None else 10.0 if played is None else played.seconds
    _check(args, seconds)
    console = Console(stderr=True)
    torch.set_num_threads(1)
    output = reserve_stdout() if args.window else sys.stdout
    shown = Progress(console=console, transient=True, disable=not console.is_terminal)
    with Session(config=SessionConfig.of(args), scenario=scenario, recording=replayed) as session, shown as bar:
        if args.speech is not None:
            session.play_audio(args.speech)
        if args.video is not None:
            _show(session, args.video, with_sound=args.speech is None)
        if args.emotion is not None:
            session.feel(args.emotion)
        task = bar.add_task("filming" if args.record else "running", total=seconds)
        if args.record is not None:
            timeline = session.record(args.record, seconds, lambda share: bar.update(task, completed=share * seconds))
        else:
            timeline = session.run(seconds, lambda step: _watch(session, step, bar, task))
        happened = session.happened
        if args.recording is not None:
            session.recording.save(args.recording)
    if args.json is not None:
        write_json(timeline.as_json() | happened, args.json, output)
    console.print(summary(timeline, by_hand=args.emotion is not None))
    if session.decision.manner.caption:
        console.print(session.decision.manner.caption)
    if args.record is not None:
        console.print(f"film: {args.record.resolve()}", markup=False, highlight=False, soft_wrap=True)
    return timeline


def _check(args: Run, seconds: float) -> None:
    if args.replay is not None and (args.speech or args.video or args.emotion):
        raise ValueError("--replay came with --speech, --video or --emotion; what is played again hears nothing new")
    if not 0.02 <= seconds <= 3600:
        raise ValueError(f"--seconds {seconds} came; allowed are 0.02 to 3600")
    if args.emotion is not None and args.emotion not in LABELS:
        raise ValueError(f"--emotion {args.emotion!r} came; allowed are {', '.join(LABELS)}")
    check_writable(args.json)
    check_film(args.record)
    if args.recording is not None:
        check_writable(args.recording)


def _show(session: Session, path: Path, with_sound: bool) -> None:
    """Let the dog see a file, and hear it where it has sound."""
    if not is_video(path):
        session.show_image(path)
        return
    session.play_video(read_video(path))
    if with_sound:
        try:
            session.play_audio(path)
        except SoundError as problem:
            if NO_SOUND not in str(problem):  # many videos are silent
                raise


def _watch(session: Session, step: Step, bar: Progress, task: TaskID) -> None:
    if round(step.t * CONTROL_HZ) % 5 == 0:
        bar.update(task, completed=step.t)
        if session.config.window:
            session.show()


def summary(timeline: Timeline, by_hand: bool = False) -> str:
    """Say what was shown when, in a line each; `by_hand`: the feeling was set by hand."""
    lines, shown = [], None
    for step in timeline.steps:
        if step.behaviour != shown:
            shown = step.behaviour
            felt = f" on sensing {step.emotion} ({step.confidence:.2f})" if step.emotion else ""
            felt = f" on being told {step.emotion}" if by_hand else felt
            lines.append(f"{step.t:6.2f} s  {shown}{felt}")
    lines.append(f"{timeline.real_time_factor:.1f} times real time")
    return "\n".join(lines)
