from __future__ import annotations

import numpy as np
import pytest

from envs.companion.scenario import COLOURS, PAINTS
from geometry.cameras import DepthCamera
from geometry.transforms import look_at, transform, transform_points
from perception.things import ThingsConfig, ThingsError, find_things, level

CAMERA = DepthCamera(160, 120, 60.0)
EYE = np.array([0.0, 0.0, 0.4])
T_WORLD_CAM = look_at(EYE.tolist(), (0.8, 0.0, 0.0))
GREY = (128, 126, 124)


def seen(*balls: tuple[tuple[float, float, float], float, tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Picture and points of a floor with balls: place (3,), radius, colour."""
    ways = CAMERA.rays @ T_WORLD_CAM[:3, :3].T
    with np.errstate(divide="ignore"):
        depth = np.where(ways[..., 2] < 0, -EYE[2] / ways[..., 2], np.nan)
    picture = np.full((*depth.shape, 3), GREY, np.uint8)
    for place, radius, colour in balls:
        away = EYE - place
        b, a, c = (ways * away).sum(axis=2), (ways**2).sum(axis=2), away @ away - radius**2
        inside = b**2 - a * c
        hit = np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)
        nearer = hit < np.where(np.isnan(depth), np.inf, depth)
        depth = np.where(nearer, hit, depth)
        picture[nearer] = colour
    return picture, EYE + ways * depth[..., None]


RED, BLUE = (200, 40, 30), (40, 60, 190)


def test_things_are_found_nearest_first_with_place_size_and_colour():
    picture, points = seen(((1.1, 0.15, 0.05), 0.05, BLUE), ((0.7, -0.1, 0.04), 0.04, RED))
    red, blue = find_things(picture, points, EYE)
    np.testing.assert_allclose(red.centre[:2], (0.7, -0.1), atol=0.02)
    np.testing.assert_allclose(blue.centre[:2], (1.1, 0.15), atol=0.03)  # its far half is not seen
    assert 0.06 < red.size_m.max() <= 0.081
    assert red.is_coloured(0.0)
    assert not red.is_coloured(230.0)
    assert blue.is_coloured(230.0)
    assert not red.cut
    assert (picture[red.mask] == RED).all()
    assert len(red.cloud) == red.mask.sum()


@pytest.mark.parametrize("light", [1.0, 0.45])
@pytest.mark.parametrize("name", ["wood", "clay", "skin"])
def test_wood_clay_and_skin_are_not_red(name, light):
    colour = {"wood": (138, 106, 76), "clay": (169, 116, 90), "skin": (201, 165, 138)}[name]
    dim = tuple(round(light * part) for part in colour)
    (thing,) = find_things(*seen(((0.8, 0.0, 0.05), 0.05, dim)), EYE)
    assert not any(thing.is_coloured(hue) for hue in range(0, 360, 5))


@pytest.mark.parametrize("light", [1.0, 0.45])
@pytest.mark.parametrize("name", PAINTS)
def test_what_is_painted_is_of_its_own_colour_only(name, light):
    paint = tuple(round(light * int(PAINTS[name][at : at + 2], 16)) for at in (1, 3, 5))
    (thing,) = find_things(*seen(((0.8, 0.0, 0.05), 0.05, paint)), EYE)
    assert [colour for colour, hue in COLOURS.items() if thing.is_coloured(hue)] == [name]


def test_the_bare_floor_holds_nothing():
    assert find_things(*seen(), EYE) == []


def test_two_things_one_behind_the_other_are_two():
    picture, points = seen(((0.7, 0.0, 0.04), 0.04, RED), ((0.95, 0.0, 0.06), 0.06, BLUE))
    assert len(find_things(picture, points, EYE)) == 2


def test_grey_things_have_no_colour_large_ones_are_furniture_and_small_ones_dirt():
    (grey,) = find_things(*seen(((0.8, 0.0, 0.05), 0.05, GREY)), EYE)
    assert not any(grey.is_coloured(hue) for hue in range(0, 360, 30))
    assert find_things(*seen(((1.2, 0.0, 0.2), 0.25, RED)), EYE) == []
    assert find_things(*seen(((0.8, 0.0, 0.012), 0.008, RED)), EYE) == []


def test_what_the_edge_of_the_picture_cuts_says_so():
    found = [thing for y in np.linspace(0.3, 0.5, 9) for thing in find_things(*seen(((0.8, y, 0.05), 0.05, RED)), EYE)]
    assert any(thing.cut for thing in found)


def test_what_floats_is_left_out():
    assert find_things(*seen(((0.8, 0.0, 0.25), 0.05, RED)), EYE) == []


def test_nothing_seen_is_nothing_found():
    picture, points = seen()
    assert find_things(picture, np.full_like(points, np.nan), EYE) == []


def test_a_camera_that_is_off_is_levelled_by_the_ground():
    rng = np.random.default_rng(0)
    _, points = seen(((0.8, 0.0, 0.05), 0.05, RED))
    angle = np.radians(1.5)
    off = transform(
        np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]), (0, 0, 0.01)
    )
    spoiled = transform_points(off, points.reshape(-1, 3)) + rng.normal(
        0, 0.002, (points.shape[0] * points.shape[1], 3)
    )
    T = level(spoiled)
    assert T is not None
    right = transform_points(T, spoiled)
    floor = points.reshape(-1, 3)[:, 2] < 1e-6
    near = floor & (np.abs(points.reshape(-1, 3)[:, 0]) < 2.0)
    assert abs(np.median(right[near, 2])) < 1e-3
    assert np.abs(np.polyfit(right[near, 0], right[near, 2], 1)[0]) < 2e-3


def test_too_little_ground_is_no_ground():
    assert level(np.full((100, 3), np.nan)) is None
    assert level(np.ones((500, 3))) is None


def test_bad_sizes_and_settings_are_refused():
    with pytest.raises(ThingsError, match="height, width, 3"):
        find_things(np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3)), EYE)
    with pytest.raises(ValueError, match="least_m"):
        ThingsConfig(least_m=0.5)
