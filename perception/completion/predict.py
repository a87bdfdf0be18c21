"""Complete the clouds in files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import tyro

from geometry.clouds import CloudError, Completed
from geometry.files import write_whole
from perception.command import CommandError, Failure, check_folder, find_files, one_line
from perception.completion.model import CompletionModel
from perception.completion.weights import DEFAULT_FOLDER

READ = (".npy", ".npz", ".ply", ".xyz", ".pcd", ".txt", ".csv")


@dataclass(frozen=True)
class PredictConfig:
    """Complete clouds: one file or a folder of .npy, .npz, .ply, .pcd, .xyz, .txt or .csv.

    A cloud is what one camera sees of one object, cut out, in metres, z up, the table at z = 0. For each a file
    NAME.completed.npz is written, with points (2048, 3) m and uncertainty (2048,) m, or NAME.completed.ply with --ply.
    """

    source: tyro.conf.Positional[Path]
    """File or folder."""
    out: Path = Path("runs/completed")
    """Folder for the results."""
    weights: Path = DEFAULT_FOLDER
    """Folder of weights."""
    scale: float = 1.0
    """Factor from the file's coordinates to metres: 0.001 for millimetres."""
    ply: bool = False
    """Write .ply, which viewers open, instead of .npz."""


class PredictResult(NamedTuple):
    """Files written, and files that could not be completed."""

    written: list[Path]
    failed: list[Failure]


def main(config: PredictConfig) -> PredictResult:
    """Complete what is there; a file that cannot be is told, and the others are done.

    Raises:
        CommandError: there is nothing to complete, or nothing can be written.
        WeightsError: no such weights.
    """
    files = find_files(config.source, READ)
    if not files:
        raise CommandError(f"{config.source} holds no cloud; allowed are {', '.join(READ)}")
    check_folder(config.out)
    model = CompletionModel.load(config.weights)
    written, failed = [], []
    for file in files:
        try:
            completed = model.complete(read_cloud(file) * config.scale)
        except (CloudError, OSError) as problem:
            failed.append(Failure(file, one_line(problem)))
            continue
        path = config.out / f"{file.stem}.completed.{'ply' if config.ply else 'npz'}"
        write_whole(path, _as_ply(completed) if config.ply else _as_npz(completed))
        written.append(path)
    return PredictResult(written, failed)


def read_cloud(path: Path) -> np.ndarray:
    """Read points (N, 3).

    Raises:
        CloudError: it is damaged, or holds no points.
    """
    if not path.is_file():
        raise CloudError(f"{path} is missing; expected a cloud ({', '.join(READ)}). Check the path.")
    try:
        points = _read(path)
    except (ValueError, KeyError, IndexError, EOFError, RuntimeError, BadZipFile) as problem:
        raise CloudError(f"{path} is damaged or holds no cloud ({problem})") from problem
    if points.ndim != 2 or points.shape[1] < 3 or not len(points):
        raise CloudError(f"{path} holds an array of shape {points.shape}; expected (N, 3), x y z of every point")
    cloud: np.ndarray = points[:, :3]
    return cloud


def _read(path: Path) -> np.ndarray:
    kind = path.suffix.lower()
    if kind == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), float)
    if kind == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            name = "points" if "points" in names else names[0]
            return np.asarray(arrays[name], float)
    if kind in (".ply", ".pcd"):
        import open3d as o3d

        points: Any = o3d.io.read_point_cloud(path).points
        return np.asarray(points, float)
    return np.loadtxt(path, delimiter="," if kind == ".csv" else None, ndmin=2, comments=("#", "//"))


def _as_npz(completed: Completed) -> bytes:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, points=completed.points, uncertainty=completed.uncertainty)
    return buffer.getvalue()


def _as_ply(completed: Completed) -> bytes:
    rows = np.column_stack([completed.points, completed.uncertainty]).astype("<f4")
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "uncertainty"))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{names}end_header\n"
    return header.encode() + rows.tobytes()


def report(result: PredictResult) -> int:
    """Say what was written, on stdout, and what failed, on stderr."""
    for path in result.written:
        print(path)
    for failure in result.failed:
        about = "" if str(failure.file) in failure.reason else f"{failure.file}: "
        print(f"error: {about}{failure.reason}", file=sys.stderr)
    return 2 if result.failed else 0
