"""Write URDF: links whose inertia is that of a solid box, and joints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from robots.shapes import Link, Shape

JointKind = Literal["revolute", "prismatic"]


def numbers(values: Sequence[float] | np.ndarray) -> str:
    """Write numbers as an attribute has them."""
    return " ".join(f"{float(value):.6g}" for value in values)


def box_inertia(mass: float, size_m: Sequence[float]) -> tuple[float, float, float]:
    """Return the moments of a solid box of full lengths about its middle, kg m^2."""
    x2, y2, z2 = (length**2 for length in size_m)
    return mass / 12 * (y2 + z2), mass / 12 * (x2 + z2), mass / 12 * (x2 + y2)


def link_text(
    link: Link,
    mass: float,
    center: Sequence[float],
    inertia_box: Sequence[float],
    solid: Sequence[Shape] = (),
    seen: Sequence[Shape] = (),
) -> str:
    """Write a link: `solid` is what others touch, `seen` what pictures show.

    Its inertia is that of a solid box with the given full lengths (m) about `center`.
    """
    ixx, iyy, izz = box_inertia(mass, inertia_box)
    shapes = [_shape("visual", shape) for shape in seen] + [_shape("collision", shape) for shape in solid]
    return (
        f'<link name="{link.name}"><inertial><origin xyz="{numbers(center)}"/><mass value="{mass:.6g}"/>'
        f'<inertia ixx="{ixx:.6g}" iyy="{iyy:.6g}" izz="{izz:.6g}" ixy="0" ixz="0" iyz="0"/></inertial>'
        f"{''.join(shapes)}</link>\n"
    )


def joint_text(
    name: str,
    kind: JointKind,
    parent: str,
    child: str,
    origin: Sequence[float] | np.ndarray,
    axis: Sequence[float] | np.ndarray,
    limits: tuple[float, float],
    most: tuple[float, float],
) -> str:
    """Write a joint.

    Args:
        name: of the joint.
        kind: how it moves.
        parent: name of the link that carries it.
        child: name of the link that it moves.
        origin: (3,) m, where it is in the parent's frame.
        axis: (3,) along or about which it moves.
        limits: lowest and highest position, rad or m.
        most: torque or force, and speed, that it gives at most.
    """
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{numbers(origin)}"/><axis xyz="{numbers(axis)}"/>'
        f'<limit lower="{limits[0]}" upper="{limits[1]}" effort="{most[0]}" velocity="{most[1]}"/></joint>\n'
    )


def _shape(tag: str, shape: Shape) -> str:
    x, y, z, w = shape.quat_xyzw
    roll = float(np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)))
    origin = f'<origin xyz="{numbers(shape.position)}" rpy="{roll:.6g} 0 0"/>'
    color = f'<material name="c{shape.color[1:]}"><color rgba="{numbers(shape.rgba)}"/></material>'
    return f"<{tag}>{origin}<geometry>{_geometry(shape)}</geometry>{color if tag == 'visual' else ''}</{tag}>"


def _geometry(shape: Shape) -> str:
    if shape.kind == "box":
        return f'<box size="{numbers(shape.size)}"/>'
    if shape.kind == "sphere":
        return f'<sphere radius="{shape.size[0]:.6g}"/>'
    return f'<{shape.kind} radius="{shape.size[0]:.6g}" length="{shape.size[1]:.6g}"/>'
