import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import trimesh

from geometry import household
from geometry.mesh_files import load_collision, load_convex_parts, load_mesh
from geometry.meshes import Mesh, MeshError, convex_hull, sample_surface
from geometry.objects import household_object
from geometry.urdf import read_urdf
from robots.world import as_obj

CUBE = """o one
v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
f 1 3 2\nf 1 4 3\nf 5 6 7\nf 5 7 8\nf 1 2 6\nf 1 6 5\nf 2 3 7\nf 2 7 6\nf 3 4 8\nf 3 8 7\nf 4 1 5\nf 4 5 8
"""


def write(path, text):
    path.write_text(text, errors="surrogateescape")
    return path


def test_a_cube_is_read_scaled_and_watertight(tmp_path):
    mesh = load_mesh(write(tmp_path / "cube.obj", CUBE), (0.1, 0.2, 0.3))
    assert np.allclose(mesh.extents, [0.1, 0.2, 0.3])
    assert mesh.watertight
    assert not Mesh(mesh.vertices, mesh.triangles[:-1]).watertight


def prism(outline: str, height: float = 1.0) -> str:
    """A prism whose ends are one face each, as Blender writes it."""
    corners = [tuple(map(float, pair.split(","))) for pair in outline.split()]
    count = len(corners)
    points = [f"v {x} {y} {z}" for z in (0.0, height) for x, y in corners]
    ends = [" ".join(map(str, range(count, 0, -1))), " ".join(map(str, range(count + 1, 2 * count + 1)))]
    sides = [f"{i + 1} {j + 1} {count + j + 1} {count + i + 1}" for i in range(count) for j in [(i + 1) % count]]
    return "\n".join([*points, *(f"f {face}" for face in ends + sides), ""])


@pytest.mark.parametrize("first", range(8))
def test_faces_that_turn_back_are_not_filled(tmp_path, first):
    outline = ["0,0", "3,0", "3,3", "2,3", "2,1", "1,1", "1,3", "0,3"]
    mesh = load_mesh(write(tmp_path / "u.obj", prism(" ".join(outline[first:] + outline[:first]))))
    assert mesh.watertight
    assert mesh.volume == pytest.approx(7.0)
    points, normals = sample_surface(mesh, 4000, np.random.default_rng(0))
    caps = points[np.abs(normals[:, 2]) > 0.9]
    assert len(caps) == pytest.approx(4000 * 14 / (14 + 16), rel=0.1)
    assert not ((caps[:, 0] > 1.01) & (caps[:, 0] < 1.99) & (caps[:, 1] > 1.01)).any()


def test_too_many_faces_that_turn_back_are_refused(tmp_path):
    corners = [(np.cos(t) * (1 + i % 2), np.sin(t) * (1 + i % 2)) for i, t in enumerate(np.linspace(0, 6.2, 500))]
    with pytest.raises(MeshError, match=r"concave faces of 500 corners, and is too much to cut"):
        load_mesh(write(tmp_path / "gear.obj", prism(" ".join(f"{x:.4f},{y:.4f}" for x, y in corners))))


def tray(floor: str) -> str:
    """Two walls, and a sheet between them or on one of them, each an `o`."""
    box = trimesh.creation.box((0.2, 0.01, 0.05))
    walls = []
    for number, y in enumerate((-0.1, 0.1)):
        points = "".join(f"v {x} {y + dy} {z}\n" for x, dy, z in box.vertices)
        faces = "".join("f " + " ".join(str(8 * number + 1 + corner) for corner in face) + "\n" for face in box.faces)
        walls.append(f"o wall{number}\n{points}{faces}")
    return "".join(walls) + f"o sheet\n{floor}f 17 18 19 20\n"


