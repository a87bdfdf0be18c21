from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import envs.locomotion.env as env_module
from control import locomotion_controller as controller
from control import velocity_estimator as estimator
from control.dog import Dog
from control.gait import VelocityCommand, gait_style
from control.gait_kernel import gait_step
from envs.locomotion.env import LocomotionConfig, LocomotionEnv
from policies.locomotion.actor import DEFAULT_FOLDER, Actor
from policies.locomotion.controller import LearnedLegs
from robots.compiled import compiled, folder_for_code
from robots.world import World
from tests.processes import run


def test_a_compiled_function_does_what_its_source_does():
    def plain(x: float) -> float:
        return (x * 3.0) % 1.0

    assert compiled(plain)(-0.4) == pytest.approx(plain(-0.4))


def test_where_nothing_can_be_kept_it_is_compiled_each_time(tmp_path):
    """Source and cache that cannot be written, as in a container that is read-only: slower to start, but it starts."""
    module = tmp_path / "only_read.py"
    module.write_text("from robots.compiled import compiled\n@compiled\ndef twice(x):\n    return 2 * x\n")
    nowhere = tmp_path / "a file"
    nowhere.touch()
    (tmp_path / "__pycache__").touch()  # a file where the folder would be, which root cannot write into either
    environment = {**os.environ, "HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere), "PYTHONDONTWRITEBYTECODE": "1"}
    code = "import only_read; print(only_read.twice(21))"
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))
    done = run("python", "-c", code, env={**environment, "PYTHONPATH": path})
    assert done.stdout.strip() == "42", done.stderr


def test_without_a_home_or_room_on_the_disk_it_still_starts(monkeypatch, tmp_path):
    """What a container of an unknown user has, and a full disk, which numba itself cannot live with."""

    def full(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    folder_for_code.cache_clear()
    monkeypatch.chdir(tmp_path)  # numba makes a folder ~ there
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_242_424)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    try:
        assert compiled(lambda x: 2 * x)(21) == 42
    finally:
        folder_for_code.cache_clear()


def test_each_compiled_function_has_one_form(rng):
    """A second kind of arguments is compiled for seconds, in the middle of a walk."""
    actor = Actor.load(DEFAULT_FOLDER)
    for terrain in ("flat", "stairs"):
        env = LocomotionEnv(LocomotionConfig(terrain=terrain))
        observation, _ = env.reset(seed=0)
        for _ in range(20):
            observation = env.step(actor(observation))[0]
        env.close()
    with World() as world:
        dog = Dog(world, rng, legs=lambda spec: LearnedLegs(actor, spec))
        for _ in range(5):
            dog.control(VelocityCommand(1, 0, 0), gait_style("trot", frequency_hz=3), dog.body.read())
            world.step(5)
        for made in (
            gait_step,
            controller._prepare_action,
            controller._observation,
            env_module._reward_terms,
            estimator._update,
        ):
            assert len(made.signatures) == 1, made


def test_machine_code_does_not_outlive_what_it_calls(tmp_path):
    """Numba itself would keep the code of a function whose own file is as it was."""
    package = tmp_path / "robots"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(Path(__file__).parents[2] / "robots" / "compiled.py", package)
    header = "from robots.compiled import compiled\n"
    (package / "outer.py").write_text(
        f"{header}from robots.inner import inner\n@compiled\ndef outer(x):\n    return 2 * inner(x)\n"
    )
    found = []
    for value in (3, 4, 3):
        (package / "inner.py").write_text(f"{header}@compiled\ndef inner(x):\n    return x + {value}\n")
        code = "from robots.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
        done = run("python", "-B", "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)})
        found.append(done.stdout.split())
    assert found == [["8", "0"], ["10", "0"], ["8", "1"]], done.stderr


def test_damaged_machine_code_is_compiled_anew(tmp_path):
    (tmp_path / "own.py").write_text(
        "from robots.compiled import compiled\n@compiled\ndef twice(x):\n    return 2 * x\n", encoding="utf-8"
    )
    code = "from own import twice; print(twice(21), sum(twice.stats.cache_hits.values()))"
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))

    def twice() -> list[str]:
        kept = {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        done = run("python", "-B", "-c", code, env={**os.environ, **kept})
        assert not done.stderr
        return done.stdout.split()

    assert twice() == ["42", "0"] and twice() == ["42", "1"]
    for ending in ("nbi", "nbc"):
        (kept,) = (tmp_path / "kept").rglob(f"*.{ending}")
        content = bytearray(kept.read_bytes())
        content[len(content) // 2] ^= 255
        for damaged in (content, content[: len(content) // 2], b""):
            kept.write_bytes(damaged)
            assert twice() == ["42", "0"] and twice() == ["42", "1"]
