import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.faces import Faces
from learning.device import pick_device, pick_precision
from learning.face import train
from learning.face.augment import AugmentConfig
from learning.face.fitting import FaceTrainer, FitConfig, Hardware, Teacher
from learning.face.judging import fit_temperature, judge
from learning.face.train import TrainConfig
from learning.trainer import warmup_cosine
from perception.command import CommandError
from perception.face.model import CLASSES, FaceEmotionModel
from perception.face.network import NetworkConfig
from perception.weights import WeightsError
from tests.datasets.test_faces import write_tree
from tests.faces import SMALL, crops

GENTLE = AugmentConfig(2.0, 0.02, 0.5, 0.1, 0.1, 0.01, 0.0, 0.0)
QUICK = FitConfig(epochs=3, batch=14, learning_rate=5e-3, average=0.8, augment=GENTLE)


def faces(n: int, seed: int = 0, split: str = "Training") -> Faces:
    pictures, targets = crops(n, seed)
    return Faces(pictures, targets, np.full(n, split), np.full(n, ""))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_learns(optimizer):
    rate = {"adamw": 5e-3, "sgd": 0.05}[optimizer]
    fit = replace(QUICK, epochs=4, optimizer=optimizer, learning_rate=rate)
    trainer = FaceTrainer(fit, NetworkConfig(widths=(8, 16, 18), blocks=(0, 0, 0), dropout=0.0), 0)
    for _ in range(4):
        trainer.epoch(faces(140), faces(70, 1))
    assert trainer.epochs[-1].loss < trainer.epochs[0].loss - 0.2
    assert trainer.best_right > 0.6
    network = trainer.best_network()
    said = judge(network, faces(70, 1).pictures, tta=True).argmax(axis=1)  # epochs are chosen by what the model says
    assert np.mean(said == faces(70, 1).targets) == pytest.approx(trainer.best_right)


def test_learning_from_a_teacher_alone_gives_what_it_says():
    """The labels are turned round; a learner that hears only its teacher does not notice."""
    shape = NetworkConfig(widths=(8, 16, 18), blocks=(0, 0, 0), dropout=0.0)
    fit = FitConfig(epochs=4, batch=14, learning_rate=5e-3, average=0.8, augment=GENTLE)
    known = FaceTrainer(fit, shape, 0)
    for _ in range(4):
        known.epoch(faces(140), faces(70, 1))
    wrong = faces(140)._replace(targets=(faces(140).targets + 1) % len(CLASSES))
    alone = replace(fit, label_smoothing=0.0, teacher_share=1.0)
    taught = FaceTrainer(alone, shape, 1, teachers=[Teacher(known.best_network(), 1.0)])
    misled = FaceTrainer(alone, shape, 1)
    for trainer in (taught, misled):
        for _ in range(4):
            trainer.epoch(wrong, faces(70, 1))
    assert taught.best_right > 0.6 > 0.3 > misled.epochs[-1].right


def test_validation_is_judged_every_few_epochs_and_at_the_end():
    trainer = FaceTrainer(replace(QUICK, epochs=5, judge_every=2), SMALL, 0)
    for _ in range(5):
        trainer.epoch(faces(28), faces(28, 1))
    assert [epoch.right is not None for epoch in trainer.epochs] == [False, True, False, True, True]
    assert trainer.best_right == max(epoch.right for epoch in trainer.epochs if epoch.right is not None)


def test_same_seed_same_weights_and_the_caller_keeps_its_random_numbers():
    def run(seed: int) -> dict[str, torch.Tensor]:
        trainer = FaceTrainer(QUICK, SMALL, seed)
        trainer.epoch(faces(28), None)
        return trainer.averaged.module.state_dict()

    before = torch.random.get_rng_state()
    first = run(0)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    again, other = run(0), run(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_loss_that_is_no_number_is_named():
    wild = FitConfig(epochs=3, batch=14, optimizer="sgd", learning_rate=10.0, momentum=0.99, warm_up=0.0)
    trainer = FaceTrainer(wild, SMALL, 0)
    with torch.no_grad():
        trainer.network.head.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"loss became nan.*learning-rate"):
        trainer.epoch(faces(28), None)


def test_rate_rises_then_falls_to_zero():
    rates = [warmup_cosine(progress, 0.1) for progress in np.linspace(0.001, 1.0, 200)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(1.0, abs=0.01) and rates[-1] == pytest.approx(0.0, abs=1e-9)
    assert np.all(np.diff(rates[:top]) > 0) and np.all(np.diff(rates[top:]) < 0)
    assert warmup_cosine(0.001, 0.0) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "entry",
    [
        {"epochs": 0},
        {"batch": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"average": 1.0},
        {"teacher_share": 1.5},
        {"judge_every": 0},
    ],
)
def test_wrong_settings(entry):
    with pytest.raises(ValueError, match="must be"):
        FitConfig(**entry)


