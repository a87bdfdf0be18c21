import zipfile

import numpy as np
import pytest

from geometry.cloud_files import looks_like_cloud, read_cloud
from geometry.clouds import CloudError
from tests.clouds import KINDS, fields, make_cloud, npy, npz, pcd, ply, text

CLOUD = make_cloud()


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_a_cloud_is_read_as_its_owner_meant_it(tmp_path, name):
    found = read_cloud(write(tmp_path, name, KINDS[name](CLOUD)))
    assert found.points.dtype == np.float64 and found.rows == 100 and found.dropped == 0
    assert np.abs(found.points - CLOUD).max() < 1e-7


@pytest.mark.parametrize("name", KINDS)
def test_rows_without_a_point_are_dropped_and_counted(tmp_path, name):
    holes = CLOUD.copy()
    holes[10:20], holes[30], holes[31, 1] = np.nan, 0.0, np.inf
    found = read_cloud(write(tmp_path, name, KINDS[name](holes)))
    assert (found.rows, found.dropped) == (100, 12)
    assert np.abs(found.points - np.delete(CLOUD, [*range(10, 20), 30, 31], axis=0)).max() < 1e-7


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("ascii_", [False, True])
@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_what_open3d_writes_is_read_as_open3d_reads_it(tmp_path, kind, ascii_, compressed):
    import open3d as o3d

    path = tmp_path / f"cloud.{kind}"
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(make_cloud(3000)))
    cloud.paint_uniform_color([0.5, 0.1, 0.1])
    assert o3d.io.write_point_cloud(str(path), cloud, write_ascii=ascii_, compressed=compressed)
    expected = np.asarray(o3d.io.read_point_cloud(path).points)
    assert np.array_equal(read_cloud(path).points, expected)


def test_meshes_by_trimesh_are_read_as_their_vertices(tmp_path):
    import trimesh

    ball = trimesh.creation.icosphere(radius=0.05)
    for encoding in ("ascii", "binary"):
        ball.export(tmp_path / "ball.ply", encoding=encoding)
        assert np.abs(read_cloud(tmp_path / "ball.ply").points - ball.vertices).max() < 1e-7


def rows_of(form: str, head: str = "") -> bytes:
    """A table with a row in this form for each point; {i} counts from 1."""
    lines = [form.format(*point, i=number) for number, point in enumerate(CLOUD, start=1)]
    return "\n".join([*filter(None, [head]), *lines, ""]).encode()


