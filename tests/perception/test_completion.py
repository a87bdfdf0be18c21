import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from geometry.clouds import CloudError, chamfer_l1
from geometry.transforms import about_vertical, quat_transform, transform, transform_points
from perception.completion import weights
from perception.completion.frames import frame_of, normalise
from perception.completion.model import CompletionModel, denser
from perception.completion.network import (
    Attention,
    CompletionNetwork,
    NetworkConfig,
)
from perception.completion.weights import Stored
from perception.weights import WeightsError, count_parameters
from tests.completion import SMALL, network, seen


@pytest.mark.parametrize("name", ["mug_0", "box_0", "can_0", "ball_0", "spoon_0"])
def test_the_answer_turns_with_the_cloud_and_knows_no_order(name):
    cloud, rng = seen(name), np.random.default_rng(1)
    model = CompletionModel(network())
    points, uncertainty = model.complete(cloud)
    radius = np.linalg.norm(cloud - cloud.mean(axis=0), axis=1).max()
    for angle in (0.3, 2.0, -1.1):
        T = transform(about_vertical(angle), (0.4, -1.0, 0.0))
        turned = model.complete(transform_points(T, cloud)[rng.permutation(len(cloud))])
        assert np.abs(turned.points - transform_points(T, points)).max() <= 1e-4 * radius
        assert np.abs(turned.uncertainty - uncertainty).max() <= 1e-4 * radius


def test_a_grid_full_of_ties_turns_as_well():
    line = np.linspace(-0.04, 0.04, 12)
    cloud = np.stack(np.meshgrid(line, line[:6], [0.1]), axis=-1).reshape(-1, 3)
    cloud = cloud[(cloud[:, 0] < 0.0) | (cloud[:, 1] < -0.03)]  # an L: what is its own image has no forward
    model, T = CompletionModel(network()), transform(about_vertical(0.77), (0.0, 0.3, 0.0))
    turned = transform_points(T, model.complete(cloud).points)
    apart = np.abs(model.complete(transform_points(T, cloud)).points - turned)
    assert apart.max() <= 1e-4 * 0.05


def test_the_full_frame_turns_any_way():
    shape = replace(SMALL, frame="full")
    model, cloud = CompletionModel(network(shape)), seen()
    T = quat_transform((0.3, 0.2, 0.5), np.array([0.1, 0.5, -0.3, 0.8]) / np.linalg.norm([0.1, 0.5, -0.3, 0.8]))
    turned = transform_points(T, model.complete(cloud).points)
    assert np.abs(model.complete(transform_points(T, cloud)).points - turned).max() <= 1e-5


def test_without_a_frame_it_does_not_turn():
    model, cloud = CompletionModel(network(replace(SMALL, frame="none"))), seen()
    T = transform(about_vertical(1.0), (0.0, 0.0, 0.0))
    turned = transform_points(T, model.complete(cloud).points)
    assert np.abs(model.complete(transform_points(T, cloud)).points - turned).max() > 1e-3


def test_a_frame_is_left_where_it_was_entered():
    cloud = seen()
    for kind in ("vertical", "full", "none"):
        frame = frame_of(cloud, kind)
        assert np.allclose(frame.leave(frame.enter(cloud)), cloud)
        assert np.allclose(frame.turn @ frame.turn.T, np.eye(3))
        assert np.linalg.det(frame.turn) == pytest.approx(1.0)


def test_symmetry_without_third_moments_still_has_a_frame():
    ring = np.array([[np.cos(a), np.sin(a), 0.5] for a in np.arange(40) * np.pi / 20])
    assert np.isfinite(frame_of(ring).turn).all()
    assert np.isfinite(normalise(ring, 32).points).all()


def test_size_of_the_network():
    assert 3_000_000 <= count_parameters(CompletionNetwork(NetworkConfig())) <= 5_000_000


def test_offset_attention_sees_nothing_where_all_are_alike():
    """A Laplacian of what is the same everywhere is 0: then only the bias is left, and it is the same for all."""
    torch.manual_seed(0)
    block = Attention(32, 4, offset=True)
    with torch.no_grad():
        block.key_value.weight[32:] = torch.eye(32)  # values are what is there
        block.key_value.bias.zero_()
        block.out.bias.zero_()
    alike = torch.randn(1, 1, 32).expand(1, 9, 32)
    assert torch.allclose(block(alike), alike, atol=1e-3)
    assert not torch.allclose(block(torch.randn(1, 9, 32)), torch.zeros(1, 9, 32), atol=1e-2)
    plain = Attention(32, 4, offset=False)
    assert not torch.allclose(plain(alike), alike, atol=1e-2)


@pytest.mark.parametrize("wrong", [{"width": 31}, {"tokens": 0}, {"frame": "round"}, {"points": 8}, {"heads": 0}])
def test_networks_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="counts must be"):
        replace(SMALL, **wrong)


def test_what_was_seen_is_part_of_the_answer_and_the_surest_of_it():
    cloud = seen()
    points, uncertainty = CompletionModel(network()).complete(cloud)
    apart = np.linalg.norm(points[:, None] - cloud[None], axis=2).min(axis=1)
    assert (apart < 1e-6).sum() == min(SMALL.points, len(cloud))
    assert uncertainty[apart < 1e-6].max() <= uncertainty.min() + 1e-12


def test_middles_of_neighbours_lie_on_the_surface_between_them():
    flat = np.column_stack([np.random.default_rng(0).uniform(size=(200, 2)), np.zeros(200)])
    dense, scale = denser(flat, np.arange(200.0))
    assert dense.shape == (800, 3) and scale.shape == (800,)
    assert np.array_equal(dense[:200], flat) and not dense[:, 2].any()
    assert chamfer_l1(dense, flat) < 0.05


def test_weights_that_cannot_be_used(tmp_path):
    stored = tmp_path / "w"
    weights.save(stored, Stored(network(), 1.5), {}, "card")
    path = stored / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="cannot be read"):
        CompletionModel.load(stored)
    path.write_bytes(whole)
    told = json.loads((stored / "config.json").read_text())
    (stored / "config.json").write_text(json.dumps({**told, "width": 64}))
    with pytest.raises(WeightsError, match="another network"):
        CompletionModel.load(stored)
    with pytest.raises(CloudError, match="10 points"):
        CompletionModel(network()).complete(seen()[:10])