def test_device_and_precision():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_precision("float32", torch.device("cpu")) == torch.float32
    assert pick_precision("auto", torch.device("cpu")) in (torch.float32, torch.bfloat16)
    if not torch.cuda.is_available():
        assert pick_device("auto").type == "cpu"
        with pytest.raises(CommandError, match="no CUDA device"):
            pick_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_training_on_cuda():
    trainer = FaceTrainer(QUICK, SMALL, 0, Hardware(torch.device("cuda"), torch.bfloat16))
    assert np.isfinite(trainer.epoch(faces(28), faces(28)).loss)
    assert next(trainer.best_network().parameters()).device.type == "cpu"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path / "tree", 4)
    return tmp_path / "tree"


def settings(tree: Path, name: str, **changes: object) -> TrainConfig:
    base = {"out": tree.parent / name, "run": tree.parent / f"{name}-run", "network": SMALL, "fit": QUICK,
            "precision": "float32", "device": "cpu", "keep_leaks": True}  # fmt: skip
    return TrainConfig(data=tree, **{**base, **changes})


def test_trained_weights_load_and_say_what_they_are(tree, capsys):
    result = train.main(settings(tree, "w"))
    assert train.report(result) == 0
    err = capsys.readouterr().err
    assert "epoch 3/3" in err and "PublicTest" in err
    model = FaceEmotionModel.load(tree.parent / "w")
    assert model.temperature == result.stored.temperature
    pictures = crops(5)[0]
    assert np.allclose(model.logits(pictures), FaceEmotionModel(*result.stored).logits(pictures), atol=1e-5)
    card = (tree.parent / "w" / "CARD.md").read_text()
    assert "no licence" in card and "not judged" in card and "PrivateTest was not used" in card
    assert json.loads((tree.parent / "w" / "config.json").read_text())["training"]["training_pictures"] == 28


def test_training_goes_on_from_a_smaller_network(tree):
    train.main(settings(tree, "small"))
    deeper = replace(SMALL, blocks=tuple(count + 1 for count in SMALL.blocks))
    grown = settings(tree, "grown", start_from=tree.parent / "small", network=deeper)
    assert train.main(grown).stored.network.config == deeper
    origin = json.loads((grown.out / "config.json").read_text())["training"]["start_from"]
    assert origin["network"]["blocks"] == list(SMALL.blocks)
    with pytest.raises(CommandError, match=r"--start-from .* must be the same"):
        train.main(settings(tree, "narrow", start_from=tree.parent / "small", network=NetworkConfig()))
    with pytest.raises(CommandError, match=r"--start-from .*missing"):
        train.main(settings(tree, "lost", start_from=tree.parent / "nowhere", network=deeper))


def test_training_with_teachers_notes_who_they_were(tree):
    train.main(settings(tree, "teacher"))
    taught = settings(tree, "taught", teacher=(tree.parent / "teacher",), fit=replace(QUICK, judge_every=3))
    train.main(taught)
    training = json.loads((taught.out / "config.json").read_text())["training"]
    assert [one["seed"] for one in training["teachers"]] == [0] and training["fit"]["teacher_share"] == 0.8
    with pytest.raises(WeightsError, match="missing"):
        train.main(settings(tree, "untaught", teacher=(tree.parent / "nowhere",)))


def test_killed_and_resumed_gives_the_same_weights(tree, monkeypatch):
    train.main(settings(tree, "whole"))
    broken = settings(tree, "broken")
    original, done = FaceTrainer.epoch, []

    def epoch(self, *arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(FaceTrainer, "epoch", epoch)
    with pytest.raises(KeyboardInterrupt):
        train.main(broken)
    monkeypatch.undo()
    assert not (broken.out / "model.safetensors").exists()
    with pytest.raises(CommandError, match="--resume"):
        train.main(broken)
    result = train.main(settings(tree, "broken", resume=True))
    assert result.epochs == 3
    whole, again = (tree.parent / name / "model.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == again.read_bytes()


def test_resuming_what_cannot_be_resumed(tree):
    with pytest.raises(CommandError, match="nothing to resume"):
        train.main(settings(tree, "w", resume=True))
    train.main(settings(tree, "w"))
    with pytest.raises(CommandError, match="other settings: seed was 0 and is 1"):
        train.main(settings(tree, "w", resume=True, seed=1))
    path = tree.parent / "w-run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(WeightsError, match="damaged"):
        train.main(settings(tree, "w", resume=True))


def test_private_test_plays_no_part_in_training(tree, monkeypatch):
    monkeypatch.setattr(Faces, "of", _without_private(Faces.of))
    train.main(settings(tree, "w", limit=14))


def _without_private(original):
    def of(self, split):
        assert split != "PrivateTest"
        return original(self, split)

    return of


def test_temperature_makes_a_boastful_network_modest():
    trainer = FaceTrainer(QUICK, SMALL, 0)
    with torch.no_grad():
        trainer.network.head.weight.mul_(1000.0)
    assert fit_temperature(trainer.network.eval(), faces(70)) > 2.0
