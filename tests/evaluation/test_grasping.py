"""Measured grasping: single objects, clutter, what a run keeps, workers, reports and what is refused."""

from __future__ import annotations

import csv
import json
import re
import signal
import sys
from dataclasses import asdict, replace
from html import escape
from itertools import pairwise
from pathlib import Path
from subprocess import DEVNULL

import numpy as np
import pytest

import grasp_eval
from evaluation.grasping import clutter, evaluate, identity, trials
from evaluation.grasping.clutter import ClutterConfig
from evaluation.grasping.evaluate import Single, evaluate_single
from evaluation.grasping.identity import settings_of
from evaluation.grasping.rounds import Clutter, evaluate_clutter
from evaluation.grasping.single import Task, TrialConfig, run
from evaluation.grasping.trials import TIMED, Attempt
from geometry.cameras import DepthCamera
from geometry.objects import household_object
from policies.grasping.planner import PlannerConfig
from robots.parallel import in_order
from tests.conftest import PATIENCE_S, wait_until
from tests.processes import started

SMALL = DepthCamera(160, 120)
CONFIG = TrialConfig(("partial", "true"), upright=1.0, camera=SMALL)


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> str:
    """A folder of meshes and one of URDFs: of each a good one, beside a broken one, one in mm, and one without mesh."""
    meshes, urdfs = tmp_path_factory.mktemp("meshes"), tmp_path_factory.mktemp("urdfs")
    good = household_object("box_1").mesh.as_trimesh()
    good.export(meshes / "carton.ply")
    (meshes / "broken.obj").write_text("v 0 0 nan\nf 1 2 3\n")
    good.apply_scale(1000.0)
    good.export(meshes / "millimetres.stl")
    urdf = '<robot name="x"><link name="x"><visual><geometry>{}</geometry></visual></link></robot>'
    (urdfs / "cylinder.urdf").write_text(urdf.format('<cylinder radius="0.03" length="0.1"/>'))
    (urdfs / "missing.urdf").write_text(urdf.format('<mesh filename="gone.obj"/>'))
    return f"{meshes}+{urdfs}"


def asked(objects: str, out: Path, **more) -> Single:
    return Single(objects=objects, views=2, trial=CONFIG, out=out, workers=1, **more)


