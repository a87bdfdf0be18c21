from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.main import cli
from evaluation.speech.joint import Pooled, evaluate, joint_loss, report
from learning.speech.features import CLEAN, SPED, STREAM, WINDOW, FeatureTable
from learning.speech.fitting import FitConfig
from perception.emotion import LABELS

QUICK = FitConfig(hidden=32, members=2, epochs=40, batch=16, inner_groups=2)


def toy(shift: float, labels: int = 8) -> Pooled:
    """Two corpora of four voices each; `shift` rotates what the second makes of its emotions."""
    rng = np.random.default_rng(0)
    per_voice, inputs = 32, 24
    kinds = np.array([CLEAN, SPED, WINDOW, STREAM], np.uint8)
    centres = rng.normal(size=(8, inputs))
    elsewhere = (1 - shift) * centres + shift * np.roll(centres, 1, axis=0)
    targets = np.concatenate([np.arange(4 * per_voice) % 8, np.arange(4 * per_voice) % labels])
    corpus = np.repeat([0, 1], 4 * per_voice)
    clean = np.where(corpus[:, None] == 0, centres[targets], elsewhere[targets]) + 0.4 * rng.normal(size=(256, inputs))
    rows = np.repeat(clean, len(kinds), axis=0) + 0.1 * rng.normal(size=(256 * len(kinds), inputs))
    table = FeatureTable(rows.astype(np.float16), np.tile(kinds, 256), np.repeat(np.arange(256), len(kinds)))
    return Pooled(table, targets, corpus, np.repeat([f"v{n}" for n in range(8)], per_voice), np.arange(256) // 32 % 4)


def test_corpora_that_agree_help_each_other_and_those_that_contradict_do_not():
    agree, contradict = (evaluate(toy(shift), ("a", "b"), QUICK, 0).corpora for shift in (0.0, 1.0))
    for same, other in zip(agree, contradict, strict=True):
        assert same.difference.mean > -0.02
        assert other.difference.mean < -0.1
        assert other.difference.high < 0
        assert same.specialist.low <= same.specialist.mean <= same.specialist.high


def test_labels_that_a_corpus_lacks_are_not_asked_for_there():
    result = evaluate(toy(0.0, labels=4), ("a", "b"), QUICK, 0)
    out = json.loads(json.dumps(result.as_json()))
    first, second = out["corpora"]
    assert second["labels"] == list(LABELS[:4]) and first["labels"] == list(LABELS)
    assert np.sum(second["confusion"]) == second["n"] == 128
    assert second["chance"] == 0.25
    assert report(result) == 0


def test_a_clip_says_nothing_of_labels_that_its_corpus_lacks_and_corpora_weigh_alike():
    data = toy(0.0, labels=4)
    few = np.arange(256) % 32 < np.where(data.corpus == 0, 8, 32)  # a quarter of the first corpus, all of the second
    logits = torch.zeros(2, int(few.sum()), 8, requires_grad=True)
    joint_loss(data, few, QUICK)(logits, torch.from_numpy(np.flatnonzero(few))).backward()
    pull = logits.grad.abs().sum(dim=0).numpy()
    own = data.corpus[few]
    assert (pull[own == 1, 4:] == 0.0).all() and (pull[own == 0] > 0.0).all()
    right = [pull[own == number, :].max(axis=1).mean() for number in (0, 1)]
    assert right[0] / right[1] == pytest.approx(4 * (7 / 8) / (3 / 4), rel=0.02), "each of the few counts four times"


def test_two_real_corpora_from_the_command_line(ravdess: Path, folds_file: Path, shared_data: Path, tmp_path: Path):
    """A handful of clips of each: six voices of RAVDESS, two of nEMO."""
    voices, nemo = tmp_path / "ravdess", tmp_path / "nemo"
    nemo.mkdir()
    for actor in range(1, 7):
        folder = voices / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for path in sorted((ravdess / folder.name).glob("03-01-0[15]-01-01-01-*.flac")):
            (folder / path.name).symlink_to(path)
    for path in sorted((shared_data / "speech" / "nemo_6").glob("*_anger_1?.ogg"))[:4]:
        (nemo / path.name).symlink_to(path)
    first = sorted((shared_data / "speech" / "nemo_6").glob("*.ogg"))
    for path in [path for path in first if path.stem.endswith(("neutral_1", "neutral_2"))][:4]:
        (nemo / path.name).symlink_to(path)
    said = ["evaluate", "speech-joint", "--ravdess", str(voices), "--folds", str(folds_file), "--data", str(nemo)]
    more = ["--json", str(tmp_path / "joint.json"), "--cache", str(tmp_path / "cache"), "--fit.epochs", "2"]
    assert cli([*said, *more, "--fit.members", "1"]) == 0
    out = json.loads((tmp_path / "joint.json").read_text())
    assert [corpus["data"] for corpus in out["corpora"]] == ["ravdess", "nemo"]
    assert out["corpora"][0]["speakers"] == 6


def test_a_corpus_of_one_voice_is_refused(ravdess: Path, folds_file: Path, shared_data: Path, tmp_path: Path, capsys):
    path = next((shared_data / "speech" / "nemo_6").glob("*.ogg"))
    (tmp_path / path.name).symlink_to(path)
    said = ["evaluate", "speech-joint", "--ravdess", str(ravdess), "--folds", str(folds_file), "--data", str(tmp_path)]
    assert cli([*said, "--cache", str(tmp_path / "cache")]) == 2
    assert "one voice only" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["--ravdess", "--folds", "--data"])
def test_missing_data_are_named(wrong, ravdess: Path, folds_file: Path, shared_data: Path, tmp_path: Path, capsys):
    places = {"--ravdess": ravdess, "--folds": folds_file, "--data": shared_data / "speech" / "nemo_6"}
    places[wrong] = tmp_path / "nowhere"
    said = [str(part) for pair in places.items() for part in pair]
    assert cli(["evaluate", "speech-joint", *said, "--cache", str(tmp_path / "cache")]) == 2
    assert "nowhere" in capsys.readouterr().err
