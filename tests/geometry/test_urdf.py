import numpy as np
import pytest

from geometry import urdf
from geometry.meshes import MeshError
from geometry.urdf import read_urdf
from tests.geometry.test_mesh_files import CUBE, write

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
        ('<box size="0 0 0"/>', "", "more than 0"),
        ('<box size="1e9 1 1"/>', "", "of this world"),
        ('<sphere radius="-1"/>', "", "more than 0"),
        ('<mesh filename="cube.obj" scale="1 0 1"/>', "", "none of it may be 0"),
        (f'<mesh filename="{"x" * 300}.obj"/>', "", "cannot be read"),
        (f'<mesh filename="{"x" * 3000}.obj"/>', "", "a file name of 3004 letters"),
        (f'<box size="{"1 " * 3000}"/>', "", r"t.urdf: '[1 ]{80}' came; expected 3"),
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


MESH = """<robot name="x"><!-- {comment} --><link name="a">
<visual><geometry><mesh filename="{file}"/></geometry></visual></link></robot>"""


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("package://cup_description/meshes/cup.obj", "cup_description/meshes/cup.obj"),
        ("package://cup_description/meshes/cup.obj", "meshes/cup.obj"),
        ("package://cup_description/meshes/cup.obj", "cup_description/urdf/cup_description/meshes/cup.obj"),
        ("package://other/cup.obj", "other/cup.obj"),
        ("model://cup/cup.obj", "models/cup/cup.obj"),
        ("model://cup/cup.obj", "cup_description/cup.obj"),
        ("file://../cup.obj", "cup_description/cup.obj"),
        ("..\\meshes\\cup.obj", "cup_description/meshes/cup.obj"),
    ],
)
def test_meshes_are_found_in_packages_beside_and_above(tmp_path, file, place):
    folder = tmp_path / ("models/cup" if place.startswith("models") else "cup_description/urdf")
    for path in (tmp_path / place, folder / "cup.urdf"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write(tmp_path / place, CUBE)
    read = read_urdf(write(folder / "cup.urdf", MESH.format(comment="", file=file)))
    assert np.allclose(read.visual.extents, 1.0)


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("ISO-8859-1", "latin-1", "größe"),
        ("windows-1252", "cp1252", "größe€"),
        ("GBK", "gbk", "杯子"),
        ("UTF-8", "utf-8-sig", "杯子"),
        ("UTF-16", "utf-16", "杯子"),
        (None, "utf-8", "größe"),
    ],
)
def test_a_urdf_is_read_in_the_encoding_that_it_declares(tmp_path, declared, encoding, name):
    write(tmp_path / f"{name}.obj", CUBE)
    head = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    path = tmp_path / "x.urdf"
    path.write_bytes(
        (head + MESH.format(comment="größe" if "8" in encoding else "", file=f"{name}.obj")).encode(encoding)
    )
    assert np.allclose(read_urdf(path).visual.extents, 1.0)


def test_comments_in_latin_1_that_nobody_declared_do_no_harm(tmp_path):
    write(tmp_path / "a.obj", CUBE)
    (tmp_path / "x.urdf").write_bytes(MESH.format(comment="größe", file="a.obj").encode("latin-1"))
    assert np.allclose(read_urdf(tmp_path / "x.urdf").visual.extents, 1.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(tmp_path, encoding):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE r [<!ENTITY l0 "ha">{laughs}]><robot name="&l9;"><link name="a"/></robot>'
    (tmp_path / "x.urdf").write_bytes(text.encode(encoding))
    with pytest.raises(MeshError, match=r"x.urdf declares XML entities"):
        read_urdf(tmp_path / "x.urdf")


def test_very_many_shapes_are_refused_before_they_are_read(tmp_path, monkeypatch):
    write(tmp_path / "a.obj", CUBE)
    visual = '<visual><geometry><mesh filename="a.obj"/></geometry></visual>'
    path = write(tmp_path / "x.urdf", f'<robot name="x"><link name="a">{visual * 1001}</link></robot>')
    with pytest.raises(MeshError, match=r"x.urdf has 1001 visual and collision shapes; up to 1000"):
        read_urdf(path)
    monkeypatch.setattr(urdf, "_MOST_MESH_BYTES", 10_000)
    path = write(tmp_path / "y.urdf", f'<robot name="x"><link name="a">{visual * 100}</link></robot>')
    with pytest.raises(MeshError, match=r"y.urdf shows more than 0 MB of meshes"):
        read_urdf(path)
