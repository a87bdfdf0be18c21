"""Clouds in files of every kind, as programs write them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

NAMES = ("x", "y", "z")


def make_cloud(count: int = 100) -> np.ndarray:
    """Points (count, 3) float32 of a thing 10 cm long that repeats itself, so that packers have something to do."""
    points = np.random.default_rng(0).uniform(0.01, 0.1, (count, 3)).astype(np.float32)
    points[count // 2 :, 2] = points[count // 2, 2]
    return points


def ply(points: np.ndarray, form: str = "ascii", count: int | None = None, before: str = "") -> bytes:
    """A PLY with a colour before the coordinates; `count` is what its header claims, `before` what comes first."""
    header = f"ply\nformat {form} 1.0\ncomment made\n{before}element vertex {len(points) if count is None else count}\n"
    header += "property uchar red\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    if form == "ascii":
        return (header + "".join(f"7 {x} {y} {z}\n" for x, y, z in points.tolist())).encode()
    order = ">" if "big" in form else "<"
    rows = np.zeros(len(points), [("red", "u1"), *((name, f"{order}f4") for name in NAMES)])
    for name, column in zip(NAMES, points.T, strict=True):
        rows[name] = column
    return header.encode() + rows.tobytes()


def pcd(points: np.ndarray, form: str = "ascii", said: str = "", sizes: tuple[int, int] | None = None) -> bytes:
    """A PCD; `said` stands for its WIDTH, HEIGHT and POINTS, `sizes` for those of what is compressed."""
    said = said or f"WIDTH {len(points)}\nHEIGHT 1\nPOINTS {len(points)}\n"
    header = "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\n"
    header += f"COUNT 1 1 1 1\n{said}VIEWPOINT 0 0 0 1 0 0 0\nDATA {form}\n"
    rows = np.column_stack([points, np.zeros(len(points))]).astype("<f4")
    if form == "ascii":
        return (header + "".join(f"{x} {y} {z} 7\n" for x, y, z in points.tolist())).encode()
    if form == "binary":
        return header.encode() + rows.tobytes()
    raw = rows.T.tobytes()
    packed = b"".join(bytes([len(raw[i : i + 32]) - 1]) + raw[i : i + 32] for i in range(0, len(raw), 32))
    return header.encode() + np.array(sizes or (len(packed), len(raw)), "<u4").tobytes() + packed


def npy(array: np.ndarray) -> bytes:
    """An NPY; objects are pickled."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    """An NPZ, packed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def fields(points: np.ndarray, names: tuple[str, ...] = (*NAMES, "rgb")) -> np.ndarray:
    """The same as an array with named fields, as ROS and PCL's Python wrappers give it."""
    rows = np.zeros(len(points), [(name, "<f4") for name in names])
    for name, column in zip(names, points.T, strict=False):
        rows[name] = column
    return rows


def text(points: np.ndarray, between: str = " ", header: str = "", row: str = "{}") -> bytes:
    """A text: a header, and rows of x, y and z put into `row`."""
    lines = [row.format(between.join(map(str, point))) for point in points.tolist()]
    return "\n".join([*header.splitlines(), *lines, ""]).encode()


KINDS: dict[str, Callable[[np.ndarray], bytes]] = {
    "plain.npy": npy,
    "double.npy": lambda points: npy(points.astype(np.float64)),
    "fortran.npy": lambda points: npy(np.asfortranarray(points)),
    "one_in_a_batch.npy": lambda points: npy(points[None]),
    "fields.npy": lambda points: npy(fields(points)),
    "organised_fields.npy": lambda points: npy(fields(points).reshape(4, -1)),
    "vectors.npy": lambda points: npy(np.array([(point, 1.0) for point in points], [("xyz", "f4", 3), ("i", "f4")])),
    "points.npz": lambda points: npz(points=points),
    "colours_first.npz": lambda points: npz(colors=np.full_like(points, 0.5), xyz=points),
    "only_one.npz": lambda points: npz(scan_7=points, label=np.zeros(len(points)), pose=np.eye(4)[:, :2]),
    "axes.npz": lambda points: npz(z=points[:, 2], y=points[:, 1], x=points[:, 0], intensity=np.zeros(len(points))),
    "ascii.ply": ply,
    "little.ply": lambda points: ply(points, "binary_little_endian"),
    "big.ply": lambda points: ply(points, "binary_big_endian"),
    "windows.ply": lambda points: ply(points).replace(b"\n", b"\r\n"),
    "camera_first.ply": lambda points: ply(points).replace(
        b"element vertex", b"element camera 1\nproperty float f\nelement vertex"
    ).replace(b"end_header\n", b"end_header\n525.0\n"),
    "lists_last.ply": lambda points: ply(points).replace(
        b"end_header\n", b"property list uchar int neighbours\nend_header\n"
    ),
    "notepad.ply": lambda points: b"\xef\xbb\xbf" + ply(points).replace(b"\n", b"\r\n"),
    "notepad.pcd": lambda points: b"\xef\xbb\xbf" + pcd(points),
    "ascii.pcd": pcd,
    "binary.pcd": lambda points: pcd(points, "binary"),
    "compressed.pcd": lambda points: pcd(points, "binary_compressed"),
    "organised.pcd": lambda points: pcd(points, "binary", f"WIDTH {len(points) // 4}\nHEIGHT 4\n"),
    "ply_called.xyz": ply,
    "npy_without_ending": npy,
    "blanks.xyz": text,
    "count_first.pts": lambda points: text(points, header=str(len(points)), row="{} 12 0 0 0"),
    "commented.asc": lambda points: text(points, header="# scanned in a kitchen\n// made\n"),
    "cloudcompare.txt": lambda points: text(points, header="//Nx X Y Z", row="9 {}"),
    "modelnet.txt": lambda points: text(points, ",", row="{},0.0,0.0,1.0"),
    "header.csv": lambda points: text(points, ",", "x,y,z"),
    "pandas.csv": lambda points: text(points, ",", ",x,y,z,label", row='0,{},"a mug"'),
    "label_first.csv": lambda points: text(points, ",", "label,x,y,z", row="mug,{}"),
    "paraview.csv": lambda points: text(points, ",", '"Normals:0","Points:0","Points:1","Points:2"', row="7,{}"),
    "units.csv": lambda points: text(points, ", ", "id, X [m], Y [m], Z [m]", row="3, {}"),
    "german.csv": lambda points: text(points, ";", "x;y;z").replace(b".", b","),
    "decimal_commas.txt": lambda points: text(points, "\t").replace(b".", b","),
    "excel.csv": lambda points: b"\xef\xbb\xbf" + text(points, ";", "X;Y;Z").replace(b"\n", b"\r\n"),
    "excel_told.csv": lambda points: b"\xef\xbb\xbf" + text(points, ";", "sep=;\nx;y;z").replace(b".", b","),
    "unicode.txt": lambda points: text(points, "\t").decode().encode("utf-16"),
    "trailing_comma.csv": lambda points: text(points, ",", row="{},"),
}  # fmt: skip
"""How a cloud may come, by name: made of points (N, 3)."""
