"""`python -m perception.face {train,evaluate,predict}`; each explains itself with --help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from evaluation.face import evaluate
from evaluation.face.evaluate import EvaluateConfig
from learning.face import train
from learning.face.train import TrainConfig
from perception.command import exit_status
from perception.face import predict
from perception.face.predict import PredictConfig

Command = (
    Annotated[TrainConfig, tyro.conf.subcommand("train")]
    | Annotated[EvaluateConfig, tyro.conf.subcommand("evaluate")]
    | Annotated[PredictConfig, tyro.conf.subcommand("predict")]
)


def run(config: TrainConfig | EvaluateConfig | PredictConfig) -> int:
    """Run one command and return the exit status."""
    if isinstance(config, TrainConfig):
        return train.report(train.main(config))
    if isinstance(config, EvaluateConfig):
        return evaluate.report(evaluate.main(config))
    return predict.report(predict.main(config))


def cli(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run it, and turn errors of settings, data, weights and disks into one line and status 2.

    `PictureError`, `DatasetError`, `WeightsError` and `CommandError` are ValueErrors; torch reports with RuntimeError.
    """
    try:
        return exit_status(lambda: run(_parse(arguments)))
    except KeyboardInterrupt:
        print("interrupted; a training goes on with --resume.", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> Command:
    config: Command = tyro.cli(
        Command,
        prog="python -m perception.face",
        description="Emotion from the face: train, evaluate on people never met, judge pictures and videos.",
        args=arguments,
    )
    return config


if __name__ == "__main__":
    raise SystemExit(cli())
