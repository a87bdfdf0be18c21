"""Animations of a study: made once from a task, kept as small binary files beside a manifest.

The file of one animation, little-endian: 4 bytes "EMPA", uint32 version = 1, float32 frames per second, uint32 frames,
uint32 links, then frames x links x 7 float32 (position m, quat_xyzw).
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.study.config import canonical
from apps.study.errors import StudyError
from envs.trajectories.task import Animation, Trajectories, TrajectoryTask
from policies.taste.queries import PAIRS

MAGIC, VERSION = b"EMPA", 1
MANIFEST = "manifest.json"
MOST = 5_000
_SUFFIX = ".empa"


class StimuliError(StudyError):
    """The animations are missing, damaged, or not those that the study began with."""

    status, code = 500, "stimuli"


@dataclass(frozen=True)
class Golden:
    """An obvious triplet: `items` in the order that `choice` (index of PAIRS) speaks of."""

    items: tuple[str, str, str]
    choice: int


@dataclass(frozen=True)
class TaskStimuli:
    """The animations of one task.

    Attributes:
        items: ids, in the order of `features`.
        scene: what all have in common; `here` is what differs, by id.
        features: (N, F) true features in [0, 1]; never sent to a page.
        golden, practice: obvious triplets, for attention and for the practice, none in both.
        files: SHA-256 of every animation's file, by id; `trajectories` that of what they were made of.
    """

    task: str
    kind: str
    items: tuple[str, ...]
    scene: dict[str, Any]
    here: dict[str, Any]
    feature_names: tuple[str, ...]
    features: tuple[tuple[float, ...], ...]
    golden: tuple[Golden, ...]
    practice: tuple[Golden, ...]
    files: dict[str, str]
    trajectories: str

    def scene_json(self) -> dict[str, Any]:
        """Tell what the page needs beside the poses."""
        return {"kind": self.kind, **self.scene, "here": self.here}


@dataclass(frozen=True)
class Stimuli:
    """All animations of a study; `sha256` is the hash of the manifest, which has the hash of every file."""

    folder: Path
    tasks: dict[str, TaskStimuli]
    sha256: str

    def body(self, name: str) -> bytes | None:
        """Read the file of an animation by its id; None when there is none of that id."""
        # Only ids of the manifest become paths.
        if not any(name in task.files for task in self.tasks.values()):
            return None
        return (self.folder / f"{name}{_SUFFIX}").read_bytes()


def encode_animation(animation: Animation) -> bytes:
    """Pack an animation.

    Raises:
        StimuliError: its poses are not (frames, links, 7), or not finite.
    """
    poses = np.ascontiguousarray(animation.poses, "<f4")
    if poses.ndim != 3 or poses.shape[2] != 7 or not np.isfinite(poses).all():
        raise StimuliError(f"poses {poses.shape} came; (frames, links, 7) finite numbers are needed")
    return struct.pack("<4sIfII", MAGIC, VERSION, animation.fps, *poses.shape[:2]) + poses.tobytes()


def decode_animation(body: bytes) -> tuple[float, np.ndarray]:
    """Unpack frames per second and poses (frames, links, 7).

    Raises:
        StimuliError: it is no such file.
    """
    head = struct.calcsize("<4sIfII")
    if len(body) < head:
        raise StimuliError(f"{len(body)} bytes came; an animation has {head} at least")
    magic, version, fps, frames, links = struct.unpack("<4sIfII", body[:head])
    if magic != MAGIC or version != VERSION or len(body) != head + frames * links * 28:
        raise StimuliError(f"{magic!r} version {version}, {len(body)} bytes came; this is no animation of ours")
    return fps, np.frombuffer(body, "<f4", offset=head).reshape(frames, links, 7)


def make_task_stimuli(task: TrajectoryTask, n: int, folder: Path, rng: np.random.Generator) -> TaskStimuli:
    """Make `n` animations of a task and write their files.

    Raises:
        StimuliError: fewer than three could be made, or more than `MOST` were asked for.
    """
    if not 3 <= n <= MOST:
        raise StimuliError(f"{n} animations of {task.name!r} came; allowed are 3 to {MOST}")
    trajectories = task.generate(n, rng)
    if len(trajectories) > n:
        trajectories = trajectories.take(np.sort(rng.choice(len(trajectories), n, replace=False)))
    if len(trajectories) < 3:
        raise StimuliError(f"task {task.name!r} has {len(trajectories)} trajectories; three are compared")
    features = np.asarray(task.features(trajectories), float)
    scene: dict[str, Any] = {}
    kind, items, here, files = "", [], {}, {}
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(len(trajectories)):
        animation = task.render(trajectories, i)
        body = encode_animation(animation)
        digest = hashlib.sha256(body).hexdigest()
        # Browsers keep animations for ever: another study's at the same address must have another name.
        name = f"{task.name}-{i:04d}-{digest[:6]}"
        (folder / f"{name}{_SUFFIX}").write_bytes(body)
        scene, kind = {key: value for key, value in animation.scene.items() if key != "here"}, animation.kind
        if "here" in animation.scene:
            here[name] = animation.scene["here"]
        items.append(name)
        files[name] = digest
    golden, practice = obvious_triplets(tuple(items), features, rng)
    made_of = _write_trajectories(
        trajectories, np.asarray(task.descriptors(trajectories), np.float32), folder / f"{task.name}.npz"
    )
    rounded = tuple(tuple(round(float(x), 5) for x in row) for row in features)
    return TaskStimuli(
        task.name, kind, tuple(items), scene, here, tuple(task.feature_names), rounded, golden, practice, files, made_of
    )


def _write_trajectories(trajectories: Trajectories, descriptors: np.ndarray, path: Path) -> str:
    """Keep what the animations show as the tasks know it, so that others can learn from the answers; its SHA-256."""
    extras: dict[str, Any] = {f"extra_{name}": values for name, values in trajectories.extras.items()}
    if odd := [name for name, values in extras.items() if np.asarray(values).dtype.hasobject]:
        raise StimuliError(f"{odd[0]} holds Python objects; numbers and texts are needed")
    np.savez_compressed(path, states=trajectories.states, descriptors=descriptors, **extras)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_trajectories(stimuli: Stimuli, task: str) -> Trajectories:
    """Read the trajectories of a task's animations, in the order of its items.

    Raises:
        StimuliError: there is no such task, or the file is missing or not the one that the manifest names.
    """
    with np.load(_checked_arrays(stimuli, task), allow_pickle=False) as kept:
        extras = {name[len("extra_") :]: kept[name] for name in kept.files if name.startswith("extra_")}
        return Trajectories(kept["states"], extras)


def load_descriptors(stimuli: Stimuli, task: str) -> np.ndarray:
    """Read the (items, K) float32 motion descriptors of a task's animations.

    Raises:
        StimuliError: as `load_trajectories`.
    """
    with np.load(_checked_arrays(stimuli, task), allow_pickle=False) as kept:
        return np.asarray(kept["descriptors"])


def _checked_arrays(stimuli: Stimuli, task: str) -> Path:
    if task not in stimuli.tasks:
        raise StimuliError(f"task {task!r} came; there are {', '.join(stimuli.tasks)}")
    path = stimuli.folder / f"{task}.npz"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != stimuli.tasks[task].trajectories:
        raise StimuliError(f"{path} is missing or was changed: copy it back from where the study was made")
    return path


def obvious_triplets(
    items: tuple[str, ...], features: np.ndarray, rng: np.random.Generator, n: int = 24, tried: int = 20_000
) -> tuple[tuple[Golden, ...], tuple[Golden, ...]]:
    """Find triplets whose answer nobody doubts: two nearly equal in all features, the third far away in all of them.

    Of `tried` random triplets those win whose second distance (between features (N, F), root of the mean square) is
    largest against the first. They use different pairs; the answers are spread over the three positions.

    Returns:
        Those for attention, and those for the practice.
    """
    drawn = np.array([rng.choice(len(items), 3, replace=False) for _ in range(min(tried, 40 * len(items) ** 2))])
    distance = np.stack([np.sqrt(((features[drawn[:, i]] - features[drawn[:, j]]) ** 2).mean(-1)) for i, j in PAIRS], 1)
    ordered = np.sort(distance, axis=1)
    clearness = (ordered[:, 1] - ordered[:, 0]) * (1 - ordered[:, 0] / np.maximum(ordered[:, 2], 1e-9))
    found: list[Golden] = []
    used: set[frozenset[int]] = set()
    for k in np.argsort(-clearness, kind="stable"):
        trio = frozenset(map(int, drawn[k]))
        if trio in used or clearness[k] <= 0:
            continue
        used.add(trio)
        alike = PAIRS[int(distance[k].argmin())]
        third = ({0, 1, 2} - set(alike)).pop()
        wanted = len(found) % 3
        place = dict(zip((*PAIRS[wanted], ({0, 1, 2} - set(PAIRS[wanted])).pop()), (*alike, third), strict=True))
        found.append(Golden(tuple(items[drawn[k][place[p]]] for p in range(3)), wanted))
        if len(found) == n:
            break
    return tuple(found[::2]), tuple(found[1::2])


def write_manifest(tasks: list[TaskStimuli], folder: Path) -> Stimuli:
    """Write the manifest of a study's animations."""
    manifest = {task.task: {key: value for key, value in asdict(task).items() if key != "task"} for task in tasks}
    (folder / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, allow_nan=False), "utf-8")
    return load_stimuli(folder)


