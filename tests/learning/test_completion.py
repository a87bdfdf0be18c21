from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro

from datasets.views import load_views
from learning.completion import train
from learning.completion.fitting import CompletionTrainer, draw, loss_of
from learning.completion.judging import away_from, calibration, far_side_error, mirrored
from learning.completion.train import TrainConfig, split
from perception.command import CommandError
from perception.completion import weights
from perception.completion.network import (
    CompletionNetwork,
    CompletionOutput,
)
from perception.weights import count_parameters
from tests.completion import QUICK, SMALL, network, render


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    return render(tmp_path_factory.mktemp("views"), tmp_path_factory.mktemp("objects"))


def test_loss_is_zero_at_the_truth_and_pulls_toward_it():
    truth = torch.rand(1, 200, 3)
    exact = loss_of(CompletionOutput(truth, truth, torch.zeros(1, 200)), truth)
    assert float(exact.fine) < 1e-5 and float(exact.likelihood) == pytest.approx(0.0, abs=1e-5)
    off = (truth + torch.tensor([0.05, 0.0, 0.0])).requires_grad_()
    loss = loss_of(CompletionOutput(off, off, torch.full((1, 200), -3.0)), truth).fine
    loss.backward()
    assert float((off.grad[..., 0] > 0).float().mean()) > 0.6


def test_objects_are_kept_back_by_name(rendered):
    learned, validation = split(load_views(rendered))
    assert set(learned.names) and set(validation.names) and not set(learned.names) & set(validation.names)
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


def test_networks_of_other_names_have_runs_of_their_own(rendered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ours", "pointr"):
        train.main(settings(rendered, tmp_path, name, run=None))
    assert {path.name for path in (tmp_path / "runs" / "completion").iterdir()} == {"ours-run", "pointr-run"}
    with pytest.raises(CommandError, match="ours-run holds a run"):
        train.main(settings(rendered, tmp_path, "ours", run=None))


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


def test_the_older_flag_still_means_the_averaged_checkpoints():
    assert tyro.cli(TrainConfig, args=["--rendered", "x", "--fit.soup", "1"]).fit.averaged_checkpoints == 1


def test_draws_are_the_same_for_the_same_seed(rendered):
    loaded = load_views(rendered)
    one, again = (draw(loaded, SMALL, QUICK, np.random.default_rng([0, 3])) for _ in range(2))
    assert torch.equal(one.points, again.points) and torch.equal(one.truth, again.truth)
    assert one.points.shape == (2, 128, 3) and float(one.points.norm(dim=-1).max()) <= 1.0 + 1e-5


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
