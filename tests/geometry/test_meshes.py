import numpy as np
import pytest

from geometry.meshes import Mesh, MeshError, convex_hull, load_convex_parts, load_mesh, read_urdf, sample_surface

CUBE = """o one
v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
f 1 3 2\nf 1 4 3\nf 5 6 7\nf 5 7 8\nf 1 2 6\nf 1 6 5\nf 2 3 7\nf 2 7 6\nf 3 4 8\nf 3 8 7\nf 4 1 5\nf 4 5 8
"""


def write(path, text):
    path.write_text(text)
    return path


def test_a_cube_is_read_scaled_and_watertight(tmp_path):
    mesh = load_mesh(write(tmp_path / "cube.obj", CUBE), (0.1, 0.2, 0.3))
    assert np.allclose(mesh.extents, [0.1, 0.2, 0.3])
    assert mesh.watertight
    assert not Mesh(mesh.vertices, mesh.triangles[:-1]).watertight


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.obj", "", "damaged|no mesh|at least one triangle"),
        ("a.obj", "v 0 0 0\nv 1 0 0\n", "at least one triangle|damaged"),
        ("a.obj", CUBE.replace("v 1 1 1", "v nan 1 1"), "NaN"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "at least one triangle"),
        ("a.stl", "solid nothing at all", "damaged|triangle"),
        ("a.fbx", CUBE, "allowed are .obj"),
    ],
)
def test_meshes_that_cannot_be_used(tmp_path, name, text, said):
    with pytest.raises(MeshError, match=said):
        load_mesh(write(tmp_path / name, text))


def test_a_missing_mesh_and_one_in_millimetres(tmp_path):
    with pytest.raises(MeshError, match="missing"):
        load_mesh(tmp_path / "none.obj")
    with pytest.raises(MeshError, match=r"millimetres.*0\.001"):
        load_mesh(write(tmp_path / "cube.obj", CUBE), (80.0, 80.0, 80.0))


def test_convex_parts_are_the_objects_of_an_obj(tmp_path):
    second = CUBE.replace("o one", "o two").replace("v 0 ", "v 5 ").replace("v 1 ", "v 6 ")
    shifted = "\n".join(
        "f " + " ".join(str(int(n) + 8) for n in line.split()[1:]) if line.startswith("f") else line
        for line in second.splitlines()
    )
    parts = load_convex_parts(write(tmp_path / "two.obj", CUBE + shifted), (0.1, 0.1, 0.1))
    assert [part.bounds[0][0] for part in parts] == pytest.approx([0.0, 0.5])
    assert all(part.watertight for part in parts)


def test_a_flat_thing_has_no_volume_to_touch(tmp_path):
    flat = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    with pytest.raises(MeshError, match="flat"):
        load_convex_parts(write(tmp_path / "flat.obj", flat))
    assert convex_hull(np.zeros((10, 3))) is None


URDF = """<robot name="thing"><link name="a">
<visual><origin xyz="0 0 0.5"/><geometry>{look}</geometry></visual>
<collision><geometry><mesh filename="cube.obj" scale="0.1 0.1 0.2"/></geometry></collision></link>{more}</robot>"""


def test_a_urdf_says_where_and_how_large(tmp_path):
    write(tmp_path / "cube.obj", CUBE)
    path = write(tmp_path / "t.urdf", URDF.format(look='<box size="0.1 0.2 0.3"/>', more=""))
    told = read_urdf(path)
    assert told.name == "thing"
    assert np.allclose(told.visual.bounds, [[-0.05, -0.1, 0.35], [0.05, 0.1, 0.65]])
    assert np.allclose(told.parts[0].extents, [0.1, 0.1, 0.2])


@pytest.mark.parametrize(
    ("look", "more", "said"),
    [
        ('<mesh filename="gone.obj"/>', "", "gone.obj is missing"),
        ('<box size="a b c"/>', "", "numbers"),
        ("<capsule/>", "", "allowed are mesh"),
        ('<box size="1 1 1"/>', '<link name="b"/>', "2 links"),
        ('<box size="1 1"/>', "", "expected 3 finite"),
        ("<box/>", "", "None came; expected 3"),
        ('<box size="0 0 0"/>', "", "allowed are 0.001 to 5"),
        ('<box size="100 100 100"/>', "", "allowed are 0.001 to 5"),
        ('<sphere radius="-1"/>', "", "allowed are 0.001 to 5"),
        ('<cylinder radius="0.1" length="nan"/>', "", "expected 1 finite"),
        ('<mesh filename="cube.obj" scale="1 2"/>', "", "expected 1 or 3"),
    ],
)
def test_urdfs_that_cannot_be_used(tmp_path, look, more, said):
    write(tmp_path / "cube.obj", CUBE)
    with pytest.raises(MeshError, match=said):
        read_urdf(write(tmp_path / "t.urdf", URDF.format(look=look, more=more)))
    with pytest.raises(MeshError, match="cannot be read"):
        read_urdf(write(tmp_path / "x.urdf", "no xml"))


def test_an_origin_has_three_numbers(tmp_path):
    write(tmp_path / "cube.obj", CUBE)
    text = URDF.format(look='<box size="0.1 0.2 0.3"/>', more="").replace("0 0 0.5", "0 0")
    with pytest.raises(MeshError, match="expected 3 finite"):
        read_urdf(write(tmp_path / "t.urdf", text))


def test_vertices_of_no_triangle_count_for_nothing(tmp_path):
    stray = load_mesh(write(tmp_path / "stray.obj", CUBE + "v 50 50 50\n"))
    assert len(stray.vertices) == 8 and len(stray.triangles) == 12
    assert np.allclose(load_convex_parts(write(tmp_path / "one.obj", "v 9 9 9\n" + _numbered(CUBE)))[0].extents, 1.0)


def _numbered(text: str) -> str:
    """A mesh whose faces count from the last vertex back, so that others may stand before them."""
    return "\n".join(
        " ".join(str(int(word) - 9) if word.isdigit() else word for word in line.split()) if line[0] == "f" else line
        for line in text.splitlines()
    )


def test_surface_points_lie_on_the_surface_evenly(tmp_path):
    mesh = load_mesh(write(tmp_path / "cube.obj", CUBE), (0.1, 0.1, 0.4))
    points, normals = sample_surface(mesh, 4000, np.random.default_rng(0))
    inside = np.minimum(points, mesh.extents - points).min(axis=1)
    assert np.abs(inside).max() < 1e-9
    outward = points - mesh.extents / 2
    assert (np.einsum("ij,ij->i", normals, outward) > 0).all()
    ends = np.mean(np.abs(normals[:, 2]) > 0.5)
    assert ends == pytest.approx(2 * 0.01 / (2 * 0.01 + 4 * 0.04), abs=0.01)