def load_stimuli(folder: Path) -> Stimuli:
    """Read the manifest, and look whether every file is there.

    Raises:
        StimuliError: it is missing, damaged, or a file is missing.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
        tasks = {name: _task(name, entry) for name, entry in manifest.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StimuliError(
            f"cannot read {path}: {problem}. Make the study's folder with: user_study.py init"
        ) from problem
    for task in tasks.values():
        missing = [name for name in task.items if not (folder / f"{name}{_SUFFIX}").is_file()]
        if missing:
            raise StimuliError(f"{folder / (missing[0] + _SUFFIX)} is missing: copy it back, or make a new study")
    return Stimuli(folder, tasks, hashlib.sha256(canonical(manifest).encode()).hexdigest())


def _task(name: str, entry: dict[str, Any]) -> TaskStimuli:
    def golden(rows: list[dict[str, Any]]) -> tuple[Golden, ...]:
        return tuple(Golden(tuple(row["items"]), int(row["choice"])) for row in rows)

    return TaskStimuli(
        name, entry["kind"], tuple(entry["items"]), entry["scene"], entry["here"], tuple(entry["feature_names"]),
        tuple(tuple(row) for row in entry["features"]), golden(entry["golden"]), golden(entry["practice"]),
        entry["files"], entry["trajectories"],
    )  # fmt: skip
