from __future__ import annotations

import pytest

from cli.main import cli


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("bench live --seconds 0", "--seconds 0.0 came; allowed are 1 to 3600"),
        ("bench hostile --seconds 0", "--seconds 0.0 and --minutes 0.0 came; allowed are 0.1 to 600 and 0 to 1440"),
        ("bench allocation --runs 0", "--runs 0 came; allowed are 1 to 10000000"),
        ("bench study-power --studies 0", "--studies 0 came; allowed are 1 to 1000000"),
        ("bench study-power --nulls -1", "--nulls -1 came; allowed are 1 to 1000000"),
        ("bench study-server --seed -1", "--seed -1 came; allowed are 0 to 2147483647"),
        ("evaluate gait --seed -1", "--seed -1 came; allowed are 0 to 2147483647"),
        ("study analyse nowhere --seed -1", "--seed -1 came; allowed are 0 to 2147483647"),
        ("bench allocation --workers 0", "--workers 0 came; allowed are 1 to 1024"),
        ("train gait-calibration nowhere --seed -1", "--seed -1 came; allowed are 0 to 2147483647"),
    ],
)
def test_numbers_that_cannot_be_are_told_before_the_work(line, complaint, capsys):
    assert cli(line.split()) == 2
    assert capsys.readouterr().err == f"error: {complaint}\n"


@pytest.mark.parametrize("command", ["train similarity", "evaluate embedding", "evaluate taste", "bench allocation"])
def test_what_keeps_nothing_on_the_way_does_not_promise_to_go_on(command, capsys):
    assert cli([*command.split(), "--resume"]) == 2
    error = capsys.readouterr().err
    assert "--resume" in error and error.count("\n") == 1
