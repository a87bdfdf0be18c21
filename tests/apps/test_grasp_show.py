"""One trial shown: the page and the film."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import av
import numpy as np
import pytest

from apps import grasp_show
from apps.grasp_show import Show, Tried, fork, page, show
from evaluation.grasping.pictures import VIEW
from evaluation.grasping.single import Task, TrialConfig, make_scene, plan, run
from geometry.cameras import DepthCamera
from geometry.objects import ObjectSet, Skipped, household_object
from robots.hand import Grasp

CONFIG = TrialConfig(upright=1.0, camera=DepthCamera(160, 120))
ASKED = Show("box_900", cloud="true", trial=CONFIG, browser=False)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What `show` answers, its page as text, and its film."""
    folder = tmp_path_factory.mktemp("show")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grasp_show, "_FRAMES_HZ", 4)
        answer = show(replace(ASKED, out=folder / "deep" / "page.html", record=folder / "films" / "trial.mp4"))
    return answer, (folder / "deep" / "page.html").read_text(), folder / "films" / "trial.mp4"


def scene_of(text: str) -> dict:
    found = re.search(r'<script type="application/json" id="scene">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    scene: dict = json.loads(found.group(1))
    return scene


def test_the_page_needs_nothing_from_elsewhere(shown):
    _, text, _ = shown
    assert "http://" not in text and "https://" not in text
    assert not re.search(r'(src|href)="(?!data:)', text) and "@import" not in text and "url(" not in text
    assert not re.search(r"^\s*import\b|import\(|fetch\(", text, re.MULTILINE)


def test_the_page_shows_what_was_seen_planned_and_tried(shown):
    _, text, _ = shown
    scene = scene_of(text)
    layers = {layer["name"]: layer for layer in scene["layers"]}
    assert list(layers) == ["the object", "true (planned on)", "seen", "candidates", "chosen"]
    trial = make_scene(Task(0, household_object("box_900"), 0, replace(CONFIG, clouds=("true",))))
    seen, whole = (np.array(layers[name]["points"]) for name in ("seen", "the object"))
    assert len(seen) > 200 and {tuple(point) for point in seen} <= {
        tuple(p) for p in trial.observation.cloud_world.round(4)
    }
    assert len(whole) > 1000 and np.ptp(whole[:, 2]) == pytest.approx(trial.placed.height_m, abs=0.01)
    np.testing.assert_allclose(scene["middle"], whole.mean(axis=0), atol=0.01)
    assert len(layers["chosen"]["lines"]) == 6 * 12, "all edges of the hand's boxes"
    assert 0 < len(layers["candidates"]["lines"]) <= 2 * 25
    assert np.abs(np.array(layers["chosen"]["lines"])[..., 2]).max() < 0.5
    assert text.count("data:image/jpeg;base64,") == 3
    assert "<td>grip<td>" in text and "<td>clearance_cm<td>" in text


def test_the_trial_is_that_of_a_run_with_the_same_settings(shown):
    answer, text, _ = shown
    (row,) = run(Task(0, household_object("box_900"), 0, replace(CONFIG, clouds=("true",)))).rows
    assert answer["result"].split(",")[0] == ("held" if row.held else row.cause)
    assert f"<h1>box_900, true: {answer['result']}</h1>" in text
    ends = fork(Grasp(np.array(row.T_world_hand).reshape(4, 4), row.width_m))
    candidates = next(layer for layer in scene_of(text)["layers"] if layer["name"] == "candidates")
    np.testing.assert_allclose(candidates["lines"][:2][0], ends[0], atol=2e-4)


def test_the_film_can_be_read_and_something_moves(shown):
    _, _, film = shown
    with av.open(str(film)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) > 5 and frames[0].shape == (VIEW[1], VIEW[0], 3)
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 1.0
    assert list(film.parent.iterdir()) == [film]


def test_a_page_without_a_grasp_says_so():
    config = replace(CONFIG, clouds=("partial",))
    scene = make_scene(Task(0, household_object("box_900"), 0, config))
    text = page(
        "<b>box</b>", "partial", scene, plan(scene, config, "partial")._replace(grasps=[]), Tried(None, None, [])
    )
    assert "&lt;b&gt;box&lt;/b&gt;, partial: no grasp" in text and "<b>" not in text
    assert [layer["name"] for layer in scene_of(text)["layers"]][-1] == "candidates"
    assert "<img" not in text


@pytest.mark.parametrize("frames", [0, 2])
def test_what_was_written_is_told_by_its_whole_place(tmp_path, monkeypatch, capsys, frames):
    picture = np.zeros((VIEW[1], VIEW[0], 3), np.uint8)
    monkeypatch.setenv("COLUMNS", "40")
    things = ObjectSet([household_object("box_900")], [Skipped("bad", "no mesh")])
    monkeypatch.setattr(grasp_show, "load_bodies", lambda *given: things)
    monkeypatch.setattr(grasp_show, "make_scene", lambda task: None)
    monkeypatch.setattr(grasp_show, "plan", lambda scene, config, cloud: None)
    monkeypatch.setattr(grasp_show, "_try", lambda *given: Tried(None, None, [picture] * frames))
    monkeypatch.setattr(grasp_show, "page", lambda *given: "the page")
    place, film = tmp_path / "page of [1].html", tmp_path / "a trial.mp4"
    answer = show(replace(ASKED, out=place, record=film))
    third = f"film: {film}" if frames else "no film: nothing was tried"
    said = capsys.readouterr().err.splitlines()
    assert said == ["left out bad: no mesh", "1 objects", "box_900, true: no grasp", f"page: {place}", third]
    with pytest.raises(ValueError, match="'bad' came; it cannot be used: no mesh"):
        show(replace(ASKED, object="bad", out=place))
    assert film.exists() == bool(frames) and answer["film"] == (str(film) if frames else None)


def test_a_hand_is_drawn_with_its_fingers_where_they_are():
    fingers, back = (np.array(line) for line in fork(Grasp(np.eye(4), 0.06)))
    np.testing.assert_allclose(fingers[[0, -1]], [[0, 0.03, 0], [0, -0.03, 0]], atol=1e-9)
    assert (fingers[1:3, 2] < -0.04).all() and back[1, 2] < back[0, 2] == fingers[1, 2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"object": "unicorn"}, "'unicorn' came; household/test has .*box_900"),
        ({"objects": "cupboard"}, "'cupboard' is no set"),
        ({"cloud": "fog"}, "fog came; allowed are partial"),
        ({"view": -1}, "--view -1"),
        ({"trial": replace(CONFIG, friction=float("nan"))}, "friction nan"),
        ({"trial": replace(CONFIG, camera=DepthCamera(160, 120, dropout=0.999))}, "take another --view"),
    ],
    ids=["object", "objects", "cloud", "view", "friction", "blind"],
)
def test_what_cannot_be_shown_is_told(tmp_path, more, said):
    with pytest.raises(ValueError, match=said):
        show(replace(ASKED, out=tmp_path / "page.html", **more))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["out", "record"])
def test_a_file_that_cannot_be_written_is_told_before_the_trial(tmp_path, monkeypatch, what):
    monkeypatch.setattr(grasp_show, "make_scene", None)
    (tmp_path / "file").write_text("")
    paths = {"out": tmp_path / "page.html", what: tmp_path / "file" / "x"}
    with pytest.raises(OSError, match="file"):
        show(replace(ASKED, **paths))
