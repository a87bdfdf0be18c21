"""From a cloud to grasps: candidates, collisions, clouds without learning, segments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.grasping.scenes import look_at_models
from evaluation.grasping.single import planner
from geometry.cameras import DepthCamera, around
from geometry.clouds import CloudError, chamfer_l1, distances
from geometry.meshes import convex_hull, sample_surface
from geometry.transforms import about_vertical, inverse, transform, transform_points
from policies.grasping.candidates import Lines, Poses, antipodal, approach_poses, centroid_lines
from policies.grasping.clouds import WITHOUT_LEARNING, Observation, extrusion
from policies.grasping.collision import above_table, count_collisions
from policies.grasping.planner import Planner, PlannerConfig, PlanningScene
from policies.grasping.segments import segments
from policies.grasping.surfaces import surface
from robots.hand import PANDA_HAND, Grasp

PERFECT = DepthCamera(160, 120, noise_m=0.0, dropout=0.0, flying=0.0)
APPROACH_M = 0.10
STEP_M = 0.004


def face(a: float, b: float) -> np.ndarray:
    """A grid (n, 2) over a rectangle about the origin."""
    u, v = (np.linspace(-0.5, 0.5, round(side / STEP_M) + 1) * side for side in (a, b))
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)


def box_cloud(x: float, y: float, z: float) -> np.ndarray:
    """A box on the table, without its bottom."""
    parts = []
    for side in (-0.5, 0.5):
        a, b = face(y, z), face(x, z)
        parts += [
            np.column_stack([np.full(len(a), side * x), a]),
            np.column_stack([b[:, 0], np.full(len(b), side * y), b[:, 1]]),
        ]
    top = face(x, y)
    parts.append(np.column_stack([top, np.full(len(top), z / 2)]))
    return np.concatenate(parts) + np.array([0.0, 0.0, z / 2])


def can_cloud(radius: float, z: float) -> np.ndarray:
    angle, height = np.meshgrid(np.arange(0, 2 * np.pi, STEP_M / radius), np.linspace(0, z, round(z / STEP_M)))
    side = np.column_stack([radius * np.cos(angle.ravel()), radius * np.sin(angle.ravel()), height.ravel()])
    top = face(2 * radius, 2 * radius)
    top = top[np.hypot(*top.T) < radius]
    return np.concatenate([side, np.column_stack([top, np.full(len(top), z)])])


def beside(x: float, z: float = 0.0) -> np.ndarray:
    return transform(np.eye(3), (x, 0.0, z))


def corners(size: np.ndarray) -> np.ndarray:
    return np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * size / 2


def touched(grasp: Grasp, cloud: np.ndarray) -> int:
    """Points that a box of the hand holds on the way or at its end."""
    local = transform_points(inverse(grasp.T_world_hand), cloud)
    return max(
        int((np.abs(local - centre + (0.0, 0.0, back)) < size / 2).all(axis=1).sum())
        for back in np.linspace(0.0, APPROACH_M, 9)
        for _, centre, size in PANDA_HAND.boxes(grasp.width_m)
    )


def lowest_corner(grasp: Grasp) -> float:
    boxes = PANDA_HAND.boxes(grasp.width_m)
    T = grasp.T_world_hand
    return min(float(transform_points(T, centre + corners(size))[:, 2].min()) for _, centre, size in boxes)


def across(grasp: Grasp, cloud: np.ndarray) -> np.ndarray:
    """y in the hand's frame of the points between the fingers."""
    x, y, z = transform_points(inverse(grasp.T_world_hand), cloud).T
    return y[(np.abs(x) < PANDA_HAND.pad_m[0] / 2) & (z < 0) & (z > -PANDA_HAND.finger_m) & (np.abs(y) < 0.06)]


def faultless(grasp: Grasp, cloud: np.ndarray) -> bool:
    between = across(grasp, cloud)
    return bool(
        len(between)
        and np.ptp(between) < grasp.width_m
        and abs(between.max() + between.min()) / 2 < 2e-3  # both fingers meet it at once
        and touched(grasp, cloud) == 0
        and lowest_corner(grasp) > 0.0
    )


QUICK = Planner(PlannerConfig(anchors=40, yaws=4, checked=250))
BOX, CAN = box_cloud(0.05, 0.07, 0.12), can_cloud(0.03, 0.10)


