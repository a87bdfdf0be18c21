import numpy as np
import pytest

from geometry.cameras import Caster, DepthCamera, around
from geometry.clouds import CloudError, chamfer_l1, check_cloud, distances, f_score, farthest_points, voxel_downsample
from geometry.objects import household_object
from geometry.transforms import inverse, look_at, quat_transform, to_quat, transform, transform_points

PERFECT = DepthCamera(160, 120, noise_m=0.0, dropout=0.0, flying=0.0)


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        (np.zeros((0, 3)), "0 points"),
        (np.random.default_rng(0).random((10, 3)), "10 points"),
        (np.full((50, 3), np.nan), "50 of 50 points are NaN"),
        (np.zeros((50, 2)), "shape"),
        (np.array([["a"] * 3] * 40), "type"),
        (np.random.default_rng(0).random((50, 3)) * 200, "millimetres"),
        (np.zeros((50, 3)), "0 m long"),
    ],
)
def test_clouds_that_cannot_be_used(cloud, said):
    with pytest.raises(CloudError, match=said):
        check_cloud(cloud)


def test_distances_between_clouds():
    one = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    other = np.array([[0.0, 0.0, 0.3]])
    assert distances(other, one) == pytest.approx([0.3])
    assert chamfer_l1(one, other) == pytest.approx(0.5 * ((0.3 + np.hypot(1.0, 0.3)) / 2 + 0.3))
    assert chamfer_l1(one, one) == 0.0
    assert f_score(one, one[:1], 0.1) == pytest.approx(2 * 0.5 * 1.0 / 1.5)
    assert f_score(one, other + 5.0, 0.1) == 0.0


def test_each_farthest_point_is_the_farthest_from_those_before():
    cloud = np.random.default_rng(0).random((600, 3)).astype(np.float32)
    chosen = farthest_points(cloud, 60)
    apart = np.linalg.norm(cloud[:, None] - cloud[chosen], axis=2)
    for count in range(1, 60):
        assert apart[:, :count].min(axis=1).argmax() == chosen[count]
    assert all(np.array_equal(farthest_points(cloud.copy(), 60), chosen) for _ in range(5))
    assert np.array_equal(farthest_points(cloud[:5], 9), np.arange(5))


def test_thinning_keeps_one_point_in_each_cube():
    cloud = np.array([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [1.5, 0.0, 0.0]])
    assert np.allclose(voxel_downsample(cloud, 1.0), [[0.2, 0.1, 0.1], [1.5, 0.0, 0.0]])
    below = np.array([[-0.1, -2.5, 0.5], [0.1, -2.5, 0.5], [-0.2, -2.9, 0.1]])
    assert np.allclose(voxel_downsample(below, 1.0), [[-0.15, -2.7, 0.3], [0.1, -2.5, 0.5]])
    assert voxel_downsample(np.empty((0, 3)), 1.0).shape == (0, 3)


def test_transforms_go_there_and_back():
    T = quat_transform((1.0, 2.0, 3.0), (0.5, 0.5, 0.5, 0.5))
    points = np.random.default_rng(0).random((5, 3))
    assert np.allclose(transform_points(inverse(T), transform_points(T, points)), points)
    position, quat = to_quat(T)
    assert np.allclose(position, (1, 2, 3)) and np.allclose(np.abs(quat), 0.5)
    with pytest.raises(ValueError, match="must differ"):
        look_at((1, 1, 1), (1, 1, 1))


def test_a_perfect_camera_sees_the_near_side_of_a_ball_where_it_is():
    ball = household_object("ball_0")
    radius = ball.mesh.extents[0] / 2
    T_world_cam = around((0.2, 0.1, 0.0), 0.5, 0.4, 1.0)
    view = Caster([(ball.mesh, transform(np.eye(3), (0.2, 0.1, 0.0)))]).view(
        T_world_cam, PERFECT, np.random.default_rng(0)
    )
    cloud = view.of(0)
    assert np.allclose(np.linalg.norm(cloud - (0.2, 0.1, 0.0), axis=1), radius, atol=1e-3)
    toward = (T_world_cam[:3, 3] - (0.2, 0.1, 0.0)) / 0.5
    assert ((cloud - (0.2, 0.1, 0.0)) @ toward > 0.0).all()
    assert np.isnan(view.depth[0, 0]) and view.body[0, 0] == -1


def test_what_stands_in_front_hides():
    box, can = household_object("box_0").mesh, household_object("can_0").mesh
    camera = around((0.0, 0.0, 0.0), 0.6, 0.0, 0.0)
    alone = Caster([(can, np.eye(4))]).view(camera, PERFECT, np.random.default_rng(0))
    hidden = Caster([(can, np.eye(4)), (box, transform(np.eye(3), (0.2, 0.0, 0.0)))]).view(
        camera, PERFECT, np.random.default_rng(0)
    )
    assert len(hidden.of(0)) < 0.5 * len(alone.of(0)) and len(hidden.of(1)) > 0


def test_a_real_camera_is_noisy_has_holes_and_repeats_itself():
    mesh = household_object("box_0").mesh
    caster, pose = Caster([(mesh, np.eye(4))]), around((0, 0, 0), 0.5, 0.5, 0.3)
    clean = caster.view(pose, PERFECT, np.random.default_rng(0)).depth
    camera = DepthCamera(160, 120, noise_m=0.002, dropout=0.1, flying=0.0)
    once, again = (caster.view(pose, camera, np.random.default_rng(3)).depth for _ in range(2))
    assert np.array_equal(once, again, equal_nan=True)
    seen = np.isfinite(clean)
    assert np.isnan(once[seen]).mean() == pytest.approx(0.1, abs=0.05)
    spread = np.nanstd((once - clean)[seen])
    assert spread == pytest.approx(0.002 * np.nanmean(clean**2) / 0.25, rel=0.2)


@pytest.mark.parametrize("wrong", [{"width": 2}, {"noise_m": -1.0}, {"dropout": 1.0}, {"field_of_view_deg": 179.0}])
def test_cameras_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="must be 8 to 4096"):
        DepthCamera(**wrong)
