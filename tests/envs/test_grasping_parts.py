"""Meshes without convex parts are taken apart, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.grasping import parts
from envs.grasping.parts import is_hollow, load_bodies
from geometry.meshes import MeshError
from geometry.objects import household_object, load_objects

MUG, BOX = "mug_900", "box_900"


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "mine"
    place.mkdir()
    for name in (MUG, BOX):
        household_object(name).mesh.as_trimesh().export(place / f"my_{name}.ply")
    return place


def test_a_mug_is_hollow_and_a_box_is_not(folder, tmp_path):
    whole = {model.name: model for model in load_objects(str(folder)).objects}
    assert {name: is_hollow(model) for name, model in whole.items()} == {f"my_{BOX}": False, f"my_{MUG}": True}
    assert not is_hollow(household_object(MUG)), "it came with its parts"
    found = load_bodies(str(folder), cache=tmp_path / "cache")
    models = {model.name: model for model in found.objects}
    mug, box = models[f"my_{MUG}"], models[f"my_{BOX}"]
    assert len(box.parts) == 1 and len(mug.parts) > 3 and not found.skipped
    middle = mug.mesh.bounds.mean(axis=0)[None] + (0.0, 0.0, 0.01)
    assert whole[mug.name].inside(middle).all() and not mug.inside(middle).any(), "one can reach into it"
    volume = sum(part.as_trimesh().volume for part in mug.parts)
    assert volume < 0.7 * whole[mug.name].parts[0].as_trimesh().volume


def test_parts_are_made_once_and_a_damaged_file_counts_as_none(folder, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(parts, "convex_parts", lambda mesh: made.append(1) or household_object(MUG).parts)
    cache = tmp_path / "cache"
    for _ in range(2):
        load_bodies(str(folder), cache=cache)
    assert len(made) == 1
    (kept,) = cache.iterdir()
    kept.write_text("v 0 0")
    again = load_bodies(str(folder), cache=cache)
    assert len(made) == 2 and len(again.objects[1].parts) == len(household_object(MUG).parts)


def test_without_a_place_to_keep_them_parts_are_made_all_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "convex_parts", lambda mesh: household_object(MUG).parts)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(load_bodies(str(folder), cache=tmp_path / "cache").objects) == 2


def test_what_cannot_be_taken_apart_is_left_out_with_its_reason(folder, tmp_path, monkeypatch):
    def fail(mesh):
        raise MeshError("V-HACD gave no parts")

    monkeypatch.setattr(parts, "convex_parts", fail)
    found = load_bodies(str(folder), cache=tmp_path / "cache")
    assert [model.name for model in found.objects] == [f"my_{BOX}"]
    assert found.skipped == [(f"my_{MUG}", "V-HACD gave no parts")]
