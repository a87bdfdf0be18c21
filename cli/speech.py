"""`python -m perception.speech {train,evaluate,joint,transfer,predict,enrol,presence,convert}`; each has --help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from evaluation.speech import evaluate, joint, transfer
from evaluation.speech.evaluate import EvaluateConfig
from evaluation.speech.joint import JointConfig
from evaluation.speech.transfer import TransferConfig
from learning.speech import convert, train
from learning.speech import speech_detector as presence_training
from learning.speech.convert import ConvertConfig
from learning.speech.speech_detector import PresenceTraining
from learning.speech.train import TrainConfig
from perception.command import exit_status
from perception.speech import enrol, predict
from perception.speech.enrol import EnrolConfig
from perception.speech.predict import PredictConfig

Command = (
    Annotated[TrainConfig, tyro.conf.subcommand("train")]
    | Annotated[EvaluateConfig, tyro.conf.subcommand("evaluate")]
    | Annotated[JointConfig, tyro.conf.subcommand("joint")]
    | Annotated[TransferConfig, tyro.conf.subcommand("transfer")]
    | Annotated[PredictConfig, tyro.conf.subcommand("predict")]
    | Annotated[EnrolConfig, tyro.conf.subcommand("enrol")]
    | Annotated[PresenceTraining, tyro.conf.subcommand("presence")]
    | Annotated[ConvertConfig, tyro.conf.subcommand("convert")]
)


def run(config: Command) -> int:
    """Run one command and return the exit status."""
    if isinstance(config, TrainConfig):
        return train.report(train.main(config))
    if isinstance(config, EvaluateConfig):
        return evaluate.report(evaluate.main(config))
    if isinstance(config, PredictConfig):
        return predict.report(predict.main(config))
    if isinstance(config, JointConfig):
        return joint.report(joint.main(config))
    if isinstance(config, TransferConfig):
        return transfer.report(transfer.main(config))
    if isinstance(config, EnrolConfig):
        return enrol.report(enrol.main(config))
    if isinstance(config, PresenceTraining):
        return presence_training.report(presence_training.main(config))
    print(f"wrote {convert.main(config)}", file=sys.stderr)
    return 0


def cli(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run it, and turn errors of settings, data, weights and disks into one line and status 2.

    `SoundError`, `DatasetError`, `WeightsError` and `CommandError` are ValueErrors; torch reports with RuntimeError.
    """
    return exit_status(lambda: run(_parse(arguments)))


def _parse(arguments: Sequence[str] | None) -> Command:
    config: Command = tyro.cli(
        Command,
        prog="python -m perception.speech",
        description="Emotion from the voice: train, evaluate on voices never met, judge sound files.",
        args=arguments,
    )
    return config


if __name__ == "__main__":
    raise SystemExit(cli())
