from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from learning import checkpoint
from learning.trainer import Schedule, Trainer, batches

AIM = torch.tensor([3.0, -1.0])


def training(folder=None, resume=False, steps=60, seed=0):
    module = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.weight.zero_()

    def loss(step, generator):
        inputs = torch.randn(16, 2, generator=generator)
        return (module(inputs)[:, 0] - inputs @ AIM).square().mean()

    return module, Trainer(module, loss, Schedule(steps, 0.2, checkpoint_every=20), seed, folder, resume)


def test_it_finds_what_makes_the_loss_small():
    module, trainer = training(steps=200)
    log = trainer.run()
    assert len(log) == 200
    torch.testing.assert_close(module.weight[0], AIM, atol=0.05, rtol=0)


def test_an_interrupted_training_ends_where_a_whole_one_does(tmp_path):
    whole, first = training(tmp_path / "a")
    first.run()
    _, second = training(tmp_path / "b")
    second.run(until=25)
    again, third = training(tmp_path / "b", resume=True)
    log = third.run()
    assert torch.equal(whole.weight, again.weight)
    assert log == first.log
    assert len((tmp_path / "b" / "log.jsonl").read_text().splitlines()) == 60
    assert json.loads((tmp_path / "b" / "config.json").read_text())["seed"] == 0


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    training(tmp_path)[1].run()
    with pytest.raises(ValueError, match="another folder"):
        training(tmp_path, resume=True, seed=1)
    (tmp_path / checkpoint.NAME).write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="damaged"):
        training(tmp_path, resume=True)


def test_one_bit_of_damage_in_a_checkpoint_is_told(tmp_path, rng):
    training(tmp_path)[1].run()
    path = tmp_path / checkpoint.NAME
    content = path.read_bytes()
    for place in rng.integers(len(content), size=40):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{checkpoint.NAME} is damaged"):
            training(tmp_path, resume=True)


def test_the_rate_rises_and_falls():
    schedule = Schedule(100, warmup=0.1, final=0.1)
    rates = [schedule.factor(step) for step in range(101)]
    assert rates[0] < 0.2
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates[100] == pytest.approx(0.1)


def test_a_loss_that_runs_away_is_told():
    module = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="learning rate"):
        Trainer(module, lambda step, generator: module.weight.sum() * float("nan"), Schedule(3), 0).run()


def test_bad_schedules_and_batches():
    for bad in ({"steps": 0}, {"learning_rate": 0.0}, {"final": 2.0}):
        with pytest.raises(ValueError, match="came"):
            Schedule(**bad)
    generator = torch.Generator().manual_seed(0)
    assert batches(3, 5, generator).tolist() == [0, 1, 2]
    assert len(batches(50, 5, generator)) == 5
    with pytest.raises(ValueError, match="folder"):
        training()[1].checkpoint()