def untimed(path: Path) -> list[dict[str, str]]:
    """The table of a run, without the columns that may differ."""
    with (path / "trials.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in TIMED} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(objects, tmp_path_factory):
    """A run that nothing interrupted: its figures and its folder."""
    out = tmp_path_factory.mktemp("whole")
    return evaluate_single(asked(objects, out)), out


def test_a_run_gives_rows_and_says_what_it_left_out(whole):
    figures, out = whole
    rows = untimed(out)
    assert [(row["task"], row["object"], row["cloud"]) for row in rows] == [
        (str(task), name, cloud)
        for task, name in enumerate(["carton", "cylinder"] * 2)
        for cloud in ("partial", "true")
    ]
    for row in rows:
        assert (row["held"] == "True") == (row["cause"] == "")
        assert row["held"] == "True" or row["strict"] == "False"
        assert 0.0 < float(row["width_m"] or 0.05) <= 0.08 and 0.0 < float(row["height_m"]) < 0.2
        assert (float(row["cd_mm"]) < 1e-6) == (row["cloud"] == "true")
    reasons = dict(figures["left_out"])
    assert set(reasons) == {"broken", "millimetres", "missing"}
    assert "damaged" in reasons["broken"] or "NaN" in reasons["broken"] or "broken.obj" in reasons["broken"]
    assert "millimetres" in reasons["millimetres"] and "gone.obj is missing" in reasons["missing"]


def test_figures_are_those_of_the_rows(whole):
    figures, out = whole
    rows = untimed(out)
    assert json.loads((out / "figures.json").read_text()) == figures
    for share in figures["rows"]:
        mine = [row for row in rows if (row["cloud"], row["stratum"]) == (share["cloud"], share["stratum"])]
        held = sum(row["held"] == "True" for row in mine)
        assert share["n"] == len(mine) and share["success"]["mean"] == pytest.approx(held / len(mine), abs=1e-4)
        for interval in (share["success"], share["success_by_object"]):
            assert interval["low"] <= share["success"]["mean"] <= interval["high"]
        assert held + sum(share["causes"].values()) == len(mine)
    assert sum(share["n"] for share in figures["rows"]) == len(rows) == 8
    assert all("true against partial" in tests for tests in figures["mcnemar"].values())


def test_the_report_holds_everything_and_fetches_nothing(whole):
    figures, out = whole
    page = (out / "report.html").read_text()
    assert not re.search(r"https?://", page)
    assert "8 trials" in page and "<svg" in page and "McNemar" in page
    for share in figures["rows"]:
        assert share["stratum"] in page and f"<td>{100 * share['success']['mean']:.1f}" in page
    failed = {cause for share in figures["rows"] for cause in share["causes"]} - {"no grasp"}
    assert page.count("data:image/jpeg;base64,") >= len(failed)
    assert all(escape(reason) in page for _, reason in figures["left_out"])
    seen = sorted(path.name for path in out.glob("[!.]*"))
    assert seen == [
        "figures.json",
        "report.html",
        "trials.csv",
        "trials.jsonl",
    ]


def test_rows_do_not_depend_on_the_number_of_workers(objects, whole, tmp_path):
    evaluate_single(replace(asked(objects, tmp_path), views=1, workers=2))
    assert untimed(tmp_path) == untimed(whole[1])[:4], "and fewer views are the first of more"


def test_results_come_in_the_order_of_the_tasks():
    tasks = [-number for number in range(20)]
    assert list(in_order(abs, tasks, 1)) == list(in_order(abs, tasks, 2)) == list(range(20))
    assert list(in_order(abs, [], 2)) == []


def test_a_broken_run_goes_on_where_it_was(objects, whole, tmp_path, monkeypatch):
    settings, *lines = (whole[1] / "trials.jsonl").read_text().splitlines(keepends=True)
    left = [lines[2], lines[0]]  # in another order, one lost, and one cut off while it was written
    (tmp_path / "trials.jsonl").write_text("".join([settings, *left, lines[3][: len(lines[3]) // 2]]))
    tried = []
    monkeypatch.setattr(evaluate, "run", lambda task: tried.append(task.number) or run(task))
    figures = evaluate_single(asked(objects, tmp_path, resume=True))
    assert tried == [1, 3]
    assert untimed(tmp_path) == untimed(whole[1]) and figures == whole[0]
    again = (tmp_path / "trials.jsonl").read_text()
    assert evaluate_single(asked(objects, tmp_path, resume=True)) == whole[0] and tried == [1, 3]
    assert (tmp_path / "trials.jsonl").read_text() == again, "nothing was left to do"


def test_a_killed_run_goes_on_where_it_was(objects, whole, tmp_path):
    command = ["python", "grasp_eval.py", "single", "--objects", objects, "--views", "2", "--workers", "1"]
    more = ["--clouds", "partial", "true", "--camera.width", "160", "--camera.height", "120", "--upright", "1"]
    place = tmp_path / "trials.jsonl"
    with started(*command, *more, "--out", tmp_path, stdout=DEVNULL, stderr=DEVNULL) as process:
        wait_until(lambda: process.poll() is not None or (place.exists() and place.read_text().count("\n") >= 3))
        process.kill()
        assert process.wait(PATIENCE_S) == -signal.SIGKILL, "it ended by itself"
    assert not (tmp_path / "trials.csv").exists()
    held = place.read_text()
    evaluate_single(asked(objects, tmp_path, resume=True))
    assert place.read_text().startswith(held[: held.rindex("\n") + 1]), "what was there is kept as it is"
    assert untimed(tmp_path) == untimed(whole[1])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"seed": 1}, "seed 0 there, 1 now"),
        ({"trial": replace(CONFIG, friction=0.4)}, "friction 0.5 there, 0.4 now"),
        ({"trial": replace(CONFIG, clouds=("true",))}, "clouds"),
        ({"trial": replace(CONFIG, camera=DepthCamera(160, 121))}, "camera"),
        ({"objects": "household/test"}, "objects"),
    ],
    ids=["seed", "friction", "clouds", "camera", "objects"],
)
def test_rows_of_another_run_are_not_mixed_in(objects, whole, more, said):
    before = (whole[1] / "trials.jsonl").read_text()
    with pytest.raises(ValueError, match=f"is of another run.*{said}.*another --out"):
        evaluate_single(replace(asked(objects, whole[1], resume=True), **more))
    assert (whole[1] / "trials.jsonl").read_text() == before


@pytest.mark.parametrize("name", ["another", "carton"])
def test_a_folder_that_holds_other_objects_by_now_is_not_mixed_in(objects, whole, tmp_path, name):
    copy, folder = tmp_path / "trials.jsonl", Path(objects.split("+")[0])
    copy.write_text((whole[1] / "trials.jsonl").read_text())
    place = folder / f"{name}.ply"
    before = place.read_bytes() if place.exists() else None
    household_object("can_0").mesh.as_trimesh().export(place)
    try:
        with pytest.raises(ValueError, match=r"another run.*shapes"):
            evaluate_single(asked(objects, tmp_path, resume=True))
    finally:
        place.unlink() if before is None else place.write_bytes(before)


def test_trials_by_another_network_or_planner_are_others(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"one")
    config, box = replace(CONFIG, clouds=("completed",), completion=tmp_path), [household_object("box_0")]
    settings = settings_of(Single(objects="box"), box, config)
    assert settings == settings_of(Single(objects="box"), box, config)
    (tmp_path / "model.safetensors").write_bytes(b"other")
    other = settings_of(Single(objects="box"), box, config)
    assert {name for name in settings if settings[name] != other[name]} == {"network"}
    assert "network" not in settings_of(Single(objects="box"), [], replace(config, clouds=("true",)))
    monkeypatch.setattr(identity, "PlannerConfig", lambda: PlannerConfig(anchors=91))
    assert settings_of(Single(objects="box"), box, config)["planner"] != settings["planner"]


def mistake(monkeypatch, capsys, *arguments: str) -> str:
    """What the command line answers; anything but status 2 with one line is a failure."""
    monkeypatch.setattr(trials, "in_order", lambda *_: pytest.fail("it began to work"))
    assert grasp_eval.cli(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


CLOUDS = ["--clouds", "partial"]
TABLE = ["--cloud", "partial"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["single", *CLOUDS, "--objects", "cupboard"], "'cupboard' is no set.*household/test"),
        (["single", *CLOUDS, "--objects", "packed/test"], "--data"),
        (["single", *CLOUDS, "--objects", "packed/test", "--data", "/nowhere"], "/nowhere"),
        (["single", "--clouds", "partial", "fog"], "fog.*allowed are partial.*completed"),
        (["single", *CLOUDS, "--elevations", "90"], "90 came; allowed are 35-50, 15-25"),
        (["single", *CLOUDS, "--friction", "nan"], "friction nan.*0.05 to 2"),
        (["single", *CLOUDS, "--upright", "1.5"], "upright 1.5"),
        (["single", *CLOUDS, "--seed", "-1"], "--seed -1"),
        (["single", *CLOUDS, "--views", "0"], "--views 0"),
        (["single", *CLOUDS, "--workers", "0"], "--workers 0"),
        (["single", *CLOUDS, "--look.peer", "nobody:plan"], "nobody:plan"),
        (["single", "--clouds", "completed", "--completion", "/nowhere"], "/nowhere"),
        (["single", *CLOUDS, "--out", "/proc/nowhere"], "/proc/nowhere"),
        (["single", *CLOUDS, "--json", "/proc/nowhere/x.json"], "/proc/nowhere"),
        (["single", *CLOUDS, "--json", "/"], "folder"),
        (["clutter", *TABLE, "--objects", "cupboard"], "'cupboard' is no set"),
        (["clutter", "--cloud", "fog"], "fog"),
        (["clutter", *TABLE, "--rounds", "0"], "--rounds 0"),
        (["clutter", *TABLE, "--seed", "-1"], "--seed -1"),
        (["clutter", *TABLE, "--friction", "nan"], "friction nan"),
        (["clutter", *TABLE, "--friction", "-1"], "friction -1"),
        (["clutter", *TABLE, "--peer", "nobody:plan"], "nobody:plan"),
        (["clutter", *TABLE, "--out", "/proc/nowhere"], "/proc/nowhere"),
        (["completion", "--weights", "/nowhere"], "/nowhere"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_mistakes_get_one_clear_line(monkeypatch, capsys, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert re.search(said, mistake(monkeypatch, capsys, *arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objects", "cupboard"], "'cupboard' is no set"),
        (["--objects"], "--objects"),
        (["--views", "0"], "views"),
        (["--workers", "0"], "--workers 0 came"),
        (["--seed", "-1"], "seed"),
        (["--objects", "household/test", "--out", "/proc/nowhere"], "/proc/nowhere"),
        (["--json", "/proc/nowhere/x.json"], "/proc/nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_of_completion_are_told_before_any_view_is_made(monkeypatch, capsys, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("perception.completion.weights.load", lambda folder: None)
    assert re.search(said, mistake(monkeypatch, capsys, "completion", *arguments))
    assert not list(tmp_path.rglob("*.npz"))


ROUNDS = Clutter(rounds=2, table=ClutterConfig(cloud="true", camera=SMALL), workers=1)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(clutter, "OBJECTS", 2)


def test_rounds_of_clutter_add_up_and_go_on(few, objects, tmp_path):
    args = replace(ROUNDS, objects=objects, out=tmp_path, json=str(tmp_path / "told.json"))
    figures = evaluate_clutter(args)
    rows = [Attempt(**row) for line in (tmp_path / "trials.jsonl").read_text().splitlines()[1:]
            for row in json.loads(line)["row"]["rows"]]  # fmt: skip
    assert {row.task for row in rows} == {0, 1}
    for number in (0, 1):
        mine = [row for row in rows if row.task == number]
        assert [row.attempt for row in mine] == list(range(len(mine)))
        for row, after in pairwise(mine):
            assert row.left - after.left >= bool(row.lifted), "what is lifted is gone, and more may fall off"
            assert row.left - after.left <= 1 or not row.held
        assert all(row.held == bool(row.lifted) for row in mine)
        given_up = mine[-1].cause == "no grasp" or not any(row.held for row in mine[-clutter.FAILURES :])
        assert given_up or mine[-1].left == 1, "a round ends with an empty table, or is given up"
    held = sum(row.held for row in rows)
    assert held > 0, "boxes and cylinders known as a whole can be lifted"
    assert figures["objects"] == sum(row.left for row in rows if row.attempt == 0)
    assert figures["success"]["mean"] == pytest.approx(held / figures["attempts"], abs=1e-4)
    assert figures["declutter_rate"]["mean"] == pytest.approx(held / figures["objects"], abs=1e-4)
    for name in ("success", "declutter_rate"):
        assert 0.0 <= figures[name]["low"] <= figures[name]["mean"] <= figures[name]["high"] <= 1.0
    assert json.loads((tmp_path / "told.json").read_text()) == figures
    _goes_on(args, figures)


def _goes_on(args: Clutter, figures: dict) -> None:
    place = args.out / "trials.jsonl"
    lines, table = place.read_text().splitlines(keepends=True), untimed(args.out)
    place.write_text("".join(lines[:2]) + lines[2][:40])
    again = evaluate_clutter(replace(args, resume=True))
    assert again | {"plan_seconds": 0} == figures | {"plan_seconds": 0}
    assert untimed(args.out) == table
    with pytest.raises(ValueError, match=r"another run.*scene 'packed' there, 'pile' now"):
        evaluate_clutter(replace(args, resume=True, table=replace(args.table, scene="pile")))


def test_another_planner_is_tried_on_the_same_looks(objects, whole, tmp_path, monkeypatch):
    (tmp_path / "my_planner.py").write_text(
        "import numpy as np\n\n"
        "def from_above(cloud_world):\n"
        "    T_world_hand = np.diag([1.0, -1.0, -1.0, 1.0])\n"
        "    T_world_hand[:3, 3] = cloud_world.mean(axis=0)\n"
        "    return [(T_world_hand, 0.08)]\n\n"
        "def nothing(cloud_world):\n    return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    args = replace(asked(objects, tmp_path / "out"), views=1)
    config = replace(CONFIG, clouds=("partial",), external_planner="my_planner:from_above")
    evaluate_single(replace(args, trial=config))
    ours, theirs = (
        [row for row in untimed(tmp_path / "out") if row["cloud"] == name]
        for name in ("partial", config.external_planner)
    )
    assert ours == [row for row in untimed(whole[1])[:4] if row["cloud"] == "partial"], "ours are not disturbed"
    assert [row["width_m"] for row in theirs] == ["0.08"] * 2 and all(row["cause"] != "no grasp" for row in theirs)
    model = household_object("box_1")
    (row,) = run(Task(0, model, 0, replace(config, clouds=(), external_planner="my_planner:nothing"))).rows
    assert (row.cause, row.held, row.width_m) == ("no grasp", False, None)


def test_what_cannot_be_tried_is_told_and_has_no_rows(tmp_path, monkeypatch):
    done = run(Task(3, household_object("box_1"), 0, replace(CONFIG, camera=replace(SMALL, dropout=0.999))))
    assert (done.task, done.object, done.rows) == (3, "box_1", []) and "points of it are seen" in done.left_out


def test_ray_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RuntimeError, match=r"empaw\[scale\]"):
        list(in_order(abs, [1], 1, "ray"))


@pytest.mark.ray
def test_ray_gives_the_same_rows():
    ray = pytest.importorskip("ray")
    tasks = [Task(view, household_object("box_1"), view, CONFIG) for view in range(2)]

    def rows(engine) -> list[dict]:
        found = [asdict(row) for done in in_order(run, tasks, 1, engine) for row in done.rows]
        return [{name: value for name, value in row.items() if name not in TIMED} for row in found]

    try:
        assert rows("ray") == rows("processes")
    finally:
        ray.shutdown()
    assert np.isfinite([one["cd_mm"] for one in rows("processes")]).all()
