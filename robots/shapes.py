"""Primitive shapes, described once: the URDF, the renderer and the browser are all drawn from these."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["box", "sphere", "capsule", "cylinder"]
Material = Literal["shell", "dark", "metal", "rubber", "screen", "ear", "tail"]


@dataclass(frozen=True)
class Shape:
    """One primitive in the frame of its link.

    `size` is [x, y, z] full lengths of a box, [radius] of a sphere, [radius, length] of a capsule (the straight part)
    or a cylinder, all in m; capsules and cylinders lie along their local z.
    """

    kind: Kind
    size: tuple[float, ...]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quat_xyzw: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    color: str = "#d9d4cc"
    material: Material = "shell"

    def as_json(self) -> dict[str, Any]:
        """Return the shape as the page's scene description wants it."""
        return asdict(self)

    @property
    def rgba(self) -> tuple[float, float, float, float]:
        """Colour as four numbers in [0, 1]."""
        red, green, blue = (int(self.color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return red, green, blue, 1.0


@dataclass(frozen=True)
class Skin:
    """Triangles in the frame of their link, where no primitive shape will do."""

    vertices: tuple[float, ...]  # (3 V,) m: x, y, z of each
    triangles: tuple[int, ...]  # (3 T,): indices of three vertices, counter-clockwise from outside
    color: str


@dataclass(frozen=True)
class Link:
    """A named rigid part and what one sees of it."""

    name: str
    shapes: tuple[Shape, ...] = ()
    skin: Skin | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the link as the page's scene description wants it."""
        skin = None if self.skin is None else asdict(self.skin)
        return {"name": self.name, "shapes": [shape.as_json() for shape in self.shapes], "skin": skin}