@pytest.mark.parametrize(("cloud", "width"), [(BOX, 0.05), (CAN, 0.06)], ids=["box", "can"])
def test_grasps_straddle_the_thing_and_touch_nothing_on_their_way(cloud, width):
    grasps = Planner()(cloud)
    assert 10 <= len(grasps) <= 50
    scores = [grasp.score for grasp in grasps]
    assert scores == sorted(scores, reverse=True) and np.isfinite(scores).all()
    for grasp in grasps:
        turn = grasp.T_world_hand[:3, :3]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) > 0
        assert 0.0 < grasp.width_m <= PANDA_HAND.opening_m
        assert faultless(grasp, cloud)
    best = grasps[0]
    assert np.ptp(across(best, cloud)) == pytest.approx(width, abs=5e-3), "it closes across the narrow side"
    assert np.linalg.norm(best.T_world_hand[:2, 3]) < 0.02, "and near the middle"


def test_the_same_cloud_gives_the_same_grasps_whatever_was_planned_before():
    once = QUICK(BOX)
    QUICK(CAN)
    for one, other in zip(once, QUICK(BOX.copy()), strict=True):
        np.testing.assert_array_equal(one.T_world_hand, other.T_world_hand)
        assert (one.width_m, one.score) == (other.width_m, other.score)


@pytest.mark.parametrize("angle", [0.4, 2.0])
def test_grasps_turn_and_shift_with_the_cloud(angle):
    T = transform(about_vertical(angle), (0.2, -0.1, 0.0))
    straight, turned = Planner()(BOX)[0], Planner()(transform_points(T, BOX))[0]
    best = turned._replace(T_world_hand=inverse(T) @ turned.T_world_hand)
    assert faultless(best, BOX)
    assert best.score == pytest.approx(straight.score, abs=0.3)
    assert abs(best.T_world_hand[:3, 1] @ straight.T_world_hand[:3, 1]) > np.cos(np.radians(10))
    assert best.T_world_hand[:3, 2] @ straight.T_world_hand[:3, 2] > np.cos(np.radians(10))
    # The box is its own mirror image, so that one side of its middle is as good as the other.
    (*here, height), (*there, level) = best.T_world_hand[:3, 3], straight.T_world_hand[:3, 3]
    assert np.hypot(*(np.abs(here) - np.abs(there))) < 0.025 and abs(height - level) < 0.025


@pytest.mark.parametrize("cloud", [box_cloud(0.1, 0.1, 0.1), can_cloud(0.055, 0.1)], ids=["box", "can"])
def test_what_is_too_wide_for_the_hand_has_no_grasp(cloud):
    assert Planner()(cloud) == []


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        (np.empty((0, 3)), "0 points"),
        (BOX[:10], "10 points"),
        (np.where(np.arange(len(BOX))[:, None] < 3, np.nan, BOX), "3 of .* points are NaN"),
        (1000 * BOX, "millimetres"),
        (BOX[:, :2], "shape"),
    ],
    ids=["empty", "few", "NaN", "millimetres", "flat"],
)
def test_clouds_that_cannot_be_planned_on_are_told(cloud, said):
    with pytest.raises(CloudError, match=said):
        Planner()(cloud)


def test_a_neighbour_is_kept_clear_of():
    wall = transform_points(beside(0.05), box_cloud(0.02, 0.2, 0.12))  # 1.5 cm beside the box
    grasps = QUICK.plan(PlanningScene(BOX, None, wall))
    assert grasps and all(touched(grasp, wall) == 0 for grasp in grasps)
    assert any(touched(grasp, wall) for grasp in QUICK(BOX)), "it was in nobody's way"


def test_a_face_that_is_guessed_lowers_the_score():
    sure, unsure = (QUICK.plan(PlanningScene(BOX, np.full(len(BOX), doubt))) for doubt in (0.0, 0.02))
    assert unsure[0].features["uncertainty_cm"] == pytest.approx(2.0)
    assert unsure[0].score == pytest.approx(sure[0].score - 2.0, abs=1e-6)
    enough = sure[len(sure) // 2].score
    better = Planner(replace(QUICK.config, least_score=enough))(BOX)
    assert 0 < len(better) < len(sure) and all(grasp.score >= enough for grasp in better)


def test_lines_are_found_between_walls_that_face_each_other():
    found = antipodal(surface(np.concatenate([CAN, transform_points(beside(0.3), box_cloud(0.05, 0.05, 0.05))])), 60)
    np.testing.assert_allclose(np.linalg.norm(found.axis, axis=1), 1.0, atol=1e-9)
    through = np.hypot(*found.middle[:, :2].T) < 5e-3
    assert through.sum() > 5, "pairs across the can meet in its axis"
    cuts = centroid_lines(surface(CAN), 4)
    assert np.abs(cuts.axis[:, 2]).max() == 0.0 and np.hypot(*cuts.middle[:, :2].T).max() <= 0.0155


def test_hands_come_from_all_sides_but_from_below():
    lines = Lines(np.array([[0.1, 0.0, 0.2], [0.0, 0.0, 0.1]]), np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    poses = approach_poses(lines, 12, np.array([0.0, 0.02]))
    square = poses.rotation @ poses.rotation.transpose(0, 2, 1)
    np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-9)
    assert (np.linalg.det(poses.rotation) > 0).all()
    assert poses.rotation[:, 2, 2].max() < 0.2 and poses.rotation[:, 2, 2].min() == pytest.approx(-1.0)
    closing = poses.rotation[:, :, 1]
    for middle, axis in zip(*lines, strict=True):
        mine = np.abs(closing @ axis) > 0.99
        ahead = np.einsum("bi,bi->b", poses.origin[mine] - middle, poses.rotation[mine, :, 2])
        assert set(np.round(ahead, 6)) == {0.0, 0.02}, "the fingers reach past the middle of the line"


def test_hits_are_what_the_boxes_of_the_hand_hold(rng):
    from scipy.spatial.transform import Rotation

    poses = Poses(Rotation.random(12, random_state=rng).as_matrix(), rng.uniform(-0.02, 0.02, (12, 3)))
    points, opening = rng.uniform(-0.12, 0.12, (3000, 3)), rng.uniform(0.0, 0.08, 12)
    counts = count_collisions(poses, opening, points, PANDA_HAND, 0.0, APPROACH_M)
    above = above_table(poses, opening, PANDA_HAND, -0.1)
    for row in range(12):
        grasp = Grasp(transform(poses.rotation[row], poses.origin[row]), float(opening[row]))
        swept = np.zeros(len(points), bool)
        local = transform_points(inverse(grasp.T_world_hand), points)
        for back in np.linspace(0.0, APPROACH_M, 51):
            for _, centre, size in PANDA_HAND.boxes(grasp.width_m):
                swept |= (np.abs(local - centre + (0.0, 0.0, back)) < size / 2).all(axis=1)
        assert counts[row] == pytest.approx(swept.sum(), abs=3)
        assert above[row] == (lowest_corner(grasp) > -0.1)


def test_a_way_is_clear_where_nothing_is_hit(rng):
    from scipy.spatial.transform import Rotation

    poses = Poses(Rotation.random(200, random_state=rng).as_matrix(), rng.uniform(-0.3, 0.3, (200, 3)))
    points, opening = rng.uniform(-0.1, 0.1, (400, 3)), rng.uniform(0.0, 0.08, 200)
    free = count_collisions(poses, opening, points, PANDA_HAND, 0.002, APPROACH_M, most=0) == 0
    assert 20 < free.sum() < 180
    touched = count_collisions(poses, opening, points, PANDA_HAND, 0.002, APPROACH_M)
    assert (free == (touched == 0)).all()
    few = count_collisions(poses, opening, points, PANDA_HAND, 0.002, APPROACH_M, most=5) <= 5
    assert (few == (touched <= 5)).all()


def sight_of(cloud_box: tuple[float, float, float], azimuth: float = 0.0, elevation_deg: float = 30.0) -> Observation:
    """A box on the table before a faultless camera."""
    mesh = convex_hull(corners(np.array(cloud_box)))
    pose = transform(np.eye(3), (0.0, 0.0, cloud_box[2] / 2))
    rng = np.random.default_rng(0)
    T_world_cam = around((0.0, 0.0, cloud_box[2] / 2), 0.5, np.radians(elevation_deg), azimuth)
    view = look_at_models([(mesh, pose)], T_world_cam, PERFECT, rng)
    true = transform_points(pose, sample_surface(mesh, 4000, rng)[0])
    return Observation(view.of(0), view.depth, T_world_cam, PERFECT, true)


def beyond(points: np.ndarray, observation: Observation) -> np.ndarray:
    """How much farther (n,) m points are than what was seen within 0.4 degrees; NaN where nothing was."""
    from scipy.spatial import cKDTree

    eye = observation.T_world_cam[:3, 3]
    (far, ray), (seen_far, seen_ray) = (
        (length := np.linalg.norm(way, axis=1), way / length[:, None])
        for way in (points - eye, observation.cloud_world - eye)
    )
    angle, nearest = cKDTree(seen_ray).query(ray)
    return np.where(angle < 0.007, far - seen_far[nearest], np.nan)


@pytest.mark.parametrize("azimuth", [0.0, 0.4])
def test_a_mirror_image_lies_behind_what_was_seen(azimuth):
    observation = sight_of((0.06, 0.06, 0.10), azimuth)
    made = WITHOUT_LEARNING["mirrored"](observation)
    count = len(made.others)
    np.testing.assert_array_equal(made.target[:count], made.others)
    image = made.target[count:]
    assert len(image) == count
    assert np.nanmean(beyond(image, observation) > -0.006) > 0.97
    partial = WITHOUT_LEARNING["partial"](observation).target
    assert chamfer_l1(made.target, observation.true) < 0.7 * chamfer_l1(partial, observation.true)


def test_a_shadow_lies_behind_what_was_seen_and_not_before_it(rng):
    observation = sight_of((0.06, 0.06, 0.10))
    made = WITHOUT_LEARNING["shadow"](observation)
    assert np.nanmin(beyond(made.others, observation)) > 0.0 and not np.isnan(beyond(made.others, observation)).all()
    assert made.others[:, 2].min() > 0.0
    inside = rng.uniform(-0.5, 0.5, (500, 3)) * (0.035, 0.04, 0.06) + (0.0, 0.0, 0.05)
    assert (distances(inside, made.others) < 0.008).mean() > 0.9
    before = observation.cloud_world + 0.02 * (observation.T_world_cam[:3, 3] - observation.cloud_world) / 0.5
    assert distances(before, made.others).min() > 0.01
    assert all(touched(grasp, made.others) == 0 for grasp in QUICK.plan(made))
    assert any(touched(grasp, made.others) for grasp in QUICK(made.target)), "the shadow forbids nothing"


def test_an_outline_is_extruded_down_to_the_table():
    lid = np.column_stack([face(0.06, 0.04), np.full(len(face(0.06, 0.04)), 0.10)])
    knob = np.column_stack([face(0.01, 0.01), np.full(len(face(0.01, 0.01)), 0.14)])
    made = extrusion(np.concatenate([lid, knob]))
    for z in (0.0, 0.05, 0.09):
        ring = made[np.abs(made[:, 2] - z) < 0.005, :2]
        np.testing.assert_allclose((ring.min(axis=0), ring.max(axis=0)), ((-0.03, -0.02), (0.03, 0.02)), atol=1e-9)
        assert (np.abs(ring) / (0.03, 0.02)).max(axis=1).min() > 0.99, "walls, and nothing within"
    above = made[made[:, 2] > 0.11]
    assert len(above) and np.abs(above[:, :2]).max() <= 0.005 + 1e-9, "above the lid there is only the knob"
    observation = sight_of((0.06, 0.06, 0.10), elevation_deg=45.0)
    whole = WITHOUT_LEARNING["extruded"](observation)
    assert whole.target[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert chamfer_l1(whole.target, observation.true) < 0.7 * chamfer_l1(observation.cloud_world, observation.true)


def test_top_down_comes_from_above_and_partial_from_other_sides_too():
    above = planner("top-down")(CAN)
    assert above and max(grasp.T_world_hand[2, 2] for grasp in above) < -0.95
    plate = transform_points(beside(0.0, 0.14), box_cloud(0.13, 0.13, 0.01))
    table = np.concatenate([box_cloud(0.03, 0.03, 0.14), plate])
    assert planner("top-down")(table) == [], "its leg cannot be got at from above"
    sides = planner("partial")(table)
    assert sides and all(faultless(grasp, table) for grasp in sides)


@pytest.mark.parametrize(
    "places",
    [((0.0, -0.045), (0.0, 0.045)), ((0.05, 0.0), (-0.02, 0.0)), ((0.05, 0.0), (-0.04, 0.0))],
    ids=["side by side", "one close behind another", "one behind another"],
)
def test_two_boxes_are_told_apart(places):
    """With a centimetre between them: closer ones share neighbours, and whether they part hangs on a rounding."""
    sizes = (0.06, 0.04, 0.05), (0.06, 0.08, 0.12)
    bodies = [
        (convex_hull(corners(np.array(size))), transform(np.eye(3), (*place, size[2] / 2)))
        for size, place in zip(sizes, places, strict=True)
    ]
    T_world_cam = around((0.0, 0.0, 0.05), 0.6, np.radians(35.0), 0.3)
    view = look_at_models(bodies, T_world_cam, replace(PERFECT, width=320, height=240), np.random.default_rng(0))
    cloud, body = view.cloud_world[view.bodies < 2], view.bodies[view.bodies < 2]
    parts = segments(cloud, T_world_cam[:3, 3])
    assert len(parts) == 2
    owner = dict(zip(map(tuple, cloud), body, strict=True))
    shares_of_first = sorted(np.mean([owner[tuple(point)] == 0 for point in part]) for part in parts)
    assert shares_of_first[0] < 0.05 and shares_of_first[1] > 0.95
    assert sum(map(len, parts)) > 0.95 * len(cloud)
    assert len(segments(cloud[body == 1], T_world_cam[:3, 3])) == 1, "a box by itself stays whole"
    assert segments(np.empty((0, 3)), T_world_cam[:3, 3]) == []
