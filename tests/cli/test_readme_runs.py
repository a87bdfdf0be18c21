"""Every command that the README shows is run as it stands there, with a few words more that make it small.

Chapters run from the files in `readme/`, so that no worker of pytest-xdist has all of them.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apps.study.load import Crowd
from benchmarks.hostile_attacks import strange_sockets
from cli.commands import run
from evaluation.similarity.comparison import Condition
from learning.gait.train_config import PPOConfig, Train
from tests import processes
from tests.cli.test_commands import DOORS
from tests.cli.test_readme_commands import OURS, README, shown
from tests.conftest import PATIENCE_S, ROOT

HERE = Path(__file__).parent
TEXT = (ROOT / "README.md").read_text()


@dataclass(frozen=True)
class ShortTrain(Train):
    """A training by one worker in few steps, whatever is asked for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "workers", 1)
        object.__setattr__(self, "ppo", PPOConfig(n_steps=16, batch_size=32, n_epochs=1))


def in_this_process(makers: list[Any], start_method: str) -> Any:
    """SB3's environments, without the processes, which would spend most of the test on their imports."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    return DummyVecEnv(makers)


def patient_crowd(*crowd: Any, patience_s: float = 0.0) -> Crowd:
    """A crowd that waits for a server that comes back as long as anything is waited for."""
    return Crowd(*crowd, patience_s=PATIENCE_S)


class Small(NamedTuple):
    """What makes a command small: words that are added, and constants that no option changes.

    `door`: it runs as a program of its own, as people start it; `serves`: until it is interrupted.
    """

    more: str = ""
    constants: Mapping[str, Any] = {}
    door: bool = False
    serves: bool = False


SERVED = Small("--port 0 --no-browser", door=True, serves=True)
FIT = Small("--fit.hidden 8 --fit.members 1 --fit.epochs 1 --fit.inner-groups 2")
WALKS = "--episodes 1 --seconds 3 --workers 1"
FEW_CLIPS = {"envs.trajectories.style_library.SHARD": 20}
NETWORK = (
    "--network.points 128 --network.tokens 16 --network.neighbours 8 --network.width 32 --network.heads 2 "
    "--network.encoder 1 --network.decoder 1 --network.queries 16 --network.fold 4 --fit.steps 2 --fit.batch 2 "
    "--fit.truth 64"
)
TABLE = {
    "python sim_gui.py run": Small("--seconds 0.4"),
    "python sim_gui.py --": SERVED,
    "empaw evaluate speech --data FOLDER": Small(),
    "empaw evaluate speech --data FOLDER --retrain": FIT,
    "empaw evaluate speech --data RAVDESS": FIT,
    "empaw enrol voice": Small(door=True),
    "empaw evaluate speech-transfer": Small(),
    "empaw evaluate speech-joint": FIT,
    "empaw train speech-detector": Small("--clips 4 --sounds 2"),
    # Without --out the shipped weights would be written over.
    "empaw train face": Small("--network.blocks 0 0 0 --network.widths 8 8 18 --fit.epochs 1 --out runs/face/mine"),
    "empaw evaluate face": Small(),
    "empaw bench mixers": Small("--epochs 1"),
    "empaw evaluate fusion": Small("--each 1"),
    "empaw bench senses": Small("--minutes 0.5"),
    "empaw evaluate sound": Small("--trials 1"),
    "empaw evaluate companion": Small(
        "--parts fetch --errands 1 --rough 1 --things can --shapes true --workers 1",
        {"evaluation.companion.fetching.MOST_S": 0.5}),
    "python train_gait.py evaluate --suite": Small(f"--suite posture {WALKS}"),
    "python train_gait.py evaluate --cells": Small(f"--cells pace:0.8 {WALKS}", {
        "evaluation.gait.plots.WALKS_PER_KICK": 1, "evaluation.gait.plots.KICKS": (0.4, 1.0)}),
    "python train_gait.py record": Small("--seconds 0.2", door=True),
    "python train_gait.py train": Small(
        "--n-timesteps 64 --workers 1 --envs 2 --ppo.n-steps 32 --ppo.batch-size 32 --ppo.n-epochs 1"),
    "python train_gait.py export": Small(),
    "python train_gait.py calibrate": Small("--walks 1 --passes 1 --seconds 3 --workers 1", {
        "learning.gait.calibrate.SPEEDS": {"trot": (0.35,)}, "learning.gait.calibrate.CADENCES": (2.0,)}),
    "empaw bench locomotion": Small("--repeats 1 --iterations 1", {
        "benchmarks.locomotion.Train": ShortTrain,
        "stable_baselines3.common.vec_env.SubprocVecEnv": in_this_process}),
    "empaw bench companion": Small("--after-s 3 --workers 1"),
    "empaw bench live": Small("--seconds 1", {"benchmarks.live.HEADLESS_S": 0.2}),
    "empaw bench costs": Small("--repeats 10"),
    "empaw bench fuzz": Small("--files 2"),
    "empaw bench kills": Small("--kills 1 --jobs record\\ gait"),
    "empaw bench hostile --json": Small("--seconds 0.3", {"benchmarks.hostile.ATTACKS": (strange_sockets,)}),
    "empaw bench hostile --minutes": Small("--minutes 0.01"),
    "python grasp_eval.py completion": Small("--objects ycb_dev --views 1 --workers 1"),
    "empaw export views": Small("--objects packed/train pile/train --variants 1 --sampling.views 2 --workers 1"),
    "empaw train completion": Small(NETWORK),
    "empaw train completion --rendered runs/completion/more": Small(f"--out runs/completion/last {NETWORK}"),
    "empaw predict completion": Small(),
    "python grasp_eval.py single": Small("--objects ycb_dev --views 1 --workers 1", door=True),
    "empaw bench clutter": Small(
        "--rounds 1 --seeds 2 --workers 1 --clouds true", {"evaluation.grasping.clutter.OBJECTS": 2}),
    "empaw bench grasping": Small(
        "--objects OBJECTS/ycb_dev --turns 2 --views 4 --plans 10 --rounds 5 --ray 0 --clouds true",
        {"evaluation.grasping.clutter.OBJECTS": 2}),
    "python grasp_eval.py show": Small("--cloud true --no-browser"),
    "empaw bench similarity": Small("--seeds 1 --tasks grid-2 --workers 1", {
        "evaluation.similarity.comparison.PLAN": (Condition("grid-2", ("true_features",), (40,), (0.15,)),)}),
    "empaw evaluate taste": Small(
        "--owners 2 --answers 4 --clips 20 --judged 1 --similarity-answers 20 --workers 1", FEW_CLIPS),
    "python user_study.py init studies/first": Small("--task grid-2 --items 20 --trials 4"),
    "python user_study.py init studies/mine": Small("--items 8 --trials 4"),
    "python user_study.py power": Small("--people 4 --studies 1 --workers 1"),
    "python user_study.py simulate": Small("--n 2 --concurrent 1", {"apps.study.simulate._PATIENCE_S": PATIENCE_S}),
    "python user_study.py export": Small(),
    "python user_study.py analyse": Small(),
    "python user_study.py serve": SERVED,
    "python user_study.py taste": Small("--clips 20 --workers 1", FEW_CLIPS),
    "empaw bench study-server": Small(
        "--people 1 --seconds 0.2 --kills 1 --killed-after 0.05", {"benchmarks.study_server.Crowd": patient_crowd}),
    "empaw bench study-power": Small("--people 4 --trials 4 --studies 1 --nulls 1 --foretold 1 --workers 1"),
    "empaw bench allocation": Small("--runs 4 --tested 1 --participants 8 --workers 1"),
}  # fmt: skip
"""By how a line begins; the longest beginning counts."""


def found(words: list[str]) -> str:
    """The key of a command in the table."""
    line = " ".join(words)
    keys = [key for key in TABLE if f"{line} ".startswith(key)]
    assert keys, f"the README shows {line!r}: say in TABLE how it is made small"
    return max(keys, key=len)


def chapters() -> dict[str, list[list[str]]]:
    """Commands of ours by the heading that they stand under: there, one goes on with what another wrote."""
    parts = (part.partition("\n") for part in re.split(r"^#+ ", README, flags=re.M))
    commands = {title: [words for words in shown(text) if words[0] in ("python", "empaw")] for title, _, text in parts}
    return {title: lines for title, lines in commands.items() if lines}


CHAPTERS = chapters()


def test_every_command_is_in_the_table_and_every_entry_is_shown():
    assert {found(words) for words in OURS} == set(TABLE)
    assert sum(map(len, CHAPTERS.values())) == len(OURS)
    doors = {words[0 if words[0] == "empaw" else 1] for words in OURS if TABLE[found(words)].door}
    assert doors == set(DOORS)


def test_every_chapter_is_run_by_one_file():
    files = [import_module(f"tests.cli.readme.{path.stem}") for path in (HERE / "readme").glob("test_*.py")]
    titles = [title for file in files for title in file.test_commands_run.pytestmark[0].args[1]]
    assert sorted(titles) == sorted(CHAPTERS)


def chapter_test(*titles: str) -> Callable[..., None]:
    """Make the test that runs all commands under some headings."""

    @pytest.mark.parametrize("title", titles)
    def test_commands_run(title, home, monkeypatch):
        monkeypatch.chdir(home)
        for words in CHAPTERS[title]:
            print(*words)
            run_small(words)

    return test_commands_run


def run_small(words: list[str]) -> None:
    """Run a command as the table says."""
    small, given = TABLE[found(words)], words[words[0] == "python" :]
    given += shlex.split(small.more)
    if small.serves:
        with serving(given) as address:
            if "studies/mine" in given:  # where somebody must have answered before the next line
                run(DOORS["user_study.py"], "", ["simulate", "studies/mine", "--n", "1", "--url", address])
    elif small.door:
        done = processes.run(*program(given), cwd=Path.cwd())
        assert done.returncode == 0, done.stderr
    else:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in small.constants.items():
                patch.setattr(name, value)
            run(DOORS[given[0]], given[0], given[1:])


def program(given: list[str]) -> list[str]:
    """The command as people start it."""
    if given[0] == "empaw":
        return ["python", "-m", "cli.main", *given[1:]]
    return ["python", str(ROOT / given[0]), *given[1:]]


@contextmanager
def serving(given: list[str]) -> Iterator[str]:
    """Start a server, give the address that it says, and interrupt it."""
    with processes.started(*program(given), cwd=Path.cwd(), stderr=subprocess.PIPE) as server:
        said = ""
        for said in server.stderr:
            if "runs at" in said:
                break
        assert "runs at" in said, said
        yield said.split("runs at")[1].split()[0]
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=PATIENCE_S)
        assert server.returncode in (0, 130)


def test_python_runs_as_pasted(home, monkeypatch):
    monkeypatch.chdir(home)
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    assert blocks
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block.replace("seconds=10", "seconds=0.4"), names)
        names["session"].close()
        assert len(names["timeline"].steps) == 20 and (home / "out.mp4").is_file()


def test_tasks_are_made_as_pasted(tmp_path):
    made = re.findall(r"`(gymnasium\.make\([^`]*\))`", TEXT)
    assert len(made) == 3
    code = "\n".join(["import gymnasium", *made])
    done = processes.run("python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
