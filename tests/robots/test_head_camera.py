from __future__ import annotations

import numpy as np
import pytest

from geometry.cameras import Caster, DepthCamera
from geometry.solids import at, box
from geometry.transforms import about_vertical, look_at, transform
from robots.head_camera import FAR_M, HeadCamera
from robots.world import World

PERFECT = DepthCamera(96, 72, 70.0, noise_m=0.0, dropout=0.0, flying=0.0)
EYE = look_at((0.0, 0.0, 0.4), (1.0, 0.1, 0.2))
THING = at(box(0.3, 0.4, 0.5).transformed(transform(about_vertical(0.4), (0.0, 0.0, 0.0))), 1.0, 0.1, 0.0)


@pytest.fixture
def world():
    with World() as world:
        parts = [part.vertices - (1.0, 0.1, 0.0) for part in THING.parts]
        world.place(
            world.add_body(parts, 0.0, 0.5, THING.surface.transformed(np.linalg.inv(place()))),
            (1.0, 0.1, 0.0),
            (0, 0, 0, 1),
        )
        yield world


def place() -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = (1.0, 0.1, 0.0)
    return T


def test_depth_is_that_of_rays(world):
    look = HeadCamera(world, PERFECT, np.random.default_rng(0)).look(EYE)
    floor = at(box(30.0, 30.0, 0.1), 0.0, 0.0, -0.1)
    caster = Caster([(floor.surface, np.eye(4)), (THING.surface, np.eye(4))])
    expected = caster.view(EYE, PERFECT, np.random.default_rng(0))
    near = expected.depth < 4.0
    off = np.abs(look.depth - expected.depth)[near]
    assert np.nanmedian(off) < 1e-4
    assert (off < 1e-3).mean() > 0.97  # the others lie on edges
    assert look.picture.shape == (72, 96, 3)


def test_points_lie_on_floor_and_thing(world):
    look = HeadCamera(world, PERFECT, np.random.default_rng(0)).look(EYE)
    cloud = look.cloud_world(PERFECT)
    near = cloud[np.hypot(cloud[:, 0], cloud[:, 1]) < 2.0]
    on_floor = np.abs(near[:, 2]) < 0.01
    local = np.abs((near[:, :2] - (1.0, 0.1)) @ about_vertical(0.4)[:2, :2])  # from its middle, along its sides
    on_thing = (local < (0.155, 0.205)).all(axis=1)
    assert on_floor.sum() > 500
    assert on_thing.sum() > 300
    assert (on_floor | on_thing).mean() > 0.99
    chosen = look.cloud_world(PERFECT, look.depth < 1.0)
    assert 0 < len(chosen) < len(cloud)


def test_nothing_is_seen_in_the_sky_and_faults_are_those_of_the_camera(world):
    up = HeadCamera(world, PERFECT, np.random.default_rng(0)).look(look_at((0.0, 0.0, 0.4), (0.5, 0.0, 2.0)))
    assert np.isnan(up.depth).all()
    camera = DepthCamera(96, 72, 70.0, dropout=0.2)
    perfect = HeadCamera(world, PERFECT, np.random.default_rng(0)).look(EYE).depth
    faulty = [HeadCamera(world, camera, np.random.default_rng(seed)).look(EYE).depth for seed in (1, 1, 2)]
    np.testing.assert_array_equal(faulty[0], faulty[1])
    assert not np.array_equal(np.isnan(faulty[0]), np.isnan(faulty[2]))
    lost = np.isnan(faulty[0]) & np.isfinite(perfect)
    assert 0.15 < lost.sum() / np.isfinite(perfect).sum() < 0.5
    assert np.nanmax(faulty[0]) < FAR_M + 1.0
