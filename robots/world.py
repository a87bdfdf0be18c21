"""The Bullet world: the one owner of a physics client, its time step and its ground."""

from __future__ import annotations

import ctypes.util
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from geometry.mesh_files import load_convex_parts
from geometry.meshes import Mesh, MeshError
from robots.shapes import Shape
from robots.stdio import silent_c_output

with silent_c_output():
    import pybullet
    import pybullet_data
    from pybullet_utils.bullet_client import BulletClient


POSITION_CONTROL = pybullet.POSITION_CONTROL


@dataclass(frozen=True)
class WorldConfig:
    """Physics of the world.

    The step rate of Bullet depends on constraint rows times solver iterations, not on the time step: few iterations
    at 250 Hz hold a walking quadruped and leave most of a core free.
    """

    time_step_s: float = 1 / 250
    gravity: float = 9.81
    solver_iterations: int = 12
    ground_friction: float = 0.9
    window: bool = False


class Camera(NamedTuple):
    """Where a picture is taken from, and what it looks at; both (3,) m in the world."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    field_of_view_deg: float = 45.0


class World(AbstractContextManager):
    """A Bullet world. Only the thread that made it may touch it, or the robots in it.

    Raises:
        RuntimeError: `config.window` is set and there is no display.
    """

    def __init__(self, config: WorldConfig | None = None) -> None:
        self.config = config or WorldConfig()
        self.client = self._connect()
        self.client.setPhysicsEngineParameter(
            fixedTimeStep=self.config.time_step_s,
            numSolverIterations=self.config.solver_iterations,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
        )
        self.client.setGravity(0, 0, -self.config.gravity)
        self.ground = self._add_ground()
        self._step = self.client.stepSimulation

    def _connect(self) -> BulletClient:
        if not self.config.window:
            with silent_c_output():
                return BulletClient(pybullet.DIRECT)
        with _display(), silent_c_output():
            client = BulletClient(pybullet.GUI)
        client.configureDebugVisualizer(pybullet.COV_ENABLE_GUI, 0)
        return client

    def _add_ground(self) -> int:
        # A plane has no edge to walk off, and Bullet's own checkers make its motion visible; only their tint is ours.
        plane = self.client.createCollisionShape(pybullet.GEOM_PLANE)
        body = int(self.client.createMultiBody(0, plane))
        self.client.changeDynamics(body, -1, lateralFriction=self.config.ground_friction)
        self.client.changeVisualShape(body, -1, rgbaColor=(1.0, 0.93, 0.82, 1.0))
        return body

    def set_ground(self, heights: np.ndarray, cell_m: float, visible: bool = True) -> None:
        """Put uneven ground in the place of the plane, centred on the origin.

        Args:
            heights: (ny, nx) m, at points `cell_m` apart; rows go along y, columns along x.
            cell_m: distance of the points, m.
            visible: whether pictures show it; they take more memory than the ground itself, 1 kB for each point.
        """
        rows, columns = heights.shape
        shape = self.client.createCollisionShape(
            pybullet.GEOM_HEIGHTFIELD,
            meshScale=(cell_m, cell_m, 1.0),
            heightfieldData=heights.ravel().tolist(),
            # Bullet's fast index runs along x, and it calls the points along x rows.
            numHeightfieldRows=columns,
            numHeightfieldColumns=rows,
        )
        self.client.removeBody(self.ground)
        # Bullet centres the heights between the lowest and the highest.
        if visible:
            self.ground = int(self.client.createMultiBody(0, shape))
            self.client.changeVisualShape(self.ground, -1, rgbaColor=(0.78, 0.72, 0.62, 1.0))
        else:  # Bullet draws a body that has no looks of its own as the shape it collides with
            speck = self.client.createVisualShape(pybullet.GEOM_SPHERE, radius=1e-3)
            self.ground = int(self.client.createMultiBody(0, shape, speck))
        self.place(self.ground, (0.0, 0.0, float(heights.min() + heights.max()) / 2), (0, 0, 0, 1))
        self.set_ground_friction(self.config.ground_friction)

    def set_ground_friction(self, friction: float) -> None:
        """Set the lateral friction coefficient of the ground."""
        self.client.changeDynamics(self.ground, -1, lateralFriction=friction)

    def load_urdf(self, urdf: str, position: Sequence[float], quat_xyzw: Sequence[float]) -> int:
        """Load a robot from URDF text with the inertias written in it; returns Bullet's body number."""
        with tempfile.TemporaryDirectory(prefix="empaw-") as folder:
            path = Path(folder) / "robot.urdf"
            path.write_text(urdf, encoding="utf-8")
            return int(
                self.client.loadURDF(
                    str(path),
                    basePosition=position,
                    baseOrientation=quat_xyzw,
                    flags=pybullet.URDF_USE_INERTIA_FROM_FILE | pybullet.URDF_MAINTAIN_LINK_ORDER,
                )
            )

    def load_shipped(self, name: str, position: Sequence[float]) -> int:
        """Load a robot that PyBullet ships, bolted down at `position` (3,) m; returns Bullet's body number."""
        file = Path(pybullet_data.getDataPath()) / name
        return int(self.client.loadURDF(str(file), basePosition=position, useFixedBase=True))

    def add_picture_body(self, shapes: Sequence[Shape]) -> int:
        """Add something that is seen and never touched (no mass, no collision); returns Bullet's body number."""
        visual = self.client.createVisualShapeArray(**_visual_arrays(shapes))
        return int(self.client.createMultiBody(0, -1, visual))

    def add_solid(self, shapes: Sequence[Shape], friction: float) -> int:
        """Add something that is seen and touched and never moves of itself; returns Bullet's body number."""
        looks = _visual_arrays(shapes)
        sizes = {key: looks[key] for key in ("shapeTypes", "halfExtents", "radii", "lengths")}
        places, turns = looks["visualFramePositions"], looks["visualFrameOrientations"]
        touched = self.client.createCollisionShapeArray(
            **sizes, collisionFramePositions=places, collisionFrameOrientations=turns
        )
        body = int(self.client.createMultiBody(0, touched, self.client.createVisualShapeArray(**looks)))
        self.client.changeDynamics(body, -1, lateralFriction=friction)
        return body

    def add_body(self, parts: Sequence[np.ndarray], mass: float, friction: float, looks: Mesh | None = None) -> int:
        """Add a rigid body that is the union of convex parts, its centre of mass at their common origin.

        Args:
            parts: corners (n, 3) m of each part; Bullet takes their hull.
            mass: kg.
            friction: lateral friction coefficient; Bullet multiplies the two of a contact.
            looks: what pictures show; without it they show splinters, which nobody should look at.

        Returns:
            Bullet's body number.
        """
        with tempfile.TemporaryDirectory(prefix="empaw-") as folder:
            path = Path(folder) / "parts.obj"  # Bullet makes a hull of each object in such a file
            path.write_text(as_obj(parts), encoding="utf-8")
            shape = self.client.createCollisionShape(pybullet.GEOM_MESH, fileName=str(path))
            visual = -1 if looks is None else self._visual(looks)
            body = int(self.client.createMultiBody(mass, shape, visual))  # reads the file again for its looks
        self.client.changeDynamics(body, -1, lateralFriction=friction, linearDamping=0.0, angularDamping=0.0)
        return body

    def _visual(self, mesh: Mesh) -> int:
        # Bullet wants a normal for each corner, so that triangles that share none are lit one by one.
        corners = mesh.vertices[mesh.triangles]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
        return int(
            self.client.createVisualShape(
                pybullet.GEOM_MESH,
                vertices=corners.reshape(-1, 3).tolist(),
                indices=list(range(corners.shape[0] * 3)),
                normals=np.repeat(facing, 3, axis=0).tolist(),
                rgbaColor=(0.85, 0.45, 0.32, 1.0),
            )
        )

    def remove(self, body: int) -> None:
        """Take a body out of the world."""
        self.client.removeBody(body)

    def pose(self, body: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Position (3,) m and quat_xyzw of a body's centre of mass."""
        position, quat_xyzw = self.client.getBasePositionAndOrientation(body)
        return tuple(position), tuple(quat_xyzw)

    def speeds(self, body: int) -> tuple[float, float]:
        """How fast a body moves, m/s, and turns, rad/s."""
        linear, angular = self.client.getBaseVelocity(body)
        return float(np.linalg.norm(linear)), float(np.linalg.norm(angular))

    def touched_links(self, body: int, other: int) -> set[int]:
        """Links of `body` (-1 is its base) that touch `other` after the last step."""
        return {contact[3] for contact in self.client.getContactPoints(bodyA=body, bodyB=other) if contact[8] < 1e-3}

    def overlap(self, body: int, other: int) -> bool:
        """Whether two bodies are inside one another where they are now, by a millimetre or more."""
        return any(found[8] < -1e-3 for found in self.client.getClosestPoints(body, other, 0.0))

    def place(self, body: int, position: Sequence[float], quat_xyzw: Sequence[float]) -> None:
        """Put a body at a pose, position in m."""
        self.client.resetBasePositionAndOrientation(body, position, quat_xyzw)

    def step(self, substeps: int = 1) -> None:
        """Advance the physics by `substeps` times the time step."""
        for _ in range(substeps):
            self._step()

    def snapshot(self) -> int:
        """Remember the whole state in memory; give the number to `restore`, then to `forget`."""
        return int(self.client.saveState())

    def restore(self, snapshot: int) -> None:
        """Go back to a remembered state."""
        self.client.restoreState(stateId=snapshot)

    def forget(self, snapshot: int) -> None:
        """Free the memory of a remembered state."""
        self.client.removeState(snapshot)

    def picture(self, camera: Camera, width: int = 480, height: int = 360) -> np.ndarray:
        """Render with TinyRenderer (no display, no GPU): (height, width, 3) uint8 RGB."""
        view = self.client.computeViewMatrix(camera.eye, camera.target, (0, 0, 1))
        lens = self.client.computeProjectionMatrixFOV(camera.field_of_view_deg, width / height, 0.1, 20.0)
        image = self.client.getCameraImage(
            width,
            height,
            view,
            lens,
            renderer=pybullet.ER_TINY_RENDERER,
            lightDirection=(2.0, -1.5, 4.0),
            shadow=0,  # with shadows a picture takes twice as long
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
        )[2]
        return np.asarray(image, np.uint8).reshape(height, width, 4)[:, :, :3]

    def follow(self, target: Sequence[float]) -> None:
        """Keep Bullet's own window, where there is one, looking at `target` (3,) m."""
        if self.config.window:
            self.client.resetDebugVisualizerCamera(1.6, 40, -20, target)

    def close(self) -> None:
        """Disconnect. Closing twice is harmless."""
        if self.client.isConnected():
            self.client.disconnect()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: what came of it would step the physics of this one.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a Bullet world, or an environment or robot in one, cannot be copied or pickled: make another from the "
            "same config and reset it with the same seed"
        )


