"""Things of a household, made by turning and sweeping: what is there when nothing was downloaded.

Sizes are drawn within what is sold; seed and number make the same thing on every machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from geometry.solids import Solid, at, box, hollow, lying, swept, together, turned

Rng = np.random.Generator


def _mug(rng: Rng) -> Solid:
    radius, height, wall = rng.uniform(0.03, 0.045), rng.uniform(0.07, 0.11), rng.uniform(0.003, 0.005)
    foot = radius * rng.uniform(0.8, 1.0)
    reach, bar = rng.uniform(0.022, 0.032), rng.uniform(0.004, 0.006)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    grip = np.stack(
        [radius - wall / 2 + reach * np.cos(angle), 0 * angle, height * (0.5 + 0.3 * np.sin(angle))], axis=1
    )
    return together(
        hollow([(foot, 0.0), (radius, 0.25 * height), (radius, height)], wall), swept(grip, 0 * angle + bar)
    )


def _cup(rng: Rng) -> Solid:
    top, height = rng.uniform(0.03, 0.045), rng.uniform(0.08, 0.14)
    return hollow([(top * rng.uniform(0.65, 0.9), 0.0), (top, height)], rng.uniform(0.002, 0.004))


def _bowl(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.05, 0.08), rng.uniform(0.04, 0.065)
    rise = np.linspace(0.0, 1.0, 6)
    outside = [(radius * (0.45 + 0.55 * float(np.sin(up * np.pi / 2))), height * float(up)) for up in rise]
    return hollow(outside, rng.uniform(0.003, 0.005))


def _plate(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.07, 0.1), rng.uniform(0.015, 0.025)
    return hollow([(0.6 * radius, 0.0), (0.8 * radius, 0.35 * height), (radius, height)], rng.uniform(0.003, 0.005))


def _bottle(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.025, 0.04), rng.uniform(0.15, 0.24)
    neck, shoulder = rng.uniform(0.011, 0.016), rng.uniform(0.55, 0.72)
    waist = radius * rng.uniform(0.85, 1.0)
    return turned(
        [
            (0.9 * radius, 0.0),
            (radius, 0.04 * height),
            (waist, 0.5 * shoulder * height),
            (radius, shoulder * height),
            (neck, (shoulder + 0.16) * height),
            (neck, 0.9 * height),
            (1.15 * neck, 0.91 * height),
            (1.15 * neck, height),
        ]
    )


def _can(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.025, 0.04), rng.uniform(0.06, 0.14)
    return turned([(0.93 * radius, 0.0), (radius, 0.004), (radius, height - 0.004), (0.93 * radius, height)])


def _jar(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.028, 0.04), rng.uniform(0.07, 0.12)
    lid = radius * rng.uniform(0.75, 0.95)
    return turned([(radius, 0.0), (radius, 0.72 * height), (lid, 0.78 * height), (lid, height)])


def _box(rng: Rng) -> Solid:
    return box(*rng.uniform((0.03, 0.05, 0.05), (0.07, 0.16, 0.2)))


def _soap(rng: Rng) -> Solid:
    x, y, z = rng.uniform((0.04, 0.06, 0.02), (0.06, 0.09, 0.035))
    path = np.stack([np.linspace(-y / 2, y / 2, 9), np.zeros(9), np.full(9, z / 2)], axis=1)
    round_off = np.sqrt(np.maximum(1.0 - np.linspace(-0.96, 0.96, 9) ** 4, 0.05))
    return swept(path, x / 2 * round_off, flat=float(z / x), around=24)


def _ball(rng: Rng) -> Solid:
    radius = rng.uniform(0.02, 0.037)
    angle = np.linspace(-0.49 * np.pi, 0.49 * np.pi, 17)
    return turned([(radius * float(np.cos(a)), radius * (1 + float(np.sin(a)))) for a in angle])


def _fruit(rng: Rng) -> Solid:
    radius, squash, tip = rng.uniform(0.025, 0.037), rng.uniform(0.8, 1.3), rng.uniform(0.0, 0.35)
    angle = np.linspace(-0.48 * np.pi, 0.48 * np.pi, 15)
    profile = [
        (radius * float(np.cos(a)) * (1 - tip * (1 + float(np.sin(a))) / 2), squash * radius * (1 + float(np.sin(a))))
        for a in angle
    ]
    return turned(profile)


def _banana(rng: Rng) -> Solid:
    length, bend, thick = rng.uniform(0.14, 0.19), rng.uniform(0.7, 1.3), rng.uniform(0.014, 0.019)
    angle = np.linspace(-bend / 2, bend / 2, 13)
    radius = length / bend
    path = np.stack([radius * np.sin(angle), radius * (1 - np.cos(angle)), np.full(13, thick)], axis=1)
    return swept(path, thick * np.maximum(1.0 - np.abs(np.linspace(-1, 1, 13)) ** 3, 0.25))


def _hammer(rng: Rng) -> Solid:
    length, bar = rng.uniform(0.18, 0.26), rng.uniform(0.011, 0.015)
    head, face = rng.uniform(0.08, 0.11), rng.uniform(0.022, 0.03)
    handle = at(lying(turned([(1.15 * bar, 0.0), (bar, 0.4 * length), (0.75 * bar, length)])), 0.0, 0.0, face / 2)
    return together(handle, at(box(face, head, face), length, 0.0, 0.0))


def _screwdriver(rng: Rng) -> Solid:
    handle, blade, grip = rng.uniform(0.08, 0.11), rng.uniform(0.07, 0.12), rng.uniform(0.011, 0.017)
    whole = turned(
        [
            (0.7 * grip, 0.0),
            (grip, 0.1 * handle),
            (0.85 * grip, 0.7 * handle),
            (grip, 0.9 * handle),
            (0.4 * grip, handle),
            (0.0035, handle + 0.004),
            (0.0035, handle + blade),
        ]
    )
    return at(lying(whole), 0.0, 0.0, float(grip))


def _spoon(rng: Rng) -> Solid:
    length, width = rng.uniform(0.14, 0.22), rng.uniform(0.016, 0.026)
    t = np.linspace(0.0, 1.0, 21)
    bowl = np.exp(-(((t - 0.87) / 0.085) ** 2))
    path = np.stack([length * t, 0 * t, 0.006 + 0.02 * np.sin(np.pi * t) * (1 - bowl)], axis=1)
    return swept(path, 0.35 * (0.0055 + 0.9 * width * bowl), flat=1 / 0.35)


def _torch(rng: Rng) -> Solid:
    body, head, length = rng.uniform(0.012, 0.017), rng.uniform(0.02, 0.028), rng.uniform(0.11, 0.17)
    whole = turned([(body, 0.0), (body, 0.65 * length), (head, 0.78 * length), (head, length)])
    return at(lying(whole), 0.0, 0.0, float(head))


def _spray(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.026, 0.036), rng.uniform(0.13, 0.19)
    body = turned([(radius, 0.0), (radius, 0.7 * height), (0.4 * radius, 0.8 * height), (0.4 * radius, 0.88 * height)])
    trigger = at(box(rng.uniform(0.06, 0.085), 0.022, 0.14 * height), 0.015, 0.0, 0.86 * height)
    return together(body, trigger)


def _cone(rng: Rng) -> Solid:
    radius, height = rng.uniform(0.03, 0.045), rng.uniform(0.07, 0.13)
    return turned([(radius, 0.0), (radius * rng.uniform(0.15, 0.4), height)])


def _blocks(rng: Rng) -> Solid:
    """Make two boxes into an L, a T or a step."""
    x, y, z = rng.uniform((0.03, 0.06, 0.03), (0.05, 0.13, 0.05))
    upper = box(x, rng.uniform(0.3, 0.5) * y, rng.uniform(0.03, 0.07))
    return together(box(x, y, z), at(upper, 0.0, float(rng.uniform(-0.25, 0.25) * y), z - 0.002))


def _clamp(rng: Rng) -> Solid:
    reach, bar = rng.uniform(0.03, 0.05), rng.uniform(0.007, 0.011)
    angle = np.linspace(-0.8 * np.pi, 0.8 * np.pi, 17)
    path = np.stack([reach * np.cos(angle), reach * np.sin(angle), np.full(17, bar)], axis=1)
    return swept(path, np.full(17, bar))


KINDS: dict[str, Callable[[Rng], Solid]] = {
    "mug": _mug,
    "cup": _cup,
    "bowl": _bowl,
    "plate": _plate,
    "bottle": _bottle,
    "can": _can,
    "jar": _jar,
    "box": _box,
    "soap": _soap,
    "ball": _ball,
    "fruit": _fruit,
    "banana": _banana,
    "hammer": _hammer,
    "screwdriver": _screwdriver,
    "spoon": _spoon,
    "torch": _torch,
    "spray": _spray,
    "cone": _cone,
    "blocks": _blocks,
    "clamp": _clamp,
}


def make(name: str) -> Solid:
    """Make the thing of that name, `kind_number` with number 0 to 999: the same each time.

    Raises:
        ValueError: there is no such thing.
    """
    kind, _, number = name.partition("_")
    if kind not in KINDS or not number.isdigit() or int(number) > 999:
        raise ValueError(f"{name!r} is no household thing; names are KIND_NUMBER with KIND one of {', '.join(KINDS)}")
    rng = np.random.default_rng((zlib.crc32(kind.encode()), int(number)))
    return KINDS[kind](rng)


def names(part: str, each: int = 8) -> list[str]:
    """List the set: of every kind the first `each` are for training, the next two for testing."""
    numbers = {"train": range(each), "test": range(900, 902)}[part]
    return [f"{kind}_{number}" for kind in KINDS for number in numbers]
