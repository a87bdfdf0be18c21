"""A parallel-jaw hand that floats: numbers of the Franka hand -> generated URDF -> one constraint that carries it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geometry.transforms import inverse, quat_transform, to_quat, transform
from robots.shapes import Link, Shape
from robots.world import POSITION_CONTROL, World, WorldConfig

HAND_WORLD = WorldConfig(time_step_s=1 / 240, solver_iterations=150, ground_friction=1.0)
"""Physics that holds what is grasped, after VGN (Breyer et al. 2020)."""
LEFT, RIGHT = 0, 1


class Grasp(NamedTuple):
    """Where to close the hand.

    `T_world_hand` (4, 4): the origin lies midway between the ends of the fingers, z is the way that the hand comes, y
    the way that the fingers close. `width_m` is the opening between the fingers on the way there. `score` is higher
    for better ones; `features` are what it was made of.
    """

    T_world_hand: np.ndarray
    width_m: float
    score: float = 0.0
    features: dict[str, float] | None = None


@dataclass(frozen=True)
class HandSpec:
    """Sizes of Franka Emika's hand (datasheet of 2017 and its public collision meshes), m, kg and N.

    The hand's frame lies at the fingers' ends, so everything else has negative z.
    """

    opening_m: float = 0.08
    finger_m: float = 0.046
    """Free length of the fingers, from the palm to their ends."""
    pad_m: tuple[float, float, float] = (0.018, 0.0165, 0.024)
    """The end of a finger: along x, y (thickness) and z."""
    root_m: tuple[float, float, float] = (0.021, 0.024, 0.0297)
    """The rest of a finger, 1.5 mm further out than the pad."""
    palm_m: tuple[float, float, float] = (0.044, 0.204, 0.026)
    body_m: tuple[float, float, float] = (0.063, 0.204, 0.066)
    mount_m: float = 0.1122
    """From where the wrist holds the hand to the ends of its fingers."""
    mass_kg: float = 0.73
    finger_mass_kg: float = 0.1
    closing_force_n: float = 20.0
    finger_speed: float = 0.2
    """m/s"""

    def boxes(self, opening_m: float) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """List what the hand fills at an opening: link, centre (3,) and full size (3,) of boxes in its frame, m."""
        pad, root, palm, body = (np.array(size) for size in (self.pad_m, self.root_m, self.palm_m, self.body_m))
        found = [
            ("palm", np.array([0.0, 0.0, -self.finger_m - palm[2] / 2]), palm),
            ("palm", np.array([0.0, 0.0, -self.finger_m - palm[2] - body[2] / 2]), body),
        ]
        for name, side in (("left", 1.0), ("right", -1.0)):
            inner = opening_m / 2
            found.append((name, np.array([0.0, side * (inner + pad[1] / 2), -pad[2] / 2]), pad))
            found.append((name, np.array([0.0, side * (inner + 0.0015 + root[1] / 2), -pad[2] - root[2] / 2]), root))
        return found


PANDA_HAND = HandSpec()
MOUNT = transform(np.eye(3), (0.0, 0.0, -PANDA_HAND.mount_m))
"""T_hand_mount (4, 4): where the wrist holds the hand."""


def hand_links(spec: HandSpec = PANDA_HAND) -> tuple[Link, ...]:
    """Make palm, left and right finger as shapes in the hand's frame, fingers closed: for pictures and the URDF."""
    colors = {"palm": "#e8e2d6", "left": "#3a3d42", "right": "#3a3d42"}
    return tuple(
        Link(
            name,
            tuple(
                Shape("box", tuple(size.tolist()), tuple(centre.tolist()), color=color)
                for link, centre, size in spec.boxes(0.0)
                if link == name
            ),
        )
        for name, color in colors.items()
    )