XYZ = "{0:.9f} {1:.9f} {2:.9f}"
TABLES = {
    "r.txt": rows_of(f'"{{i}}" {XYZ}', '"x" "y" "z"'),
    "r_plain.txt": rows_of(f"{{i}} {XYZ}", "x y z"),
    "r.csv": rows_of('"{i}",{0:.9f},{1:.9f},{2:.9f}', '"x","y","z"'),
    "names.tsv": rows_of("point {i}\t{0:.9f}\t{1:.9f}\t{2:.9f}", "name\tx\ty\tz"),
    "units.tsv": rows_of("{0:.9f}\t{1:.9f}\t{2:.9f}\t1\t2\t3", "x [m]\ty [m]\tz [m]\tr\tg\tb"),
    "numpy.txt": rows_of(f"7 {XYZ}", "# label x y z\n# units: m"),
    "matlab.txt": rows_of(f"{XYZ} 5", "% x y z intensity"),
    "quoted.csv": rows_of('"cup, blue",{0:.9f},{1:.9f},{2:.9f}', "name,x,y,z"),
    "indented.txt": rows_of(f"\t{XYZ}\tcup"),
    "commas_above_blanks.txt": rows_of(XYZ, "x,y,z"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_other_programs_are_read_from_their_columns(tmp_path, name):
    assert np.abs(read_cloud(write(tmp_path, name, TABLES[name])).points - CLOUD).max() < 1e-7


def test_cells_that_are_empty_shift_none(tmp_path):
    lines = TABLES["names.tsv"].decode().splitlines()
    lines[5] = lines[5].removeprefix("point 5")  # no name
    lines[6] = lines[6].replace("point 6\t", "point 6\t\t", 1).rpartition("\t")[0]  # no x
    found = read_cloud(write(tmp_path, "holes.tsv", "\n".join(lines).encode()))
    assert (found.rows, found.dropped) == (100, 1)
    assert np.abs(found.points - np.delete(CLOUD, 5, axis=0)).max() < 1e-7


@pytest.mark.parametrize(
    ("head", "metres"), [("x [mm],y [mm],z [mm]", 1e-3), ("X (cm),Y (cm),Z (cm)", 1e-2), ("x,y,z", None)]
)
def test_units_over_the_columns_are_told(tmp_path, head, metres):
    assert read_cloud(write(tmp_path, "units.csv", rows_of("{0},{1},{2}", head))).metres == metres


REFUSED = {
    "hole_in_blanks.txt": (rows_of(f"{XYZ} 5") + b"0.1 0.2 5\n", "not every row has 4 cells"),
    "words_shift.txt": (rows_of(f"cup {XYZ}", "name x y z") + b"blue cup 1 2 3\n", "not every row has 4 cells"),
    "more_cells.txt": (rows_of(f"{XYZ} 5 6", "x y z"), "rows have 5 cells, and 3 are named"),
    "tens.csv": (rows_of("{i}0,{0:.9f},{1:.9f},{2:.9f}"), "first column counts the rows"),
    "fewer_than_said.ply": (ply(CLOUD, count=200), "200 points are announced, 100 are there"),
    "cut.ply": (ply(CLOUD)[:1500], "cut off|not every row"),
    "cut_between_rows.ply": (ply(CLOUD, count=101), "cut off: 101 points are announced, 100 are there"),
    "cut_binary.ply": (ply(CLOUD, "binary_little_endian")[:900], "cut off: 1300 bytes are announced"),
    "endless.ply": (ply(CLOUD, count=10**12), "1000000000000 points; allowed"),
    "endless_binary.ply": (ply(CLOUD, "binary_big_endian", 10**9), "1000000000 points; allowed"),
    "minus.ply": (ply(CLOUD, count=-5), "-5 points; allowed"),
    "number.ply": (ply(CLOUD).replace(b"vertex 100", b"vertex " + b"9" * 5000), "header is damaged"),
    "kind.ply": (ply(CLOUD).replace(b"float x", b"fload x"), "header is damaged"),
    "axes.ply": (ply(CLOUD).replace(b"float z", b"float w"), "fields 'red, x, y, w'; expected x, y and z"),
    "faces_only.ply": (ply(CLOUD).replace(b"element vertex", b"element vertices"), "without vertices"),
    "lists_first.ply": (
        ply(CLOUD, "binary_little_endian", before="element face 1\nproperty list uchar int vertex_indices\n"),
        "behind lists",
    ),
    "cut_header.ply": (ply(CLOUD)[:60], "header does not end"),
    "cut.pcd": (pcd(CLOUD)[:-100], "cut off|not every row"),
    "cut_binary.pcd": (pcd(CLOUD, "binary")[:-1], "1600 bytes are announced, 1599"),
    "cut_compressed.pcd": (pcd(CLOUD, "binary_compressed")[:-1], "cut off"),
    "endless.pcd": (pcd(CLOUD, said=f"WIDTH {10**12}\nHEIGHT 1\nPOINTS {10**12}\n"), "1000000000000 points; allowed"),
    "endless_organised.pcd": (pcd(CLOUD, "binary", f"WIDTH {10**9}\nHEIGHT {10**9}\n"), "points; allowed"),
    "contradiction.pcd": (pcd(CLOUD, said="WIDTH 10\nHEIGHT 10\nPOINTS 90\n"), "90 points and 10 x 10"),
    "lying.pcd": (pcd(CLOUD, "binary_compressed", sizes=(1650, 4_000_000_000)), "expected 1600 for 100 points"),
    "lying_more.pcd": (pcd(CLOUD, "binary_compressed", sizes=(4_000_000_000, 1600)), "cut off"),
    "huge_rows.pcd": (pcd(CLOUD).replace(b"COUNT 1 1 1 1", b"COUNT 1 1 1 999999999"), "PCD has no such"),
    "no_size.pcd": (pcd(CLOUD).replace(b"SIZE 4 4 4 4\n", b""), "header is damaged"),
    "letters.pcd": (pcd(CLOUD).replace(b"TYPE F F F U", b"TYPE F F O U"), "PCD has no such"),
    "objects.npy": (npy(np.array([{"a": 1}] * 50)), "Python objects"),
    "words.npy": (npy(np.array([["a", "b", "c"]] * 50)), r"\(50, 3\) of .*; expected \(N, 3\)"),
    "two.npy": (npy(CLOUD[:, :2]), r"\(100, 2\)"),
    "transposed.npy": (npy(np.ascontiguousarray(CLOUD.T)), "transposed"),
    "batch.npy": (npy(np.stack([CLOUD, CLOUD])), r"\(2, 100, 3\)"),
    "no_axes.npy": (npy(fields(CLOUD, ("a", "b", "c"))), "named fields with x, y and z"),
    "cut.npy": (npy(CLOUD)[:-1], "1200 bytes are announced, 1199"),
    "torn.npy": (b"\x93NUMPY", "header of its array is damaged"),
    "huge.npy": (npy(CLOUD).replace(b"(100, 3), }" + b" " * 9, b"(100000000000, 3), }"), "cut off|allowed"),
    "nothing_huge.npy": (npy(fields(CLOUD)).replace(b"(100,), }" + b" " * 10, b"(100, 99999999999), }"), "cut off"),
    "deep.npy": (b"\x93NUMPY\x01\x00\x70\x17" + b"(" * 6000, "header of its array is damaged"),
    "minuses.npy": (b"\x93NUMPY\x01\x00\x70\x17" + b"-" * 5999 + b"1", "header of its array is damaged"),
    "open.npy": (b"\x93NUMPY\x03\x00\x40\x00\x00\x00{'descr': '<f4', 'shape'" + b"(" * 40, "header of its array"),
    "several.npz": (npz(left=CLOUD, right=CLOUD + 1), r"several .*'left' \(100, 3\) .*--array NAME"),
    "points_and_xyz.npz": (npz(points=CLOUD, xyz=CLOUD + 1), "several of its arrays"),
    "colours_only.npz": (npz(colors=CLOUD, labels=CLOUD[:, 0]), "none of its arrays is surely the cloud"),
    "batch_called_points.npz": (npz(points=np.stack([CLOUD, CLOUD]), other=CLOUD), "none of its arrays is surely"),
    "uneven_axes.npz": (npz(x=CLOUD[:, 0], y=CLOUD[:, 1], z=CLOUD[5:, 2]), "100, 100, 95 numbers"),
    "empty_zip.npz": (b"PK\x05\x06" + bytes(18), "0 arrays"),
    "zip.npz": (b"PK\x03\x04 nothing", "damaged NPZ"),
    "cut.npz": (npz(points=CLOUD)[:-30], "damaged NPZ"),
    "few.xyz": (text(CLOUD[:10]), "holds 10 points; at least 32"),
    "few_left.xyz": (text(np.concatenate([CLOUD[:10], np.zeros((90, 3))])), "10 points in 100 rows"),
    "nan.npy": (npy(np.full((100, 3), np.nan)), "0 points in 100 rows"),
    "empty.xyz": (b"", "empty"),
    "words.xyz": (b"no numbers at all", "no row of numbers"),
    "ragged.xyz": (text(CLOUD) + b"0.1 0.2\n", "not every row"),
    "word_between.csv": (text(CLOUD, ",") + b"a,b,c\n", "not every row"),
    "two_columns.csv": (text(CLOUD[:, :2], ","), "expected x y z in each"),
    "other_names.csv": (text(CLOUD, ",", "lat,lon,height"), "'lat, lon, height'; call three of them x, y and z"),
    "mesh.txt": (b"OFF\n100 6 12\n" + text(CLOUD), "called 'OFF'"),
    "cut.pts": (text(CLOUD, header="250"), "250 rows are announced, 100 are there"),
    "one_line.txt": (b"1 " * 100_000, "more than 4096 characters"),
    "counted.csv": ("".join(f"{i},{i % 7},{i % 5},0.1\n" for i in range(40)).encode(), "first column counts the rows"),
    "counted.npy": (npy(np.c_[np.arange(1, 41), np.ones((40, 3))]), "first column counts the rows"),
    "picture.npy": (npy(np.ones((60, 80))), r"\(60, 80\) of 'float64'; expected"),
    "packed.ply.gz": (b"\x1f\x8b\x08\0\0\0\0\0", "packed by gzip. Unpack it first"),
    "picture.xyz": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "none of NPY, NPZ, PLY, PCD and text"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, name):
    content, said = REFUSED[name]
    path = write(tmp_path, name, content)
    with pytest.raises(CloudError, match=said) as told:
        read_cloud(path)
    assert str(path) in str(told.value) and len(str(told.value)) < len(str(path)) + 600


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_a_ply_cut_anywhere_is_refused(tmp_path, form):
    whole = ply(CLOUD, form)
    for length in range(0, len(whole) - 20, 37):
        with pytest.raises(CloudError):
            read_cloud(write(tmp_path, "cut.ply", whole[:length]))


def test_places_without_a_file_are_told_apart(tmp_path):
    with pytest.raises(CloudError, match=r"nowhere.ply is missing"):
        read_cloud(tmp_path / "nowhere.ply")
    with pytest.raises(CloudError, match=r"no regular file"):
        read_cloud(tmp_path)


def test_the_array_that_was_named_is_read(tmp_path):
    path = write(tmp_path, "two.npz", npz(left=CLOUD, right=CLOUD + 1))
    assert np.allclose(read_cloud(path, "right").points, CLOUD + 1)
    with pytest.raises(CloudError, match=r"no array 'top'; there are 'left' .*, 'right'"):
        read_cloud(path, "top")


def test_bombs_are_refused_unopened(tmp_path):
    path = tmp_path / "bomb.npz"
    header = npy(np.zeros((1, 3), "f4"))[:128].replace(b"(1, 3), }" + b" " * 9, b"(99999999, 3), }")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("points.npy", "w") as member:
        member.write(header)
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(CloudError, match="unpacks to"):
        read_cloud(path)
    with (tmp_path / "holes.xyz").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(CloudError, match="1024 MiB; at most 256 MiB"):
        read_cloud(tmp_path / "holes.xyz")


def test_content_tells_a_cloud_whatever_it_is_called(tmp_path):
    for content in (ply(CLOUD), pcd(CLOUD, "binary"), npy(CLOUD)):
        assert looks_like_cloud(write(tmp_path, "scan", content))
    for content in (b"", b"plywood\n", npz(points=CLOUD), text(CLOUD)):
        assert not looks_like_cloud(write(tmp_path, "scan", content))


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Change what stands in a file: bytes, a number in its header, its length, or a piece that comes twice."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        if not data:
            break
        at = int(rng.integers(len(data) if rng.random() < 0.5 else min(len(data), 300)))
        size = int(rng.integers(1, 40))
        match int(rng.integers(6)):
            case 0:
                data[at] = int(rng.integers(256))
            case 1:
                data[at : at + size] = rng.bytes(size)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                data[at : at + 1] = rng.choice([b"99999999999", b"-1", b"(", b"\n", b"nan", b"\0\0\0\0", b"1e308"])
            case _:
                del data[at + int(rng.integers(len(data))) :]
    return bytes(data)


def test_mutated_files_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(300):
        name = list(KINDS)[number % len(KINDS)]
        path = write(tmp_path, name, mutated(KINDS[name](CLOUD), rng))
        try:
            points = read_cloud(path).points
        except CloudError:
            refused += 1
        else:
            assert points.ndim == 2 and points.shape[1] == 3 and np.isfinite(points).all()
    assert 50 < refused < 300
