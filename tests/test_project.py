"""What holds for the project as a whole: where it may be started, what it may talk to, what its files look like."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from tests.conftest import ROOT, alive, wait_until
from tests.processes import run, started

PACKAGES = (
    "geometry", "robots", "control", "envs", "perception", "policies", "datasets", "learning", "evaluation", "apps",
    "cli",
)  # fmt: skip
ROOMS = (*PACKAGES, "benchmarks")
SCRIPTS = ("sim_gui.py", "train_gait.py", "grasp_eval.py", "user_study.py")


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")] + [ROOT / s for s in SCRIPTS]


@pytest.mark.parametrize("content", [None, "raise RuntimeError('shadowed')"], ids=["plain folder", "package"])
def test_folders_of_our_names_in_the_working_directory_break_nothing(tmp_path, content):
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "__init__.py").write_text(content)
    done = run("python", str(ROOT / "sim_gui.py"), "run", "--seconds", "0.2", "--json", "-", cwd=tmp_path)
    assert len(json.loads(done.stdout)["steps"]) == 10


def test_plain_folders_of_our_names_do_not_hide_the_packages(tmp_path):
    for name in PACKAGES:
        (tmp_path / name).mkdir()
    code = f"import {', '.join(PACKAGES)}\nfor p in ({', '.join(PACKAGES)}): print(p.__file__)"
    places = run("python", "-c", code, cwd=tmp_path)
    assert places.stdout.split() == [str(ROOT / name / "__init__.py") for name in PACKAGES]


WATCHED = """
import runpy, sys
LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")
def watch(event, args):
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple) and args[1][0] not in LOCAL:
        raise SystemExit(f"NETWORK {event} {args[1]}")
    if event == "socket.getaddrinfo" and args[0] not in (None, *LOCAL):
        raise SystemExit(f"NETWORK {event} {args[0]}")
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_nothing_is_fetched_at_run_time(tmp_path):
    sample = ROOT / "assets" / "samples" / "hello.wav"
    command = ["sim_gui.py", "run", "--speech", str(sample), "--seconds", "4", "--record", str(tmp_path / "film.mp4")]
    done = run("python", "-c", WATCHED, *command)
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    assert (tmp_path / "film.mp4").stat().st_size > 10_000


def test_the_watch_on_the_network_would_notice(tmp_path):
    script = tmp_path / "fetch.py"
    script.write_text("import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)")
    assert "NETWORK" in run("python", "-c", WATCHED, str(script), cwd=tmp_path).stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_it_runs_where_there_is_no_network_at_all():
    sealed = ["unshare", "--net", "--map-root-user"]
    if run(*sealed, "true").returncode != 0:
        pytest.skip("this machine does not let tests make a network namespace")
    command = [*sealed, sys.executable, "sim_gui.py", "run", "--speech", "assets/samples/hello.wav", "--seconds", "3"]
    done = run(*command, "--json", "-")
    assert any(step["emotion"] for step in json.loads(done.stdout)["steps"])


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_thin_and_teach(script):
    assert len((ROOT / script).read_text().splitlines()) <= 60
    assert "usage" in run("python", script, "--help").stdout


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"


def test_no_room_holds_more_than_a_quarter_of_the_house():
    lines = {room: sum(len(path.read_text().splitlines()) for path in (ROOT / room).rglob("*.py")) for room in ROOMS}
    assert max(lines.values()) <= sum(lines.values()) / 4, lines


def test_tests_mirror_the_tree():
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").glob("*/**/test_*.py")}
    assert folders <= {*ROOMS, "browser", "examples"}


def test_no_test_judges_by_the_clock():
    clock = re.compile(r"\b(perf_counter|process_time|thread_time|timeit)\b|\b(timeout|wait|join|result)[=(][1-9]")
    paths = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert [str(path) for path in paths if clock.search(path.read_text())] == []


