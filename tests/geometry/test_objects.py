import re
from pathlib import Path

import numpy as np
import pytest

from geometry import household
from geometry.meshes import MeshError
from geometry.objects import ObjectsError, household_object, load_objects
from geometry.poses import stable_poses
from geometry.transforms import transform_points

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "objects"


@pytest.mark.parametrize("kind", list(household.KINDS))
def test_household_things_are_closed_and_their_parts_fill_them(kind):
    for number in (0, 900):
        model = household_object(f"{kind}_{number}")
        assert model.mesh.watertight
        assert 0.01 < model.mesh.extents.max() < 0.35
        assert np.allclose(model.mesh.bounds.sum(axis=0), 0.0, atol=1e-9)
        rng = np.random.default_rng(0)
        points, normals = model.surface(500, rng)
        assert points.shape == normals.shape == (500, 3)
        # Just below the surface is matter, just above is air.
        assert model.inside(points - 7e-4 * normals).mean() > 0.97
        assert model.inside(points + 7e-4 * normals, 1e-4).mean() < 0.06


def test_the_same_name_is_the_same_thing_and_others_differ():
    one, again, other = (household_object(name) for name in ("mug_3", "mug_3", "mug_4"))
    assert np.array_equal(one.mesh.vertices, again.mesh.vertices)
    assert not np.allclose(one.mesh.extents, other.mesh.extents)


def test_train_and_test_share_no_name():
    train, test = (set(household.names(part)) for part in ("train", "test"))
    assert train and test and not train & test


@pytest.mark.parametrize("name", ["mug", "mug_x", "teapot_1", "mug_1000"])
def test_unknown_household_things(name):
    with pytest.raises(ValueError, match="KIND_NUMBER"):
        household_object(name)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nothing", "sets are"),
        ("household/none", "sets are"),
        ("ycb_dev", "--data"),
        ("", "'' is no set"),
        ("household/test+", "'' is no set"),
    ],
)
def test_sets_that_are_not_there(spec, said):
    with pytest.raises(ObjectsError, match=said):
        load_objects(spec)


def test_sets_are_joined_the_same_thing_once_and_others_of_one_name_told_apart(tmp_path):
    household_object("box_0").mesh.as_trimesh().export(tmp_path / "mug_900.ply")
    household_object("box_0").mesh.as_trimesh().export(tmp_path / "carton.ply")
    joined = load_objects(f"household/test+{tmp_path}+household/test").objects
    alone = load_objects("household/test").objects
    box = f"{tmp_path.name}/mug_900"
    assert sorted(model.name for model in joined) == sorted([*(model.name for model in alone), "carton", box])
    named = {model.name: model.mesh.extents for model in joined}
    assert np.allclose(named["mug_900"], household_object("mug_900").mesh.extents)
    assert np.allclose(named[box], household_object("box_0").mesh.extents)
    first = load_objects(f"{tmp_path}+household/test")
    assert [name for name, _ in first.skipped] == ["household/test/mug_900"] and len(first.objects) == 41
    with pytest.raises(ObjectsError, match="cupboard"):
        load_objects("household/test+cupboard")


def test_a_name_says_nothing_of_what_an_object_is(tmp_path):
    folder = tmp_path / "household_things"
    folder.mkdir()
    mug = household_object("mug_900")
    for name in ("mug_900", "crockery"):
        mug.mesh.as_trimesh().export(folder / f"{name}.ply")
    crockery, named = load_objects(str(folder)).objects
    assert mug.made and not crockery.made and not named.made and named.filled
    same = [model.surface(300, np.random.default_rng(0))[0] for model in (crockery, named)]
    np.testing.assert_array_equal(*same)


def test_a_folder_with_damaged_objects_gives_the_others(tmp_path):
    good = household_object("box_0").mesh.as_trimesh()
    good.export(tmp_path / "good.ply")
    (tmp_path / "bad.obj").write_text("v 0 0 nan")
    good.apply_scale(1000.0)
    good.export(tmp_path / "millimetres.stl")
    found = load_objects(str(tmp_path))
    assert [model.name for model in found.objects] == ["good"]
    assert {one.name: "millimetres" in one.reason for one in found.skipped} == {"bad": False, "millimetres": True}
    with pytest.raises(ObjectsError, match="nothing that can be used"):
        load_objects(str(_only_bad(tmp_path)))


