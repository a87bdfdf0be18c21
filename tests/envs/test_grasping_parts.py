"""Meshes without convex parts are taken apart, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from envs.grasping import parts
from envs.grasping.parts import is_hollow, load_bodies
from geometry.meshes import MeshError, convex_hull
from geometry.objects import ObjectModel, household_object, load_objects

MUG, BOX, CUP = "mug_900", "box_900", "cup_900"


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / "mine"
    place.mkdir()
    for name in (MUG, BOX):
        household_object(name).mesh.as_trimesh().export(place / f"{name}.ply")
    return place


def test_a_mug_is_hollow_and_a_box_is_not(folder, tmp_path):
    whole = {model.name: model for model in load_objects(str(folder)).objects}
    assert {name: is_hollow(model) for name, model in whole.items()} == {BOX: False, MUG: True}
    assert not is_hollow(household_object(MUG)), "it came with its parts"
    found = load_bodies(str(folder), cache=tmp_path / "cache")
    models = {model.name: model for model in found.objects}
    mug, box = models[MUG], models[BOX]
    assert len(box.parts) == 1 and len(mug.parts) > 3 and not found.skipped
    middle = mug.mesh.bounds.mean(axis=0)[None] + (0.0, 0.0, 0.01)
    assert whole[mug.name].inside(middle).all() and not mug.inside(middle).any(), "one can reach into it"
    volume = sum(part.as_trimesh().volume for part in mug.parts)
    assert volume < 0.7 * whole[mug.name].parts[0].as_trimesh().volume


@pytest.mark.parametrize("kind", ["cup", "bowl", "plate", "hammer", "clamp", "blocks"])
def test_thin_walls_and_open_corners_count_as_hollow(kind):
    assert is_hollow(hulled(f"{kind}_900"))


@pytest.mark.parametrize("kind", ["can", "bottle", "jar", "soap", "ball", "banana", "screwdriver"])
def test_what_a_hull_fills_by_little_stays_one_part(kind):
    assert not is_hollow(hulled(f"{kind}_900"))


def hulled(name: str) -> ObjectModel:
    """One of ours as if a file had brought its looks only."""
    model = household_object(name)
    hull = convex_hull(model.mesh.vertices)
    assert hull is not None
    return replace(model, parts=(hull,), filled=True, made=False)


@pytest.mark.parametrize(("collision", "hollow"), [("mesh.ply", True), ("hull.ply", False), (None, True)])
def test_a_urdf_is_taken_apart_where_it_tells_only_its_looks(tmp_path, collision, hollow):
    mesh = household_object(MUG).mesh
    mesh.as_trimesh().export(tmp_path / "mesh.ply")
    mesh.as_trimesh().convex_hull.export(tmp_path / "hull.ply")
    shapes = {"visual": "mesh.ply"} | ({"collision": collision} if collision else {})
    shapes_xml = "".join(f'<{tag}><geometry><mesh filename="{f}"/></geometry></{tag}>' for tag, f in shapes.items())
    (tmp_path / "mug.urdf").write_text(f'<robot name="mug"><link name="base">{shapes_xml}</link></robot>')
    (model,) = load_objects(str(tmp_path)).objects
    assert is_hollow(model) == hollow


def test_a_cup_in_named_pieces_is_as_hollow_as_in_one(tmp_path):
    mesh = household_object(CUP).mesh
    half = len(mesh.triangles) // 2
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices.tolist()]
    faces = [f"f {a} {b} {c}" for a, b, c in (mesh.triangles + 1).tolist()]
    for name, text in {"one": [*lines, *faces], "two": [*lines, "o a", *faces[:half], "o b", *faces[half:]]}.items():
        (tmp_path / f"{name}.obj").write_text("\n".join(text) + "\n")
    assert [is_hollow(model) for model in load_objects(str(tmp_path)).objects] == [True, True]


@pytest.mark.parametrize(("name", "hollow"), [(BOX, False), (CUP, True)])
@pytest.mark.parametrize("scale", ["1 1 1", "-1 1 1", "-1 -1 -1"])
@pytest.mark.parametrize("inside_out", [False, True])
def test_hollow_is_not_told_by_winding(tmp_path, name, hollow, scale, inside_out):
    mesh = household_object(name).mesh.as_trimesh()
    if inside_out:
        mesh.invert()
    mesh.export(tmp_path / "x.stl")
    told = f'<geometry><mesh filename="x.stl" scale="{scale}"/></geometry>'
    text = f'<robot name="x"><link name="a"><visual>{told}</visual><collision>{told}</collision></link></robot>'
    (tmp_path / "x.urdf").write_text(text)
    (model,) = load_objects(str(tmp_path)).objects
    assert is_hollow(model) == hollow


@pytest.mark.parametrize("inside_out", [False, True])
def test_a_cup_of_one_sheet_is_hollow_and_a_scan_with_a_small_hole_is_not(tmp_path, inside_out):
    can = trimesh.creation.cylinder(0.035, 0.1, sections=48).subdivide().subdivide()
    for name, kept in (("cup", can.triangles_center[:, 2] < 0.049), ("scan", np.arange(len(can.faces)) > 0)):
        sheet = trimesh.Trimesh(can.vertices, can.faces[kept])
        if inside_out:
            sheet.invert()
        sheet.export(tmp_path / f"{name}.ply")
    cup, scan = load_objects(str(tmp_path)).objects
    assert is_hollow(cup) and not is_hollow(scan)


def test_what_is_touched_is_taken_apart_where_it_is_not_what_is_seen(tmp_path, monkeypatch):
    household_object(MUG).mesh.as_trimesh().export(tmp_path / "seen.ply")
    household_object(CUP).mesh.as_trimesh().export(tmp_path / "touched.stl")
    shapes = {"visual": "seen.ply", "collision": "touched.stl"}
    told = "".join(f'<{tag}><geometry><mesh filename="{f}"/></geometry></{tag}>' for tag, f in shapes.items())
    (tmp_path / "mug.urdf").write_text(f'<robot name="mug"><link name="base">{told}</link></robot>')
    (model,) = load_objects(str(tmp_path)).objects
    assert is_hollow(model)
    taken = []
    monkeypatch.setattr(parts, "convex_parts", lambda mesh: taken.append(mesh) or household_object(CUP).parts)
    load_bodies(str(tmp_path), cache=tmp_path / "cache")
    assert np.allclose(taken[0].extents, household_object(CUP).mesh.extents, atol=1e-6)


def test_parts_are_made_once_and_a_damaged_file_counts_as_none(folder, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(parts, "convex_parts", lambda mesh: made.append(1) or household_object(MUG).parts)
    cache = tmp_path / "cache"
    for _ in range(2):
        load_bodies(str(folder), cache=cache)
    assert len(made) == 1
    (kept,) = cache.iterdir()
    whole = kept.read_text()
    for number, text in enumerate(
        ("v 0 0", "", *(whole[:length] for length in range(40, len(whole), len(whole) // 20)))
    ):
        kept.write_text(text)
        again = load_bodies(str(folder), cache=cache)
        assert len(made) == 2 + number and len(again.objects[1].parts) == len(household_object(MUG).parts)
        assert kept.read_text() == whole


def test_without_a_place_to_keep_them_parts_are_made_all_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "convex_parts", lambda mesh: household_object(MUG).parts)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(load_bodies(str(folder), cache=tmp_path / "cache").objects) == 2


def test_what_cannot_be_taken_apart_is_left_out_with_its_reason(folder, tmp_path, monkeypatch):
    def fail(mesh):
        raise MeshError("V-HACD gave no parts")

    monkeypatch.setattr(parts, "convex_parts", fail)
    found = load_bodies(str(folder), cache=tmp_path / "cache")
    assert [model.name for model in found.objects] == [BOX]
    assert found.skipped == [(MUG, "V-HACD gave no parts")]