def test_a_sheet_between_parts_is_touched_too(tmp_path):
    floor = "v -0.1 -0.1 -0.025\nv 0.1 -0.1 -0.025\nv 0.1 0.1 -0.025\nv -0.1 0.1 -0.025\n"
    found = load_collision(write(tmp_path / "tray.obj", tray(floor)))
    assert (len(found.parts), found.convex) == (1, False)
    label = "v -0.1 0.106 0\nv 0.1 0.106 0\nv 0.1 0.106 0.02\nv -0.1 0.106 0.02\n"
    found = load_collision(write(tmp_path / "labelled.obj", tray(label)))
    assert (len(found.parts), found.convex) == (2, True)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.obj", "", "at least one triangle"),
        ("a.obj", "v 0 0 0\nv 1 0 0\n", "at least one triangle"),
        ("a.obj", CUBE.replace("v 1 1 1", "v nan 1 1"), "NaN"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "at least one triangle"),
        ("a.stl", "solid nothing at all", "damaged|triangle"),
        ("a.obj", CUBE.replace("v 1 1 1", "v 1 1"), "line 8: a vertex of '1 1'"),
        ("a.obj", CUBE.replace("v 1 1 1", "v 1 1 x"), "line 8: a vertex of '1 1 x'"),
        ("a.obj", CUBE.replace("f 1 3 2", "f 0 3 2"), "line 10: a face of '0 3 2'"),
        ("a.obj", CUBE.replace("f 1 3 2", "f 1 3"), "line 10: a face of '1 3'"),
        ("a.obj", CUBE.replace("f 1 3 2", "f 1 3 -9"), "line 10: a face of '1 3 -9'"),
        ("a.obj", CUBE.replace("f 1 3 2", "f 1 3 2\udcff7"), "line 10: a face of"),
        ("a.obj", CUBE.replace("f 1 3 2", "f 1 3 9"), "triangles of vertices that it lacks"),
        ("a.obj", CUBE.replace("f 1 3 2", f"f 1 3 {10**30}"), "line 10: a face of"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0\n", "damaged|no triangles"),
        ("a.glb", "glTF", "damaged"),
        ("a.dae", "<COLLADA/>", "damaged"),
        ("a.fbx", CUBE, "allowed are .obj"),
    ],
)
def test_meshes_that_cannot_be_used(tmp_path, name, text, said):
    with pytest.raises(MeshError, match=said):
        load_mesh(write(tmp_path / name, text))


@pytest.mark.parametrize(("unit", "metres"), [("", 1.0), ('<unit name="millimeter" meter="0.001"/>', 0.001)])
def test_a_collada_mesh_is_read_in_its_own_unit(tmp_path, unit, metres):
    sizes = np.array([0.05, 0.06, 0.1])
    text = trimesh.exchange.dae.export_collada(trimesh.creation.box(sizes)).decode()
    mesh = load_mesh(write(tmp_path / "box.dae", text.replace("<up_axis>", f"{unit}<up_axis>")))
    assert mesh.watertight
    assert np.ptp(mesh.bounds, axis=0) == pytest.approx(sizes * metres, rel=1e-6)


def test_a_collada_mesh_that_would_grow_without_end_is_refused(tmp_path):
    entities = "".join(f'<!ENTITY e{k + 1} "{f"&e{k};" * 10}">' for k in range(9))
    text = f'<?xml version="1.0"?><!DOCTYPE c [<!ENTITY e0 "xxxxxxxxxx">{entities}]><COLLADA>&e9;</COLLADA>'
    with pytest.raises(MeshError, match=r"bomb\.dae is damaged"):
        load_mesh(write(tmp_path / "bomb.dae", text))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + CUBE.removeprefix("o one\n"),
        CUBE.replace("\n", " # a note\n"),
        CUBE.replace("o one", "# from C:\\models\\").replace("\n", "\r\n"),
    ],
)
def test_what_editors_put_around_an_obj_counts_for_nothing(tmp_path, text):
    path = tmp_path / "cube.obj"
    path.write_bytes(text.encode())
    mesh = load_mesh(path)
    assert mesh.watertight
    assert mesh.volume == pytest.approx(1.0)


def _off(head):
    box = trimesh.creation.box((0.05, 0.06, 0.1))
    rows = [" ".join(map(str, row)) for row in box.vertices] + [f"3 {a} {b} {c}" for a, b, c in box.faces]
    return "\n".join([f"{head}8 12 0", *rows, ""]).encode()


@pytest.mark.parametrize("head", ["OFF\n", "OFF", "# a box\nOFF\n", "COFF\n", "\ufeffOFF\n"])
def test_an_off_that_is_cut_short_is_told_however_it_begins(tmp_path, head):
    path = tmp_path / "box.off"
    path.write_bytes(_off(head))
    assert np.allclose(load_mesh(path).extents, [0.05, 0.06, 0.1])
    path.write_bytes(_off(head)[:-30])
    with pytest.raises(MeshError, match="says 12 faces and holds"):
        load_mesh(path)


@pytest.mark.parametrize("kind", ["stl", "stl_ascii"])
def test_an_stl_is_read_whole_or_refused(tmp_path, kind):
    whole = trimesh.creation.box((0.05, 0.06, 0.1)).export(file_type=kind)
    whole = (whole if isinstance(whole, bytes) else whole.encode()).replace(b"\0" * 80, b"solid box".ljust(80), 1)
    path = tmp_path / "box.stl"
    path.write_bytes(whole + b"\n\n")
    assert np.allclose(load_mesh(path).extents, [0.05, 0.06, 0.1])
    for content in (whole[:-70], whole + whole[:-70]) if kind == "stl_ascii" else (whole[:-70],):
        path.write_bytes(content)
        with pytest.raises(MeshError, match="it is cut short"):
            load_mesh(path)


