"""Runs of the gait training: begun, broken off, killed, resumed, swept."""

from __future__ import annotations

import errno
import json
import signal
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL

import numpy as np
import psutil
import pytest

from learning import checkpoint
from learning.gait.export import Export, export
from learning.gait.train import run, save_task, train
from learning.gait.train_config import PPOConfig, Report, Train
from policies.locomotion.actor import Actor
from tests import processes
from tests.conftest import alive, wait_until
from tests.processes import started

SMALL = PPOConfig(n_steps=32, batch_size=64, n_epochs=2, hidden=(32, 16))


def test_runs_are_numbered_and_the_newest_is_resumed(tmp_path):
    plain = Train(log_folder=tmp_path)
    assert plain.folder() == tmp_path / "ppo" / "Empaw-Locomotion-v0_1"
    for number in (1, 2, 11):
        folder = tmp_path / "ppo" / f"Empaw-Locomotion-v0_{number}"
        folder.mkdir(parents=True)
        (folder / checkpoint.NAME).touch()
    assert plain.folder().name == "Empaw-Locomotion-v0_12"
    assert replace(plain, resume=True).folder().name == "Empaw-Locomotion-v0_11"
    with pytest.raises(ValueError, match="there is no run"):
        Train(log_folder=tmp_path / "empty", resume=True).folder()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"workers": 0}, "workers 0"),
        ({"n_timesteps": 0}, "timesteps 0"),
        ({"uneven": 1.5}, "uneven 1.5"),
        ({"address": "here"}, "--engine ray"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_bad_settings_are_named(more, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        train(Train(out=tmp_path / "run", **more))
    assert not (tmp_path / "run").exists()


def test_a_run_says_what_it_learned_and_goes_on_with_nothing_else(tmp_path):
    quick = Train(recipe="quick", resume=True)
    save_task(quick, tmp_path)
    said = json.loads((tmp_path / "config.json").read_text())
    assert said["recipe"] == "quick" and said["task"]["fall_penalty"] == quick.recipe_task.fall_penalty
    save_task(quick, tmp_path)
    for other, named in (
        (Train(resume=True), "recipe was 'quick' and is 'full'"),
        (replace(quick, task=replace(quick.task, episode_s=5.0)), r"task\.episode_s was 20.0 and is 5.0"),
        (replace(quick, workers=3), "workers was 2 and is 3"),
        (replace(quick, envs=3), "envs was 8 and is 3"),
        (replace(quick, overlap=False), "overlap was True"),
        (replace(quick, seed=1), "seed was 0"),
        (replace(quick, uneven=0.5), "uneven was None"),
        (replace(quick, ppo=SMALL), r"ppo\.hidden was \[256, 128\] and is \[32, 16\]"),
    ):
        with pytest.raises(ValueError, match=named):
            save_task(other, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == said
    save_task(replace(quick, n_timesteps=7, save_freq=0, engine="ray", address="here"), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == {
        **said,
        "n_timesteps": 7,
        "save_freq": 0,
        "engine": "ray",
        "address": "here",
    }


@pytest.mark.parametrize("overlap", [True, False])
def test_a_run_that_is_broken_off_ends_as_an_unbroken_one(overlap, tmp_path):
    """To the last bit, though the other's episodes, exploration and shuffling go on where they were."""
    whole = Train(out=tmp_path / "whole", n_timesteps=4 * 96, workers=1, envs=3, ppo=SMALL, overlap=overlap, uneven=0.3)
    train(whole)
    broken = replace(whole, out=tmp_path / "broken")

    def stop(report: Report) -> None:
        if report.iteration == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(broken, tmp_path / "broken", stop)
    np.random.seed(7)  # noqa: NPY002 - the generator that stable-baselines3 shuffles with
    train(replace(broken, resume=True))
    assert weights(tmp_path / "broken" / "policy") == weights(tmp_path / "whole" / "policy")


def weights(policy: Path) -> tuple[bytes, str]:
    return (policy / "model.safetensors").read_bytes(), (policy / "config.json").read_text()


def test_steps_are_counted_as_steps(tmp_path, capsys):
    """Nothing is trained where all was done before, and more is trained when more is asked for."""
    args = Train(out=tmp_path, n_timesteps=100, workers=1, envs=2, recipe="quick", ppo=SMALL)
    said = []
    for steps in (100, 64, 192):
        train(replace(args, n_timesteps=steps, resume=steps != 100))
        said.append(json.loads((tmp_path / "policy" / "config.json").read_text())["timesteps"])
    assert said == [128, 128, 192]
    assert capsys.readouterr().err.count("128 steps were done before") == 1
    export(Export(tmp_path, tmp_path / "out", onnx=False))
    about = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (about["timesteps"], about["recipe"]) == (192, "quick")
    assert Actor.load(tmp_path / "out").fingerprint == Actor.load(tmp_path / "policy").fingerprint
    with pytest.raises(ValueError, match=r"holds a policy: .*--replace"):
        export(Export(tmp_path, tmp_path / "out", onnx=False))
    export(Export(tmp_path, tmp_path / "out", onnx=False, replace=True))


def test_a_sweep_keeps_its_trials_and_goes_on(tmp_path):
    optuna = pytest.importorskip("optuna")
    args = Train(out=tmp_path, sweep=1, n_timesteps=64, workers=1, envs=2, recipe="quick", ppo=SMALL)
    train(args)
    train(replace(args, resume=True))
    study = optuna.load_study(study_name="gait", storage=f"sqlite:///{tmp_path / 'sweep.db'}")
    assert len(study.trials) == 2
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["reward"] == study.best_value
    assert 1e-4 <= best["ppo"]["learning_rate"] <= 1e-3
    with pytest.raises(ValueError, match="--resume"):
        train(args)


def command(out: Path, *more: str) -> list[str]:
    small = ["--workers", "1", "--envs", "2", "--n-timesteps", "640", "--ppo.n-steps", "32", "--ppo.batch-size", "32"]
    return ["python", "train_gait.py", "train", "--out", str(out), *small, *more]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    args = Train(out=out, n_timesteps=640, workers=1, envs=2, ppo=PPOConfig(n_steps=32, batch_size=32))
    with started(*command(out), stderr=DEVNULL) as process:
        wait_until((out / checkpoint.NAME).exists)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGSTOP)  # it lives until we are through
        with pytest.raises(BlockingIOError, match=f"{out} is in use by process {process.pid}"):
            train(replace(args, resume=True))
        process.kill()
        process.wait()
        assert workers
        wait_until(lambda: not any(alive(worker) for worker in workers))
    with pytest.raises(ValueError, match="--resume"):
        train(args)
    done = processes.run(*command(out, "--resume"))
    assert done.returncode == 0, done.stderr
    assert "(640 steps)" in " ".join(done.stderr.split())  # the line is broken where a path is long
    assert processes.run(*command(whole)).returncode == 0
    assert weights(out / "policy") == weights(whole / "policy")


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    args = Train(out=tmp_path, n_timesteps=128, workers=1, envs=2, recipe="quick", ppo=SMALL)
    write, written = checkpoint.write_whole, []

    def full(path: Path, content: bytes) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write(path, content)

    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(OSError, match=r"No space left.*--resume"):
        train(args)
    assert [path.name for path in tmp_path.iterdir() if "checkpoint" in path.name] == [checkpoint.NAME]
    monkeypatch.undo()
    assert train(replace(args, resume=True)) == tmp_path / "policy"


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / checkpoint.NAME).write_bytes(b"nonsense")
    done = processes.run(*command(tmp_path, "--resume"))
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr
