from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from geometry.cameras import Caster, DepthCamera
from geometry.solids import Solid, at, box
from geometry.transforms import look_at
from policies.navigation.occupancy import MapConfig, OccupancyMap
from policies.navigation.routes import RouteConfig, plan_route
from policies.navigation.walking import Goal, Walked, Walker, WalkingConfig

CAMERA = DepthCamera(64, 48, 80.0, noise_m=0.002, dropout=0.02, flying=0.3)
FLOOR = at(box(12.0, 12.0, 0.02), 0.0, 0.0, -0.02)
WALL = at(box(0.1, 4.0, 1.0), 1.5, 0.0, 0.0)  # x = 1.5 m, from y = -2 to 2


def room(*things: Solid) -> Caster:
    return Caster([(thing.surface, np.eye(4)) for thing in (FLOOR, *things)])


def looked(walker: Walker, caster: Caster, position: np.ndarray, yaw: float, rng: np.random.Generator) -> None:
    nose = np.array([np.cos(yaw), np.sin(yaw)])
    eye = [*(position + 0.2 * nose), 0.4]
    T_world_cam = look_at(eye, [*(position + 1.2 * nose), 0.1])
    view = caster.view(T_world_cam, CAMERA, rng)
    walker.occupancy.look(view.depth, CAMERA.rays, T_world_cam, 0.0)


def walk(
    caster: Caster, goal: Goal, start=(0.0, 0.0), yaw=0.0, seconds=60.0, stopped_at=None, speed=0.4
) -> tuple[Walked, np.ndarray]:
    """Walk as a perfect unicycle that looks twice a second; `stopped_at` x it is stopped by what nobody sees."""
    walker, rng = Walker(), np.random.default_rng(0)
    walker.go_to(goal)
    position, path, dt = np.array(start, float), [], 0.05
    for step in range(round(seconds / dt)):
        if step % 10 == 0:
            looked(walker, caster, position, yaw, rng)
        walked = walker.step(position, yaw, step * dt, speed)
        path.append(position)
        if walked.status in ("arrived", "no way", "stuck"):
            break
        vx, _, wz = walked.command
        ahead = position + dt * vx * np.array([np.cos(yaw), np.sin(yaw)])
        if stopped_at is None or not (stopped_at < ahead[0] < stopped_at + 0.5 and abs(ahead[1]) < 0.25):
            position = ahead
        yaw += wz * dt
    return walked, np.array(path)


def test_ground_is_free_a_thing_is_occupied_and_what_is_behind_it_unknown():
    walker, rng = Walker(), np.random.default_rng(0)
    for _ in range(3):
        looked(walker, room(WALL), np.zeros(2), 0.0, rng)
    occupied, known = walker.occupancy.occupied, walker.occupancy.known
    assert occupied[walker.occupancy.cell(np.array([1.47, 0.0]))]
    assert not occupied[walker.occupancy.cell(np.array([1.0, 0.0]))]
    assert known[walker.occupancy.cell(np.array([1.0, 0.0]))]
    assert not known[walker.occupancy.cell(np.array([2.5, 0.0]))]


def test_what_went_away_is_forgotten_once_its_ground_is_seen():
    walker, rng = Walker(), np.random.default_rng(0)
    place = walker.occupancy.cell(np.array([0.97, 0.0]))
    looked(walker, room(at(box(0.2, 0.2, 0.5), 1.05, 0.0, 0.0)), np.zeros(2), 0.0, rng)
    assert walker.occupancy.occupied[place]
    for _ in range(4):
        looked(walker, room(), np.zeros(2), 0.0, rng)
    assert not walker.occupancy.occupied[place]


@pytest.mark.parametrize(("height", "bottom", "stands"), [(0.08, 0.0, False), (0.3, 0.0, True), (0.3, 0.8, False)])
def test_a_step_is_ground_and_a_table_top_is_passed_under(height, bottom, stands):
    walker, rng = Walker(), np.random.default_rng(0)
    looked(walker, room(at(box(0.4, 0.4, height), 1.2, 0.0, bottom)), np.zeros(2), 0.0, rng)
    near = slice(*(int(walker.occupancy.cell(np.array([0.9, y]))[0]) for y in (-0.2, 0.2)))
    assert walker.occupancy.occupied[near].any() == stands


def test_a_way_leads_round_a_wall_with_a_berth():
    occupancy = OccupancyMap()
    for y in np.arange(-1.5, 1.5, 0.05):
        occupancy.block(np.array([1.5, y]), 0.05)
    goals = np.zeros(occupancy.log_odds.shape, bool)
    goals[occupancy.cell(np.array([3.0, 0.0]))] = True
    route = plan_route(occupancy, np.zeros(2), goals)
    assert route is not None
    np.testing.assert_array_equal(route[0], (0.0, 0.0))
    np.testing.assert_allclose(route[-1], (3.0, 0.0), atol=occupancy.config.cell_m)
    length = np.hypot(*np.diff(route, axis=0).T).sum()
    assert 2 * np.hypot(1.5, 1.75) < length < 2 * np.hypot(1.5, 2.5)
    dense = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(route)])
    assert occupancy.clearance()[occupancy.cell(dense)].min() >= RouteConfig().radius_m - occupancy.config.cell_m


