"""Complete the clouds in files."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from geometry.cloud_files import ENDINGS, looks_like_cloud, read_cloud
from geometry.clouds import CloudError, Completed
from geometry.files import write_whole
from perception.command import (
    CommandError,
    Failure,
    FoundFiles,
    check_folder,
    name_outputs,
    one_line,
    search_files,
)
from perception.completion.model import CompletionModel
from perception.completion.weights import DEFAULT_FOLDER


@dataclass(frozen=True)
class PredictConfig:
    """Complete clouds: files, and those in folders and below, of .npy, .npz, .ply, .pcd, .xyz, .txt, .csv, .asc, .pts.

    A cloud is what one camera sees of one object, cut out, in metres, z up, the table at z = 0. Rows that are zero, NaN
    or infinite are dropped. For each NAME.ply a file NAME.completed.npz is written, with points (9216, 3) m and
    uncertainty (9216,) m, or NAME.completed.ply with --ply; in OUT they lie as the clouds do in the folder of all. A
    file that cannot be used is reported on stderr, the others continue, and the exit status is 2.
    """

    source: tyro.conf.Positional[tuple[Path, ...]]
    """Files and folders."""
    out: Path = Path("runs/completed")
    """Folder for the results."""
    weights: Path = DEFAULT_FOLDER
    """Folder of weights."""
    scale: float | None = None
    """Factor from the file's coordinates to metres: 0.001 for millimetres; without it that of the unit that a table
    names, as x [mm], else 1."""
    array: str = ""
    """Name of the array of an NPZ that is the cloud, where it is not plain."""
    ply: bool = False
    """Write .ply, which viewers open, instead of .npz."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("no file and no folder came; name what to complete.")
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0.0):
            raise ValueError(
                f"scale is {self.scale}; it must be more than 0: 0.001 for millimetres, 0.0254 for inches."
            )


class Dropped(NamedTuple):
    """A file of which so many `rows` of all were no points."""

    file: Path
    rows: int
    of: int


class PredictResult(NamedTuple):
    """Files found, files written, files that could not be completed, and what was dropped of the others."""

    found: FoundFiles
    written: list[Path]
    failed: list[Failure]
    dropped: list[Dropped]


def main(config: PredictConfig) -> PredictResult:
    """Complete what is there; a file that cannot be is told, and the others are done.

    Raises:
        CommandError: there is nothing to complete, two results would have one name, or nothing can be written.
        WeightsError: no such weights.
    """
    found = _without_results(search_files(config.source, ENDINGS, looks_like_cloud), config.source)
    if not found.files:
        raise CommandError(f"{found.below} holds no cloud; allowed are {', '.join(ENDINGS)}{found.left_out}")
    paths = name_outputs(found, config.out, f".completed.{'ply' if config.ply else 'npz'}")
    check_folder(config.out)
    model = CompletionModel.load(config.weights)
    result = PredictResult(found, [], [], [])
    for file, path in zip(found.files, paths, strict=True):
        try:
            cloud = read_cloud(file, config.array)
            completed = model.complete(cloud.points * (config.scale or cloud.metres or 1.0))
        except (CloudError, OSError) as problem:
            result.failed.append(Failure(file, one_line(problem)))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _as_ply(completed) if config.ply else _as_npz(completed))
        result.written.append(path)
        if cloud.dropped:
            result.dropped.append(Dropped(file, cloud.dropped, cloud.rows))
    return result


def _without_results(found: FoundFiles, named: tuple[Path, ...]) -> FoundFiles:
    """Leave out what was completed before and lies among the clouds, unless it was named itself."""
    files = [file for file in found.files if not file.stem.endswith(".completed") or file in named]
    left = Counter({"completed before": len(found.files) - len(files)})
    return found._replace(files=files, others=found.others + left)


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
    """Say what was written, on stdout, and what was dropped, left out and failed, on stderr; 2 where a file failed."""
    for path in result.written:
        print(path)
    for file, rows, of in result.dropped:
        print(f"dropped {rows} rows without a point of {of}: {file}", file=sys.stderr)
    for failure in result.failed:
        about = "" if str(failure.file) in failure.reason else f"{failure.file}: "
        print(f"error: {about}{failure.reason}", file=sys.stderr)
    found = result.found
    print(f"{len(result.written)} of {len(found.files)} clouds completed{found.left_out}", file=sys.stderr)
    return 2 if result.failed else 0
