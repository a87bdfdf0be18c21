"""`python -m perception.completion {render,train,evaluate,predict}`; each explains itself with --help."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from datasets import views
from datasets.views import RenderConfig
from evaluation.completion import evaluate
from evaluation.completion.evaluate import EvaluateConfig
from learning.completion import train
from learning.completion.train import TrainConfig
from perception.command import exit_status
from perception.completion import predict
from perception.completion.predict import PredictConfig

Command = (
    Annotated[RenderConfig, tyro.conf.subcommand("render")]
    | Annotated[TrainConfig, tyro.conf.subcommand("train")]
    | Annotated[EvaluateConfig, tyro.conf.subcommand("evaluate")]
    | Annotated[PredictConfig, tyro.conf.subcommand("predict")]
)


def run(config: Command) -> int:
    """Run one command and return the exit status."""
    if isinstance(config, RenderConfig):
        return views.report(views.main(config))
    if isinstance(config, TrainConfig):
        return train.report(train.main(config))
    if isinstance(config, EvaluateConfig):
        return evaluate.report(evaluate.main(config))
    return predict.report(predict.main(config))


def cli(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run it, and turn errors of settings, data, weights and disks into one line and status 2.

    `MeshError`, `ObjectsError`, `CloudError`, `WeightsError` and `CommandError` are ValueErrors; torch reports with
    RuntimeError.
    """
    try:
        return exit_status(lambda: run(_parse(arguments)))
    except KeyboardInterrupt:
        print("interrupted; a training goes on with --resume, a rendering when it is started again.", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> Command:
    config: Command = tyro.cli(
        Command,
        prog="python -m perception.completion",
        description="The whole shape of an object from what one camera sees: render views, train, judge, complete.",
        args=arguments,
    )
    return config


if __name__ == "__main__":
    raise SystemExit(cli())
