"""Pictures of trials: what failed looks like, cause by cause."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import numpy as np

from envs.grasping.objects import Tabletop
from evaluation.grasping.single import LeftOutError, Task, attempt, make_scene
from evaluation.grasping.trials import Trial
from robots.hand import Grasp, Gripper
from robots.world import Camera

VIEW = (480, 360)
_EACH = 2
_LIFTING_S = 1.25
"""When the hand has closed and begins to lift."""


def eye_on(place: Sequence[float] | np.ndarray, distance_m: float = 0.45) -> Camera:
    """Place a camera that looks at a place from a side and above."""
    x, y, z = (float(value) for value in place)
    return Camera((x + distance_m, y - distance_m, z + 0.7 * distance_m), (x, y, z))


class Filmed:
    """Takes pictures while a trial runs: give `watch` to it."""

    def __init__(self, camera: Camera, every_s: float, size: tuple[int, int] = VIEW) -> None:
        self.frames: list[np.ndarray] = []
        self._camera, self._every_s, self._size, self._steps = camera, every_s, size, 0

    def watch(self, table: Tabletop, hand: Gripper) -> None:
        """Take a picture when it is time."""
        if self._steps % max(round(self._every_s / table.world.config.time_step_s), 1) == 0:
            self.frames.append(table.world.picture(self._camera, *self._size))
        self._steps += 1


def grasp_of(row: Trial) -> Grasp | None:
    """Give the grasp that a row tried."""
    if row.T_world_hand is None or row.width_m is None:
        return None
    return Grasp(np.array(row.T_world_hand).reshape(4, 4), row.width_m)


def failures(rows: Sequence[Trial], tasks: Sequence[Task], cloud: str) -> Iterator[tuple[str, str]]:
    """Give caption and data URL of two failures of a cloud for each cause; the trials are run again for it."""
    by_number = {task.number: task for task in tasks}
    shown: dict[str, int] = {}
    for row in rows:
        grasp = grasp_of(row)
        if row.cloud != cloud or row.held or grasp is None or shown.get(row.cause, 0) == _EACH:
            continue
        try:
            scene = make_scene(by_number[row.task])
        except (LeftOutError, KeyError):
            continue
        shown[row.cause] = shown.get(row.cause, 0) + 1
        film = Filmed(eye_on(grasp.T_world_hand[:3, 3]), _LIFTING_S)
        attempt(scene, grasp, row.friction, watch=film.watch)
        if film.frames:
            yield f"{row.object}, {row.stratum}°, {cloud}: {row.cause}", data_url(film.frames[:2][-1])


def data_url(picture: np.ndarray) -> str:
    """Pack (height, width, 3) uint8 RGB as a JPEG that a page can hold."""
    import cv2

    done, packed = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not done:
        raise RuntimeError("OpenCV could not pack a picture as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(packed.tobytes()).decode()
