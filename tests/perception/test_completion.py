import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.main import cli
from datasets import views
from datasets.views import RenderConfig, ViewSampling, load_views
from evaluation.completion import evaluate
from evaluation.completion.evaluate import EvaluateConfig
from geometry.cameras import Caster, DepthCamera, around
from geometry.clouds import CloudError, chamfer_l1
from geometry.objects import household_object
from geometry.transforms import about_vertical, quat_transform, transform, transform_points
from learning.completion import train
from learning.completion.fitting import CompletionTrainer, FitConfig, draw, loss_of
from learning.completion.judging import away_from, calibration, far_side_error, mirrored
from learning.completion.train import TrainConfig, split
from perception.command import CommandError
from perception.completion import predict, weights
from perception.completion.frames import frame_of, normalise
from perception.completion.model import CompletionModel, denser
from perception.completion.network import (
    Attention,
    CompletionNetwork,
    CompletionOutput,
    NetworkConfig,
)
from perception.completion.predict import PredictConfig
from perception.completion.weights import Stored
from perception.weights import WeightsError, count_parameters

SMALL = NetworkConfig(points=128, tokens=16, neighbours=8, width=32, heads=2, encoder=1, decoder=1, queries=16, fold=4)
QUICK = FitConfig(steps=6, batch=2, truth=128, averaged_checkpoints=2)


def network(shape: NetworkConfig = SMALL) -> CompletionNetwork:
    made = CompletionNetwork(shape)
    made.initialise(torch.Generator().manual_seed(0))
    return made.eval()


def seen(name: str = "mug_0", azimuth: float = 0.7) -> np.ndarray:
    model = household_object(name)
    pose = transform(np.eye(3), (0.1, -0.2, model.mesh.extents[2] / 2))
    camera = DepthCamera(160, 120)
    view = Caster([(model.mesh, pose)]).view(
        around((0.1, -0.2, 0.04), 0.5, 0.6, azimuth), camera, np.random.default_rng(0)
    )
    return view.of(0)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    views.main(
        RenderConfig(folder, (str(_objects(tmp_path_factory.mktemp("objects"))),), sampling=ViewSampling(2), workers=1)
    )
    return folder


def _objects(folder: Path) -> Path:
    for name in ("mug_0", "box_0", "can_1", "bottle_2", "soap_4", "jar_3", "cone_1", "can_5"):
        household_object(name).mesh.as_trimesh().export(folder / f"{name}.ply")
    return folder


# Order and rotation


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


# Network


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


def test_loss_is_zero_at_the_truth_and_pulls_toward_it():
    truth = torch.rand(1, 200, 3)
    exact = loss_of(CompletionOutput(truth, truth, torch.zeros(1, 200)), truth)
    assert float(exact.fine) < 1e-5 and float(exact.likelihood) == pytest.approx(0.0, abs=1e-5)
    off = (truth + torch.tensor([0.05, 0.0, 0.0])).requires_grad_()
    loss = loss_of(CompletionOutput(off, off, torch.full((1, 200), -3.0)), truth).fine
    loss.backward()
    assert float((off.grad[..., 0] > 0).float().mean()) > 0.6


# Views, training


def test_rendering_again_makes_nothing_new_and_refuses_another_sampling(rendered):
    files = {path.name: path.read_bytes() for path in rendered.glob("*.npz")}
    assert len(files) == 8
    loaded = load_views(rendered)
    assert len(loaded.clouds) == 16 and loaded.surfaces.shape == (8, 8192, 3)
    assert (loaded.poses[:, 3] == [0, 0, 0, 1]).all()
    for view in range(16):  # what was seen lies on the truth, above the table
        cloud = loaded.clouds[view]
        near = np.linalg.norm(cloud[:50, None] - loaded.truth(view)[None, ::4], axis=2).min(axis=1)
        assert np.median(near) < 0.006
        assert loaded.truth(view)[:, 2].min() > -1e-3
    (rendered / sorted(files)[0]).unlink()
    source = json.loads((rendered / "views.json").read_text())
    assert source["sampling"]["views"] == 2
    with pytest.raises(CommandError, match="Name another --out"):
        views.main(RenderConfig(rendered, ("household/test",), sampling=ViewSampling(3)))
    (rendered / sorted(files)[0]).write_bytes(files[sorted(files)[0]])