def test_one_file_is_a_set_of_one_object(tmp_path):
    export("can_900", tmp_path / "can.obj")
    export("cup_900", tmp_path / "cup.stl")
    assert [model.name for model in load_objects(str(tmp_path / "can.obj")).objects] == ["can"]
    small = load_objects(f"{tmp_path / 'cup.stl'}@0.5+{tmp_path / 'can.obj'}").objects
    assert [model.name for model in small] == ["cup", "can"]
    np.testing.assert_allclose(small[0].mesh.extents, household_object("cup_900").mesh.extents / 2, atol=1e-6)
    (tmp_path / "notes.txt").write_text("a cup and a can")
    with pytest.raises(ObjectsError, match=r"notes.txt holds nothing that can be used \(no .urdf and no"):
        load_objects(str(tmp_path / "notes.txt"))


def test_one_object_in_three_files_is_taken_once(tmp_path):
    for name in ("can", "cup"):
        for file in ("nontextured.ply", "nontextured.stl", "textured.obj"):
            export(f"{name}_900", tmp_path / f"00_{name}" / "google_16k" / file)
    export("cup_901", tmp_path / "00_cup" / "google_16k" / "another.ply")
    found = load_objects(str(tmp_path))
    assert [model.name for model in found.objects] == [
        "00_can/google_16k/nontextured", "00_cup/google_16k/another", "00_cup/google_16k/nontextured",
    ]  # fmt: skip
    assert len(found.skipped) == 4
    assert all("the same shape as nontextured.ply" in one.reason for one in found.skipped)


@pytest.mark.parametrize("touched", ['scale="1000 1000 1000"/>', '/>X<origin xyz="50 0 0"/>'])
def test_what_is_touched_elsewhere_than_seen_is_refused(tmp_path, touched):
    export("can_900", tmp_path / "meshes" / "can.obj")
    mesh = '<geometry><mesh filename="meshes/can.obj" {}</geometry>{}'
    visual, collision = mesh.format("/>", ""), mesh.format(*[*touched.split("X"), ""][:2])
    body = f'<link name="a"><visual>{visual}</visual><collision>{collision}</collision></link>'
    (tmp_path / "can.urdf").write_text(f'<robot name="x">{body}</robot>')
    with pytest.raises(ObjectsError, match=r"can.urdf is seen over 0\.\d+ m and touched over"):
        load_objects(str(tmp_path))


def _only_bad(tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "bad.obj").write_text("")
    return folder