class Gripper(ABC):
    """Two fingers that move alike: those of a hand that floats, or of one at the end of an arm.

    Args:
        world: where it is.
        body: Bullet's number of all of it.
        fingers: links of the left and the right finger.
    """

    def __init__(self, world: World, body: int, fingers: tuple[int, int]) -> None:
        self.world, self.body, self._fingers = world, body, fingers
        client = world.client
        for finger in fingers:  # rubber that gives a little and sticks (settings of VGN)
            client.changeDynamics(
                body,
                finger,
                lateralFriction=1.0,
                spinningFriction=0.1,
                contactStiffness=30_000,
                contactDamping=1_000,
                frictionAnchor=1,
            )
        left, right = fingers
        gear = client.createConstraint(body, left, body, right, client.JOINT_GEAR, (1, 0, 0), (0, 0, 0), (0, 0, 0))
        client.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=50)

    @abstractmethod
    def move_to(self, T_world_hand: np.ndarray) -> None:
        """Pull towards a pose."""

    @property
    @abstractmethod
    def pose(self) -> np.ndarray:
        """(4, 4): the pose of the hand now, as `Grasp.T_world_hand`."""

    @property
    def position(self) -> np.ndarray:
        """(3,) m in the world: midway between the fingers' ends."""
        return self.pose[:3, 3]

    def open_to(self, opening_m: float) -> None:
        """Drive the fingers to an opening, m; 0 closes them on whatever is between."""
        self.world.client.setJointMotorControlArray(
            self.body,
            self._fingers,
            POSITION_CONTROL,
            targetPositions=[opening_m / 2] * 2,
            forces=[PANDA_HAND.closing_force_n] * 2,
        )

    @property
    def opening_m(self) -> float:
        """Distance of the fingers now."""
        return float(sum(self.world.client.getJointState(self.body, finger)[0] for finger in self._fingers))

    def touches(self, body: int) -> set[int]:
        """Which links touch a body: `LEFT`, `RIGHT`, or -1 for anything else."""
        names = dict(zip(self._fingers, (LEFT, RIGHT), strict=True))
        return {names.get(link, -1) for link in self.world.touched_links(self.body, body)}


class Hand(Gripper):
    """A floating hand in a world: carried by one constraint of 300 N."""

    def __init__(self, world: World, T_world_hand: np.ndarray, opening_m: float) -> None:
        """Appear at a pose with an opening, which is clipped to what the hand can do."""
        opening_m = min(max(opening_m, 0.0), PANDA_HAND.opening_m)
        position, quat_xyzw = to_quat(T_world_hand @ MOUNT)
        body, client = world.load_urdf(hand_urdf(), position, quat_xyzw), world.client
        for finger in (LEFT, RIGHT):
            client.resetJointState(body, finger, opening_m / 2)
        super().__init__(world, body, (LEFT, RIGHT))
        self._carrier = client.createConstraint(
            body, -1, -1, -1, client.JOINT_FIXED, (0, 0, 0), (0, 0, 0), position, (0, 0, 0, 1), quat_xyzw
        )
        self.move_to(T_world_hand)
        self.open_to(opening_m)

    def move_to(self, T_world_hand: np.ndarray) -> None:
        """Pull the hand to a pose, as fast as 300 N do."""
        position, quat_xyzw = to_quat(T_world_hand @ MOUNT)
        self.world.client.changeConstraint(self._carrier, position, quat_xyzw, maxForce=300)

    @property
    def pose(self) -> np.ndarray:
        """(4, 4): the pose of the hand now, as `Grasp.T_world_hand`."""
        T: np.ndarray = quat_transform(*self.world.pose(self.body)) @ inverse(MOUNT)
        return T


def hand_urdf(spec: HandSpec = PANDA_HAND) -> str:
    """Write the hand as URDF text: base `palm`, its frame at the wrist, fingers sliding along y and -y."""
    links = {link.name: link.shapes for link in hand_links(spec)}
    text = ['<?xml version="1.0"?><robot name="hand">', _link("palm", links["palm"], spec.mount_m, spec.mass_kg)]
    for name, side in (("left", 1), ("right", -1)):
        text.append(_link(name, links[name], 0.0, spec.finger_mass_kg))
        text.append(
            f'<joint name="{name}" type="prismatic"><parent link="palm"/><child link="{name}"/>'
            f'<origin xyz="0 0 {spec.mount_m}"/><axis xyz="0 {side} 0"/><limit effort="{spec.closing_force_n}" '
            f'lower="0" upper="{spec.opening_m / 2}" velocity="{spec.finger_speed}"/></joint>'
        )
    return "".join([*text, "</robot>"])


def _link(name: str, shapes: tuple[Shape, ...], lift_m: float, mass: float) -> str:
    """Write one link; its boxes are moved up by `lift_m`, from the hand's frame to the link's.

    The inertia is that of a ball of 10 cm rather than of a finger: a light link on a strong constraint would jitter.
    """
    parts = []
    for shape in shapes:
        x, y, z = shape.position
        geometry = f'<geometry><box size="{" ".join(map(str, shape.size))}"/></geometry>'
        origin = f'<origin xyz="{x} {y} {z + lift_m}"/>'
        color = " ".join(f"{value:.3f}" for value in shape.rgba)
        parts.append(f"<collision>{origin}{geometry}</collision>")
        parts.append(f'<visual>{origin}{geometry}<material name="{name}"><color rgba="{color}"/></material></visual>')
    inertia = 0.4 * mass * 0.1**2
    tensor = f'ixx="{inertia}" iyy="{inertia}" izz="{inertia}" ixy="0" ixz="0" iyz="0"'
    mass_text = f'<inertial><mass value="{mass}"/><inertia {tensor}/></inertial>'
    return f'<link name="{name}">{mass_text}{"".join(parts)}</link>'