_VOXELS = 100_000
"""For V-HACD: fifteen times as fast as Bullet's own choice, and as good for things of 30 cm."""


def convex_parts(mesh: Mesh) -> tuple[Mesh, ...]:
    """Convex parts that fill about the space of a mesh, by V-HACD (Mamou 2016) as Bullet has it: in 1 to 10 s.

    Raises:
        MeshError: nothing comes of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole, parts, log = (str(Path(folder) / name) for name in ("whole.obj", "parts.obj", "log.txt"))
        lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.vertices]
        lines += [f"f {a} {b} {c}" for a, b, c in mesh.triangles + 1]
        Path(whole).write_text("\n".join(lines) + "\n", encoding="utf-8")
        with silent_c_output():
            pybullet.vhacd(whole, parts, log, resolution=_VOXELS)
        if not Path(parts).exists():
            raise MeshError("V-HACD gave no parts")
        return load_convex_parts(Path(parts))


def as_obj(parts: Sequence[np.ndarray]) -> str:
    """Text of an .obj with one `o` for the corners of each part. Bullet reads points only where faces use them."""
    lines, first = [], 1
    for number, corners in enumerate(parts):
        lines.append(f"o part{number}")
        lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in corners]
        last = first + len(corners) - 1
        lines += [f"f {a} {min(a + 1, last)} {min(a + 2, last)}" for a in range(first, last + 1, 3)]
        first = last + 1
    return "\n".join(lines) + "\n"


_BULLET_KIND = {
    "box": pybullet.GEOM_BOX,
    "sphere": pybullet.GEOM_SPHERE,
    "capsule": pybullet.GEOM_CAPSULE,
    "cylinder": pybullet.GEOM_CYLINDER,
}


def _visual_arrays(shapes: Sequence[Shape]) -> dict[str, list]:
    """Translate shapes to the arguments of createVisualShapeArray."""
    boxes = [[s / 2 for s in shape.size] if shape.kind == "box" else [0, 0, 0] for shape in shapes]
    return {
        "shapeTypes": [_BULLET_KIND[shape.kind] for shape in shapes],
        "halfExtents": boxes,
        "radii": [0.0 if shape.kind == "box" else shape.size[0] for shape in shapes],
        "lengths": [shape.size[1] if len(shape.size) == 2 else 0.0 for shape in shapes],
        "rgbaColors": [shape.rgba for shape in shapes],
        "visualFramePositions": [list(shape.position) for shape in shapes],
        "visualFrameOrientations": [list(shape.quat_xyzw) for shape in shapes],
    }


@contextmanager
def _display() -> Iterator[None]:
    """Hold on to an X server while Bullet looks for it: Bullet ends the whole process when there is none.

    The connection is kept until Bullet has its own, since an X server starts afresh when its last client leaves.
    """
    if sys.platform != "linux":
        yield
        return
    library = ctypes.util.find_library("X11")
    display = None
    if library is not None:
        x11 = ctypes.CDLL(library)
        x11.XOpenDisplay.restype = ctypes.c_void_p
        display = x11.XOpenDisplay(None)
    if not display:
        raise RuntimeError(
            f"PyBullet's own window needs a display, and DISPLAY={os.environ.get('DISPLAY', '')!r} is none. "
            "Start the program on a desktop or under xvfb-run, or leave --window out and use the browser."
        )
    try:
        yield
    finally:
        x11.XCloseDisplay(ctypes.c_void_p(display))