def export(name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    household_object(name).mesh.as_trimesh().export(path)


URDF = """<robot name="x"><link name="a"><visual><geometry><mesh filename="{0}"/></geometry></visual>
<collision><geometry><mesh filename="{0}"/></geometry></collision></link></robot>"""


def test_a_folder_for_each_object_names_it(tmp_path):
    for name in ("can", "cup"):
        export(f"{name}_900", tmp_path / name / "textured.obj")
    export("mug_900", tmp_path / "cup" / "._textured.obj")
    assert [model.name for model in load_objects(str(tmp_path)).objects] == ["can", "cup"]
    for name in ("can", "cup"):
        (tmp_path / name / "model.urdf").write_text(URDF.format("textured.obj"))
    found = load_objects(str(tmp_path))
    assert [model.name for model in found.objects] == ["can", "cup"] and found.told() == ["2 objects"]


def test_endings_may_be_large_and_folders_be_called_like_files(tmp_path):
    export("cup_900", tmp_path / "set" / "cup.OBJ")
    (tmp_path / "set" / "CUP.URDF").write_text(URDF.format("cup.OBJ"))
    (tmp_path / "set" / "can.urdf").write_text(URDF.format("cup.OBJ"))
    assert [model.name for model in load_objects(str(tmp_path / "set")).objects] == ["CUP", "can"]
    export("cup_900", tmp_path / "named" / "cup.urdf" / "textured.obj")
    export("can_900", tmp_path / "named" / "can.obj" / "textured.obj")
    export("can_900", tmp_path / "named" / ".ipynb_checkpoints" / "textured-checkpoint.obj")
    found = load_objects(str(tmp_path / "named"))
    assert found.told() == ["2 objects"] and [model.name for model in found.objects] == ["can.obj", "cup.urdf"]


def test_objects_of_one_name_are_told_apart_by_their_folders_and_endings(tmp_path):
    for place in ("kitchen/cup.ply", "bath/cup.ply", "bath/can.ply"):
        export(f"{place[-7:-4]}_900", tmp_path / "rooms" / place)
    assert [m.name for m in load_objects(str(tmp_path / "rooms")).objects] == ["bath/can", "bath/cup", "kitchen/cup"]
    for place in ("cup.ply", "cup.stl"):
        export("cup_900", tmp_path / "endings" / place)
    assert [model.name for model in load_objects(str(tmp_path / "endings")).objects] == ["cup.ply", "cup.stl"]


@pytest.mark.parametrize(
    ("scale", "said"),
    [(1000.0, r"millimetres \(@0.001\)"), (1 / 0.0254, r"inches \(@0.0254\)"), (0.01, "another unit")],
)
def test_sizes_of_no_household_thing_are_asked_about(tmp_path, scale, said):
    mesh = household_object("can_900").mesh.as_trimesh()
    mesh.export(tmp_path / "right.ply")
    mesh.apply_scale(scale).export(tmp_path / "can.ply")
    found = load_objects(str(tmp_path))
    assert [model.name for model in found.objects] == ["right"]
    assert re.search(f"can.ply is .* m long.*{said}.*FOLDER@FACTOR", found.told()[0])
    scaled = {model.name: model for model in load_objects(f"{tmp_path}@{1 / scale}").objects}
    assert np.allclose(scaled["can"].mesh.extents, household_object("can_900").mesh.extents)
    assert np.allclose(scaled["can"].parts[0].extents, scaled["can"].mesh.extents)
    for wrong in ("0", "mm", "", "-1", "nan"):
        with pytest.raises(ObjectsError, match="factor from its unit"):
            load_objects(f"{tmp_path}@{wrong}")


REPORTS = DATA.parent / "reports"


@pytest.mark.skipif(not REPORTS.is_dir(), reason=f"{REPORTS} is not there")
@pytest.mark.parametrize(
    ("folder", "extents", "skipped"),
    [
        ("09_one_folder_for_each_object", {"can": (0.06, 0.06, 0.1), "cup": (0.06, 0.06, 0.09)}, 0),
        ("10_ros_package_path/cup_description/urdf", {"cup": (0.112, 0.07, 0.09)}, 0),
        ("11_two_named_objects", {"cup": (0.112, 0.07, 0.09)}, 0),
        ("11_two_named_objects_control", {"cup": (0.112, 0.07, 0.09)}, 0),
        ("12_wrapped_lines_obj", {"box": (0.05, 0.06, 0.1), "cup": (0.112, 0.07, 0.09)}, 0),
        ("13_mirrored_scale", {"box": (0.05, 0.06, 0.1)}, 0),
        ("14_latin1_urdf", {"cup": (0.112, 0.07, 0.09)}, 0),
        ("attack", {"continuation": (0.05, 0.05, 0.05)}, 2),
    ],
)
def test_what_people_reported_is_read_as_they_meant_it(folder, extents, skipped):
    found = load_objects(str(REPORTS / folder))
    assert {model.name: tuple(model.mesh.extents.round(4)) for model in found.objects} == extents
    assert len(found.skipped) == skipped and all(model.mesh.volume > 0.0 for model in found.objects)
    with pytest.raises(ObjectsError, match=r"mesh.1.302.obj: line 21"):
        load_objects(str(REPORTS / "fuzz"))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")
@pytest.mark.parametrize(("spec", "count"), [("ycb_dev", 20), ("packed/test", 16), ("pile/test", 40)])
def test_sets_of_the_data_folder(spec, count):
    found = load_objects(spec, DATA)
    assert len(found.objects) == count and not found.skipped
    assert all(model.mesh.extents.max() < 0.4 for model in found.objects)


def test_a_box_lies_on_each_of_its_sides_the_larger_the_likelier():
    model = household_object("box_0")
    rests = stable_poses(model)
    heights = [float(np.ptp(transform_points(rest.T_table_object, model.mesh.vertices)[:, 2])) for rest in rests]
    assert {round(height, 6) for height in heights} == set(model.mesh.extents.round(6).tolist())
    assert heights == sorted(heights)
    assert sum(rest.share for rest in rests) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["mug_0", "bottle_0", "ball_0", "spoon_0", "hammer_0"])
def test_things_rest_on_the_table_below_their_centre_of_mass(name):
    model = household_object(name)
    for rest in stable_poses(model):
        placed = transform_points(rest.T_table_object, model.mesh.vertices)
        assert placed[:, 2].min() == pytest.approx(0.0, abs=1e-9)
        middle = transform_points(rest.T_table_object, model.centre_of_mass)
        assert np.allclose(middle[:2], 0.0, atol=1e-9)
        assert np.linalg.det(rest.T_table_object[:3, :3]) == pytest.approx(1.0)


def test_a_bottle_stands_and_lies():
    heights = sorted(
        round(float(np.ptp(transform_points(rest.T_table_object, household_object("bottle_0").mesh.vertices)[:, 2])), 2)
        for rest in stable_poses(household_object("bottle_0"))
    )
    assert heights == [0.06, 0.21]


def test_flat_meshes_are_told(tmp_path):
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nf 1 2 3\n")
    with pytest.raises((MeshError, ObjectsError), match="flat"):
        load_objects(str(tmp_path))