def test_there_is_no_way_into_a_closed_room():
    occupancy = OccupancyMap(MapConfig(side_m=6.0))
    for angle in np.linspace(0, 2 * np.pi, 200):
        occupancy.block(np.array([np.cos(angle), np.sin(angle)]), 0.08)
    goals = np.zeros(occupancy.log_odds.shape, bool)
    goals[occupancy.cell(np.array([2.0, 0.0]))] = True
    assert plan_route(occupancy, np.zeros(2), goals) is None


def test_who_stands_too_near_to_something_gets_away_from_it():
    occupancy = OccupancyMap()
    occupancy.block(np.array([0.25, 0.0]), 0.1)
    goals = np.zeros(occupancy.log_odds.shape, bool)
    goals[occupancy.cell(np.array([-2.0, 0.0]))] = True
    route = plan_route(occupancy, np.zeros(2), goals)
    assert route is not None
    assert route[:, 0].max() <= occupancy.config.cell_m


def test_it_walks_round_a_wall_to_somebody_and_faces_them():
    person = at(box(0.3, 0.4, 1.2), 3.0, 0.0, 0.0)
    walked, path = walk(room(WALL, person), Goal(np.array([3.0, 0.0]), 0.8))
    assert walked.status == "arrived"
    assert np.hypot(*(path[-1] - (3.0, 0.0))) == pytest.approx(0.8, abs=WalkingConfig().near_m + 0.05)
    inside = (np.abs(path[:, 0] - 1.5) < 0.05 + 0.15) & (np.abs(path[:, 1]) < 2.0)
    assert not inside.any()


def test_the_other_side_of_a_wall_is_not_with_somebody():
    walker, rng = Walker(), np.random.default_rng(0)
    for _ in range(3):
        looked(walker, room(WALL), np.array([0.8, 0.0]), 0.0, rng)
    walker.go_to(Goal(np.array([2.2, 0.0]), 0.9))
    assert walker.step(np.array([1.3 - 0.26, 0.0]), 0.0, 0.0, 0.4).status != "arrived"


def test_what_is_not_seen_is_backed_out_of_and_walked_round():
    walked, path = walk(room(), Goal(np.array([3.0, 0.0])), stopped_at=1.5)
    assert walked.status == "arrived"
    assert np.abs(path[:, 1]).max() > 0.25


def test_it_gives_up_in_the_end_and_says_why():
    walker = Walker(WalkingConfig(tries=1))
    walker.go_to(Goal(np.array([3.0, 0.0])))
    statuses = [walker.step(np.zeros(2), 0.0, 0.1 * step, 0.4).status for step in range(200)]
    assert statuses[0] == "walking"
    assert "backing" in statuses
    assert statuses[-1] == "stuck"


def test_a_goal_that_moves_a_little_keeps_its_way():
    walker = Walker()
    for step in range(20):
        walker.go_to(Goal(np.array([3.0, 0.001 * step]), 0.8))
        walked = walker.step(np.zeros(2), 0.0, 0.02 * step, 0.4)
    assert walked.status == "walking"
    assert len(walked.route) >= 2


def test_who_has_arrived_sets_out_again_only_when_the_goal_is_clearly_elsewhere():
    walker, here = Walker(), np.zeros(2)

    def status(far: float, bearing: float = 0.0) -> str:
        walker.go_to(Goal(far * np.array([np.cos(bearing), np.sin(bearing)]), 0.8))
        return walker.step(here, 0.0, 0.0, 0.4).status

    config = walker.config
    near, away = 0.8 + 0.9 * config.near_m, 0.8 + 2.5 * config.near_m
    assert status(away) == "walking"
    assert status(near) == "arrived"
    assert status(away) == "arrived", "who has come does not hunt"
    assert status(0.8 + 3.5 * config.near_m) == "walking"
    assert status(0.8, 2.0 * config.facing_rad) == "walking", "it turns to whom it has come to"
    assert status(0.8, 0.5 * config.facing_rad) == "arrived"
    assert status(0.8, 2.0 * config.facing_rad) == "arrived"
    assert status(0.8, 4.0 * config.facing_rad) == "walking"
    assert status(0.8, 2.0 * config.facing_rad) == "walking", "who turns at all turns to the end"


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: MapConfig(cell_m=0.0), "cell_m"),
        (lambda: MapConfig(side_m=100.0, cell_m=0.05), "1000 cells"),
        (lambda: RouteConfig(radius_m=0.6), "radius_m"),
        (lambda: WalkingConfig(tries=-1), "tries"),
    ],
)
def test_what_cannot_be_is_refused(made, named):
    with pytest.raises(ValueError, match=named):
        made()


def test_depth_and_rays_of_two_cameras_are_refused():
    with pytest.raises(ValueError, match="one size"):
        OccupancyMap().look(np.zeros((4, 4)), np.zeros((8, 8, 3)), np.eye(4), 0.0)