def test_a_missing_mesh_a_long_name_and_no_scale(tmp_path):
    with pytest.raises(MeshError, match="missing"):
        load_mesh(tmp_path / "none.obj")
    with pytest.raises(MeshError, match="cannot be read"):
        load_mesh(tmp_path / f"{'x' * 300}.obj")
    with pytest.raises(MeshError, match="none of it may be 0"):
        load_mesh(write(tmp_path / "cube.obj", CUBE), (0.1, 0.1, 0.0))


def test_convex_parts_are_the_objects_of_an_obj(tmp_path):
    second = CUBE.replace("o one", "o two").replace("v 0 ", "v 5 ").replace("v 1 ", "v 6 ")
    shifted = "\n".join(
        "f " + " ".join(str(int(n) + 8) for n in line.split()[1:]) if line.startswith("f") else line
        for line in second.splitlines()
    )
    _, parts, convex = load_collision(write(tmp_path / "two.obj", CUBE + shifted), (0.1, 0.1, 0.1))
    assert convex
    assert [part.bounds[0][0] for part in parts] == pytest.approx([0.0, 0.5])
    assert all(part.watertight for part in parts)


def test_parts_that_are_known_to_be_convex_keep_every_corner(tmp_path):
    for corners in (8, 9, 10):
        points = np.random.default_rng(corners).normal(size=(corners, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        (part,) = load_convex_parts(write(tmp_path / "parts.obj", as_obj([points])))
        assert np.allclose(part.vertices, points, atol=1e-6)


def test_a_flat_thing_has_no_volume_to_touch(tmp_path):
    flat = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    with pytest.raises(MeshError, match="flat"):
        load_collision(write(tmp_path / "flat.obj", flat))
    assert convex_hull(np.zeros((10, 3))) is None


def test_vertices_of_no_triangle_count_for_nothing(tmp_path):
    stray = load_mesh(write(tmp_path / "stray.obj", CUBE + "v 50 50 50\n"))
    assert len(stray.vertices) == 8 and len(stray.triangles) == 12
    assert np.allclose(load_mesh(write(tmp_path / "one.obj", "v 9 9 9\n" + _numbered(CUBE))).extents, 1.0)


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


@pytest.mark.parametrize("kind", ["obj", "ply", "off", "stl", "stl_ascii", "glb", "gltf"])
def test_every_format_gives_the_same_thing(tmp_path, kind):
    mug = household_object("mug_900").mesh
    path = tmp_path / f"mug.{kind.removesuffix('_ascii')}"
    if kind == "gltf":
        for name, content in trimesh.Scene(mug.as_trimesh()).export(file_type="gltf").items():
            (tmp_path / name).write_bytes(content)
        path = tmp_path / "model.gltf"
    else:
        mug.as_trimesh().export(path, file_type=kind)
    mesh = load_mesh(path)
    assert np.allclose(mesh.bounds, mug.bounds, atol=1e-6) and mesh.volume == pytest.approx(mug.volume, rel=1e-3)


def test_lines_of_an_obj_go_on_after_a_backslash(tmp_path):
    for number, wrapped in enumerate(("f 1 \\\n 3 2", "f 1 3 \\\r\n2", "f \\\n1 \\\n3\\\n 2")):
        path = tmp_path / f"{number}.obj"
        path.write_bytes(CUBE.replace("f 1 3 2", wrapped).encode())
        assert load_mesh(path).volume == pytest.approx(1.0)


def test_numbers_that_count_back_count_from_where_they_stand(tmp_path):
    vertices, faces = CUBE[6 : CUBE.index("f ")], CUBE[CUBE.index("f ") :]
    back = "\n".join("f " + " ".join(str(int(n) - 9) for n in line.split()[1:]) for line in faces.splitlines())
    moved = vertices.replace("v 1", "v 5").replace("v 0", "v 4")
    mesh = load_mesh(write(tmp_path / "two.obj", f"o a\n{vertices}{back}\no b\n{moved}{back}\n"), (0.1, 0.1, 0.1))
    assert len(mesh.triangles) == 24 and mesh.volume == pytest.approx(0.002) and mesh.extents[0] == pytest.approx(0.5)


def cube(path: Path, turned: list[int], scale: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Mesh:
    """Read the cube of 1 m with some of its 12 triangles turned inside out."""
    mesh = load_mesh(write(path / "cube.obj", CUBE))
    triangles = mesh.triangles.copy()
    triangles[turned] = triangles[turned, ::-1]
    Mesh(mesh.vertices, triangles).as_trimesh().export(path / "cube.stl")
    return load_mesh(path / "cube.stl", scale)


@pytest.mark.parametrize("turned", [[], [3], [0, 5, 7], list(range(7)), list(range(12))])
@pytest.mark.parametrize("scale", [(1, 1, 1), (-1, 1, 1), (-1, -0.5, 2), (-1, -1, -1)])
def test_the_outside_is_outside_however_a_file_is_wound_and_scaled(tmp_path, turned, scale):
    mesh = cube(tmp_path, turned, scale)
    assert mesh.volume == pytest.approx(abs(np.prod(scale)))
    outward = mesh.corners.mean(axis=1) - mesh.bounds.mean(axis=0)
    normals = np.cross(mesh.corners[:, 1] - mesh.corners[:, 0], mesh.corners[:, 2] - mesh.corners[:, 0])
    assert (np.einsum("ij,ij->i", outward, normals) > 0).all()


def test_a_cavity_stays_one_and_a_body_beside_is_turned(tmp_path):
    inner = trimesh.creation.box((0.02, 0.02, 0.02))
    inner.invert()
    for name, place, volume in (("cavity", 0.0, 0.1**3 - 0.02**3), ("beside", 0.2, 0.1**3 + 0.02**3)):
        both = trimesh.util.concatenate(
            [trimesh.creation.box((0.1, 0.1, 0.1)), inner.copy().apply_translation((place, 0, 0))]
        )
        both.export(tmp_path / f"{name}.ply")
        mesh = load_mesh(tmp_path / f"{name}.ply")
        a, b, c = mesh.corners.transpose(1, 0, 2)
        assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(volume, rel=1e-6)


def obj_of(parts: dict[str, Mesh]) -> str:
    lines, first = [], 1
    for name, mesh in parts.items():
        lines += [f"o {name}", *(f"v {x} {y} {z}" for x, y, z in mesh.vertices.tolist())]
        lines += [f"f {a} {b} {c}" for a, b, c in (mesh.triangles + first).tolist()]
        first += len(mesh.vertices)
    return "\n".join(lines) + "\n"


def test_objects_of_an_obj_are_its_parts_only_where_all_are_convex(tmp_path):
    mug, cup, clamp = household.make("mug_900"), *(household_object(name).mesh for name in ("cup_900", "clamp_900"))
    convex = {f"part{number}": part for number, part in enumerate(mug.parts)}
    _, parts, found = load_collision(write(tmp_path / "parts.obj", obj_of(convex)))
    assert found and len(parts) == len(mug.parts)
    half = len(cup.triangles) // 2
    sheets = {
        name: Mesh(cup.vertices, cup.triangles[some]) for name, some in (("a", slice(half)), ("b", slice(half, None)))
    }
    for groups in ({"Cup": cup}, {"Body": cup, "Handle": clamp}, {"Lid": convex["part0"], "Body": cup}, sheets):
        _, parts, found = load_collision(write(tmp_path / "cup.obj", obj_of(groups)))
        assert len(parts) == 1 and not found, list(groups)


BOMBS = {
    "count.stl": b"\0" * 80 + b"\xff\xff\xff\xff" + b"\0" * 500,
    "count.off": b"OFF\n4000000000 4000000000 0\n0 0 0\n",
    "short.off": b"OFF\n# a comment\n4 4 0\n0 0 0\n0 0 .1\n0 .1 0\n.1 0 0\n3 0 1 2\n",
    "count.ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 9000000000000000000\nproperty float x\n"
    b"property float y\nproperty float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    + b"\0"
    * 99,
    "short.ply": b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    b"element face 2\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n0 0 .1\n0 .1 0\n3 0 1 2\n",
    "groups.obj": b"v 0 0 0\nv .1 0 0\nv 0 .1 0\n" + b"o x\nf 1 2 3\n" * 1001,
    "count.gltf": b'{"asset":{"version":"2.0"},"accessors":[{"componentType":5126,"type":"VEC3","count":3000000000}]}',
    "nodes.gltf": b'{"asset":{"version":"2.0"},"nodes":[' + b"{}," * 1000 + b"{}]}",
    "deep.gltf": b"[" * 100_000,
    "outside.gltf": b'{"asset":{"version":"2.0"},"buffers":[{"byteLength":9,"uri":"/dev/zero"}]}',
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_counts_that_cannot_be_are_refused_before_room_is_made(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    with pytest.raises(MeshError, match=name):
        load_collision(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50e6


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    for name, read, size, most in (("large.obj", load_mesh, 200, 128), ("large.urdf", read_urdf, 3, 2)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size << 20)
        with pytest.raises(MeshError, match=f"{name} has {size} MB; up to {most} MB"):
            read(tmp_path / name)