def test_what_a_test_starts_ends_with_it_and_with_all_that_it_started():
    with pytest.raises(ZeroDivisionError), started("sh", "-c", "sleep 10000 & echo $!; wait", stdout=PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        raise ZeroDivisionError
    wait_until(lambda: not alive(child))


def test_text_has_one_encoding_whatever_the_locale():
    """Calls that leave it to the machine: `read_text()`, `write_text(text)` and `open` for text without an encoding."""
    wanting = []
    for path in sources():
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            text = name in ("read_text", "write_text") and len(call.args) == (name == "write_text")
            if name in ("open", "fdopen"):
                modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
                text = any(re.fullmatch(r"[rwax]\+?", str(mode)) for mode in modes)
            if text and not any(keyword.arg in ("encoding", "format", "options") for keyword in call.keywords):
                wanting.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert wanting == []


def imported(path: Path) -> set[str]:
    """The first names of all that a module imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


def test_nothing_that_is_shipped_needs_the_tests():
    paths = [*sources(), *(path for folder in ("benchmarks", "tools") for path in (ROOT / folder).rglob("*.py"))]
    assert [str(path.relative_to(ROOT)) for path in paths if "tests" in imported(path)] == []


RUNS = """
import importlib, pkgutil, sys
names = ["apps.session"]
for room in ("perception", "policies"):
    names += [found.name for found in pkgutil.walk_packages(importlib.import_module(room).__path__, room + ".")]
for name in names:
    importlib.import_module(name)
from apps.session import Session
with Session(seed=0) as session:
    session.run(0.1)
print(len(names), *sorted({name.split(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""
LEARNS = ("learning", "evaluation", "datasets", "stable_baselines3", "matplotlib")


def test_what_runs_loads_nothing_that_learns_or_measures():
    done = run("python", "-c", RUNS, *LEARNS)
    assert done.returncode == 0, done.stderr
    modules, *loaded = done.stdout.split()
    assert int(modules) > 50
    assert loaded == []


def test_only_the_world_talks_to_bullet():
    users = [path for path in sources() if "pybullet" in path.read_text() and "import pybullet" in path.read_text()]
    assert [path.relative_to(ROOT).as_posix() for path in users] == ["robots/world.py"]


def test_the_glossary_tells_where_things_are():
    rows = [line.strip("|").split("|") for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()]
    entries = [
        (re.findall(r"`(\w+)`", cells[0]), cells[2].strip()) for cells in rows if len(cells) == 3 and "/" in cells[2]
    ]
    assert sum(len(names) for names, _ in entries) > 50
    for names, place in entries:
        text = (ROOT / place).read_text()
        assert [name for name in names if not re.search(rf"\b{name}\b", text)] == [], place


LOADED = ("perception.speech.model import SpeechEmotionModel", "perception.face.model import FaceEmotionModel",
          "perception.completion.model import CompletionModel")  # fmt: skip


@pytest.mark.parametrize("model", LOADED)
def test_loading_a_network_leaves_torch_as_small_as_it_is(model):
    # To fill a tensor on the device without memory torch loads 800 modules: seconds of start-up, and 70 MB.
    code = f"import sys\nfrom {model} as Model\nModel.load()\nprint('sympy' in sys.modules)"
    assert run("python", "-c", code).stdout.strip() == "False"


def test_weights_are_safe_small_and_have_a_card():
    folders = [folder for folder in (ROOT / "assets" / "weights").iterdir() if folder.is_dir()]
    assert folders
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        ours = {"model.safetensors", "config.json", "CARD.md"}
        assert ours <= names or (names - {"CARD.md"} and all(name.endswith((".onnx", ".md")) for name in names)), names
        assert "licen" in (folder / "CARD.md").read_text().lower()
    total = sum(path.stat().st_size for folder in folders for path in folder.rglob("*"))
    assert total < 60 * 2**20


def test_the_lock_pins_every_dependency_exactly():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 for line in pins)
    assert "torch==2.13.0" in pins


def test_the_readme_says_what_the_results_say():
    done = run("python", "benchmarks/readme.py", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sim_gui.py", "--no-browser", "--weights", "/nowhere"], "/nowhere"),
        (["sim_gui.py", "--no-browser", "--seed", "-1"], "0 or more"),
        (["sim_gui.py", "--no-browser", "--port", "70000"], "65535"),
        (["sim_gui.py", "--no-browser", "--certificate", "/no.pem", "--key", "/no.key"], "/no.pem"),
        (["sim_gui.py", "--no-browser", "--window"], "display"),
        (["sim_gui.py", "run", "--seconds", "1", "--window"], "display"),
        (["sim_gui.py", "run", "--seconds", "1", "--json", "/proc/nowhere/x.json"], "/proc"),
        (["sim_gui.py", "run", "--seconds", "1", "--record", "/"], "folder"),
        (["sim_gui.py", "run", "--emotion", "bored"], "happy"),
        (["sim_gui.py", "run", "--speech", "/nowhere.wav"], "/nowhere.wav"),
        (["train_gait.py", "evaluate", "--cells", "gallop:1"], "gallop"),
        (["train_gait.py", "evaluate", "--policy", "/nowhere"], "/nowhere"),
        (["train_gait.py", "train", "--resume", "--out", "/tmp/nowhere"], "no checkpoint"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_mistakes_get_one_clear_line(arguments, complaint):
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    done = run("python", *arguments, env=environment)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


@pytest.fixture
def screen(tmp_path) -> Iterator[str]:
    """A screen of the test's own: its server chooses the number, so that none is taken twice.

    It must not begin anew when its only client leaves, as whoever looks whether there is a screen does: Bullet would
    wait forever for a window that it asks for meanwhile.
    """
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    told = tmp_path / "number"
    with told.open("w") as out, started("Xvfb", "-displayfd", "1", "-noreset", stdout=out) as server:
        wait_until(lambda: server.poll() is not None or told.read_text().endswith("\n"))
        assert server.poll() is None, "Xvfb did not start"
        yield f":{told.read_text().strip()}"


def test_bullets_own_window_opens_and_leaves_the_output_alone(screen):
    words = ("sim_gui.py", "run", "--window", "--seconds", "0.4", "--json", "-")
    done = run("python", *words, env={**os.environ, "DISPLAY": screen})
    assert len(json.loads(done.stdout)["steps"]) == 20, done.stderr


def test_measuring_needs_no_training_library():
    hide = (
        "import sys, runpy\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('stable_baselines3', 'tensorboard', 'sklearn', 'librosa', 'matplotlib'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    cells = ["--cells", "trot:0.5", "--episodes", "1", "--workers", "1"]
    assert run("python", "-c", hide, "train_gait.py", "evaluate", *cells).returncode == 0
    refused = run("python", "-c", hide, "train_gait.py", "train", "--out", "/tmp/nowhere")
    assert "empaw[train]" in refused.stderr