def test_views_that_are_not_there_or_damaged(tmp_path):
    with pytest.raises(CommandError, match="export views"):
        load_views(tmp_path)
    (tmp_path / "a.0.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(CommandError, match="damaged"):
        load_views(tmp_path)


def test_objects_are_kept_back_by_name(rendered):
    learned, kept_back = split(load_views(rendered))
    assert set(learned.names) and set(kept_back.names) and not set(learned.names) & set(kept_back.names)
    assert len(learned.surfaces) == len(set(learned.names))
    only = load_views(rendered).where(load_views(rendered).names == learned.names[0])
    with pytest.raises(CommandError, match="kept back"):
        split(only)


def test_training_learns(rendered):
    loaded = load_views(rendered)
    fit = replace(QUICK, steps=60, batch=4, learning_rate=3e-3)
    trainer = CompletionTrainer(fit, SMALL, 0)
    losses = [float(trainer.step(loaded).fine) for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])


def settings(rendered: Path, folder: Path, name: str, **changes: object) -> TrainConfig:
    base = {"rendered": rendered, "out": folder / name, "run": folder / f"{name}-run", "network": SMALL, "fit": QUICK}
    return TrainConfig(**{**base, "keep_every": 2, "picture_every": 5, **changes})


def test_killed_and_resumed_gives_the_same_weights(rendered, tmp_path, monkeypatch):
    train.main(settings(rendered, tmp_path, "whole"))
    original = CompletionTrainer.step

    def step(self, loaded):
        if self.done == 5:
            raise KeyboardInterrupt
        return original(self, loaded)

    monkeypatch.setattr(CompletionTrainer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        train.main(settings(rendered, tmp_path, "broken"))
    monkeypatch.undo()
    with pytest.raises(CommandError, match="--resume"):
        train.main(settings(rendered, tmp_path, "broken"))
    with pytest.raises(CommandError, match="other settings: seed was 0 and is 1"):
        train.main(settings(rendered, tmp_path, "broken", resume=True, seed=1))
    train.main(settings(rendered, tmp_path, "broken", resume=True))
    whole, again = (tmp_path / name / "model.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == again.read_bytes()
    assert list((tmp_path / "whole-run").glob("events*"))


def test_training_goes_on_from_other_weights_of_the_same_shape(rendered, tmp_path):
    train.main(settings(rendered, tmp_path, "first"))
    barely = replace(QUICK, steps=1, learning_rate=1e-9)
    train.main(settings(rendered, tmp_path, "second", start_from=tmp_path / "first", fit=barely))
    first, second, fresh = (
        net.state_dict() for net in (*(weights.load(tmp_path / n).network for n in ("first", "second")), network())
    )
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
    assert not all(torch.allclose(first[name], fresh[name], atol=1e-6) for name in first)
    with pytest.raises(CommandError, match="--network"):
        train.main(settings(rendered, tmp_path, "third", start_from=tmp_path / "first", ablate="offset"))


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


def test_the_baseline_and_the_ablations_are_what_they_say():
    base = TrainConfig(Path("x"))
    assert (base.shape.attention, base.shape.frame) == ("offset", "vertical")
    assert replace(base, ablate="offset").shape == replace(base.network, attention="plain")
    assert replace(base, ablate="frame").shape == replace(base.network, frame="none")
    assert replace(base, pointr=True).shape == replace(base.network, attention="plain", frame="none")
    counts = [count_parameters(CompletionNetwork(replace(base, **one).shape)) for one in ({}, {"pointr": True})]
    assert counts[1] == pytest.approx(counts[0], rel=0.01)
    with pytest.raises(ValueError, match="choose one"):
        replace(base, pointr=True, ablate="frame")


def test_draws_are_the_same_for_the_same_seed(rendered):
    loaded = load_views(rendered)
    one, again = (draw(loaded, SMALL, QUICK, np.random.default_rng([0, 3])) for _ in range(2))
    assert torch.equal(one.points, again.points) and torch.equal(one.truth, again.truth)
    assert one.points.shape == (2, 128, 3) and float(one.points.norm(dim=-1).max()) <= 1.0 + 1e-5


# Figures


def test_far_side_and_mirror_of_half_a_ball():
    directions = np.random.default_rng(0).standard_normal((4000, 3))
    ball = 0.05 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    eye = np.array([-0.5, 0.0, 0.0])
    half = ball[ball[:, 0] < 0.0]
    away = away_from(eye, half)
    assert np.allclose(away, [1.0, 0.0, 0.0], atol=0.02)
    assert far_side_error(ball, ball, away) == 0.0
    assert far_side_error(half, ball, away) > 0.02
    assert far_side_error(mirrored(half, away), ball, away) < 0.004


def test_calibration_scales_what_is_claimed_to_what_is_true():
    class Pairs:
        pairs = np.array([[1.0, 3.0], [2.0, 3.0]])

    assert calibration(Pairs()) == pytest.approx(2.0)


def test_evaluation_tells_what_it_should(rendered, tmp_path, capsys):
    weights.save(tmp_path / "w", Stored(network(), 1.5), {}, "card")
    out = tmp_path / "figures.json"
    evaluate.main(EvaluateConfig((rendered,), (tmp_path / "w",), tmp_path / "pictures", json=out))
    told = json.loads(out.read_text())
    wanted = {"cdl1_mm", "cdl1_partial_mm", "f_score_1pct", "extent_error_mm", "n_objects", "n_views"}
    assert wanted <= told.keys() and told["n_objects"] == 8 and told["n_views"] == 16
    for interval in (told["cdl1_mm"], told["cdl1_over_partial"]):
        assert interval["low"] <= interval["mean"] <= interval["high"]
    assert list((tmp_path / "pictures").glob("*.png"))


def test_networks_are_compared_with_the_first_on_the_same_views(rendered, tmp_path):
    for name, seed in (("first", 0), ("second", 1)):
        torch.manual_seed(seed)
        weights.save(tmp_path / name / "w", Stored(CompletionNetwork(SMALL), 1.0), {}, "card")
    first, second = tmp_path / "first" / "w", tmp_path / "second" / "w"
    rows = evaluate.main(EvaluateConfig((rendered,), (first, second, first))).rows
    assert [row["weights"] for row in rows] == [str(first), str(second)], "two folders of one name are told apart"
    assert "cdl1_difference_mm" not in rows[0] and rows[0]["parameters"] == count_parameters(network())
    more = rows[1]["cdl1_difference_mm"]
    assert more["mean"] == pytest.approx(rows[1]["cdl1_mm"]["mean"] - rows[0]["cdl1_mm"]["mean"], abs=0.002)
    assert more["low"] <= more["mean"] <= more["high"]


# Prediction and bad input


ANSWERED = (4 * SMALL.queries * SMALL.fold + SMALL.points, 3)


@pytest.fixture
def stored(tmp_path) -> Path:
    weights.save(tmp_path / "w", Stored(network(), 1.5), {}, "card")
    return tmp_path / "w"


@pytest.mark.parametrize("kind", ["npy", "npz", "xyz", "csv"])
def test_files_are_completed(stored, tmp_path, kind):
    cloud, path = seen(), tmp_path / f"mug.{kind}"
    if kind == "npy":
        np.save(path, cloud)
    elif kind == "npz":
        np.savez(path, points=cloud)
    else:
        np.savetxt(path, cloud, delimiter="," if kind == "csv" else " ")
    result = predict.main(PredictConfig(path, tmp_path / "out", stored))
    assert not result.failed
    with np.load(result.written[0]) as arrays:
        assert arrays["points"].shape == ANSWERED and (arrays["uncertainty"] > 0).all()
        assert np.allclose(arrays["points"], CompletionModel.load(stored).complete(cloud).points, atol=1e-4)


def test_a_ply_is_written_that_can_be_read_again(stored, tmp_path):
    np.save(tmp_path / "mug.npy", seen())
    written = predict.main(PredictConfig(tmp_path / "mug.npy", tmp_path / "out", stored, ply=True)).written[0]
    again = predict.read_cloud(written)
    assert again.shape == ANSWERED and np.isfinite(again).all()


def test_bad_clouds_are_told_and_the_others_completed(stored, tmp_path, capsys):
    folder = tmp_path / "clouds"
    folder.mkdir()
    np.save(folder / "good.npy", seen())
    np.save(folder / "few.npy", seen()[:10])
    np.save(folder / "nan.npy", np.full((100, 3), np.nan))
    np.save(folder / "flat.npy", np.zeros((100, 2)))
    (folder / "torn.npy").write_bytes(b"\x93NUMPY")
    (folder / "zip.npz").write_bytes(b"PK\x03\x04 nothing")
    (folder / "words.xyz").write_text("no numbers at all")
    (folder / "empty.xyz").write_text("")
    status = cli(["predict", "completion", str(folder), "--out", str(tmp_path / "out"), "--weights", str(stored)])
    told = capsys.readouterr()
    assert status == 2 and "good.completed.npz" in told.out
    assert all(f"{name}" in told.err for name in ("few", "nan", "flat", "torn", "words", "empty", "zip"))
    assert "Traceback" not in told.err


def test_weights_that_cannot_be_used(stored, tmp_path):
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


def test_commands_say_in_one_line_what_is_wrong(tmp_path, capsys):
    assert cli(["train", "completion", "--rendered", str(tmp_path)]) == 2
    assert cli(["evaluate", "completion", "--rendered", str(tmp_path), "--weights", str(tmp_path)]) == 2
    assert cli(["export", "views", "--out", str(tmp_path / "o"), "--objects", "nothing"]) == 2
    told = capsys.readouterr().err
    assert told.count("error: ") == 3 and "Traceback" not in told
