import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.special import softmax

from datasets.voices import DatasetError, Folds
from evaluation.speech import evaluate
from evaluation.speech.evaluate import EvaluateConfig
from learning.speech import train
from learning.speech.clips import Data
from learning.speech.features import CLEAN, SPED, STREAM, WINDOW, FeatureCache, FeatureTable
from learning.speech.fitting import FitConfig, Sampler, actor_groups, fit_calibrated, fit_ensemble
from learning.speech.judging import judge_clips
from learning.speech.train import TrainConfig
from perception.command import CommandError
from perception.emotion import LABELS
from perception.speech.encoder import SpeechEncoder
from perception.speech.model import SpeechEmotionModel

QUICK = FitConfig(hidden=16, members=2, epochs=8, inner_groups=2)


def toy(actors: int = 6, per_actor: int = 24, inputs: int = 24) -> Data:
    """Features in which the emotion and the voice both show."""
    rng = np.random.default_rng(0)
    n = actors * per_actor
    targets = np.arange(n) % 8
    who = np.repeat(np.arange(1, actors + 1), per_actor)
    centres, voices = rng.normal(size=(8, inputs)), rng.normal(size=(actors + 1, inputs))
    kinds = np.array([CLEAN, SPED, SPED, WINDOW, WINDOW, WINDOW, STREAM, STREAM], np.uint8)
    clean = centres[targets] + 0.5 * voices[who] + 0.5 * rng.normal(size=(n, inputs))
    rows = np.repeat(clean, len(kinds), axis=0) + 0.1 * rng.normal(size=(n * len(kinds), inputs))
    table = FeatureTable(rows.astype(np.float16), np.tile(kinds, n), np.repeat(np.arange(n), len(kinds)))
    return Data(table, targets, who, 1 + np.arange(n) // 8 % 2, clip_s=3.0)


def test_sampler_keeps_clip_and_version_together():
    data = toy()
    mask = data.actors < 4
    sampler = Sampler(data.table, mask, 0.5)
    order, version = sampler.draw(np.random.default_rng(0))
    assert sorted(sampler.clips[order].tolist()) == np.flatnonzero(mask).tolist()
    rows = sampler.rows[order, version]
    assert np.array_equal(data.table.clip[rows], sampler.clips[order])
    assert np.array_equal(sampler.features[order, version].numpy(), data.table.features[rows].astype(np.float32))
    kinds = data.table.kinds[rows]
    assert STREAM not in kinds and 0.3 < (kinds == WINDOW).mean() < 0.7


def test_same_seed_same_weights_and_global_state_untouched():
    data = toy()
    everything = np.ones(len(data.targets), bool)
    before = torch.random.get_rng_state()
    first = fit_ensemble(data.table, data.targets, everything, QUICK, 0).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(123)
    again = fit_ensemble(data.table, data.targets, everything, QUICK, 0).state_dict()
    other = fit_ensemble(data.table, data.targets, everything, QUICK, 1).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["w1"], other["w1"])


def test_nothing_outside_the_mask_is_looked_at():
    data = toy()
    mask = data.actors <= 4
    poisoned = data.table.features.copy()
    poisoned[~mask[data.table.clip]] = np.nan
    wrong = np.where(mask, data.targets, -100)
    clean = fit_calibrated(data.table, data.targets, data.actors, mask, QUICK, 0)
    table = FeatureTable(poisoned, data.table.kinds, data.table.clip)
    blind = fit_calibrated(table, wrong, data.actors, mask, QUICK, 0)
    assert clean.config == blind.config
    assert torch.equal(clean.w1, blind.w1)


def test_actor_groups_are_a_partition_with_both_sexes():
    groups = actor_groups(np.repeat(np.arange(1, 21), 3), 4)
    assert sorted(np.concatenate(groups).tolist()) == list(range(1, 21))
    assert all(len(set(group % 2)) == 2 for group in groups)


def test_more_groups_than_actors():
    with pytest.raises(DatasetError, match="inner-groups"):
        actor_groups(np.array([1, 2, 3]), 4)


@pytest.mark.parametrize(
    "entry",
    [
        {"members": 0},
        {"dropout": 1.5},
        {"epochs": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": float("nan")},
        {"inner_groups": 1},
    ],
)
def test_wrong_settings(entry):
    with pytest.raises(ValueError, match="must be"):
        FitConfig(**entry)


def test_evaluation_of_a_toy_learns_and_fits_its_schema():
    data = toy()
    longer = FitConfig(hidden=32, members=2, epochs=30, batch=16, inner_groups=2)
    result = evaluate.evaluate(data, Folds(((1, 2), (3, 4), (5, 6))), longer, 0)
    out = json.loads(json.dumps(result.as_json()))
    assert out["folds"] == len(out["per_fold"]) == 3 and out["labels"] == list(LABELS)
    assert out["ua"]["mean"] > 0.35 and 0 <= out["ece"] <= 1
    assert out["ua"]["low"] <= out["ua"]["mean"] <= out["ua"]["high"]
    assert out["ua"]["mean"] == pytest.approx(np.mean([fold["ua"] for fold in out["per_fold"]]), abs=1e-4)
    assert np.sum(out["confusion"]) == len(data.targets)
    bits = out["channel"]["bits"]
    assert 0 < bits["low"] <= bits["mean"] <= bits["high"] < 3
    assert out["channel"]["seconds"] == 3.0
    right = result.predictions.said == result.predictions.truth
    women = result.predictions.people % 2 == 0
    # Every emotion is as frequent in each voice, so that UA is the share that is right.
    assert out["ua_by_sex"]["female"]["mean"] == pytest.approx(right[women].mean(), abs=1e-4)
    assert out["ua_by_sex"]["male"]["mean"] == pytest.approx(right[~women].mean(), abs=1e-4)
    for fold in out["per_fold"]:
        assert {"fold", "test_actors", "n", "ua", "wa", "ece", "ua_window_3s", "temperature"} <= set(fold)
        assert fold["n"] == 48 and fold["abstained"] == 0


@pytest.fixture(scope="module")
def small_ravdess(ravdess: Path, tmp_path_factory) -> Path:
    """Four actors, two emotions, both sentences: linked, not copied."""
    folder = tmp_path_factory.mktemp("ravdess")
    for actor in (1, 2, 3, 4):
        name = f"Actor_{actor:02d}"
        (folder / name).mkdir()
        for path in sorted((ravdess / name).glob("03-01-0[15]-01-0[12]-01-*.flac")):
            (folder / name / path.name).symlink_to(path)
    (folder / "folds.json").write_text('{"test_actors": [[1, 2], [3, 4]]}')
    return folder


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _small(folder: Path, cache: Path, **entries) -> EvaluateConfig:
    fit = FitConfig(hidden=8, members=1, epochs=2, inner_groups=2)
    return EvaluateConfig(data=folder, folds=folder / "folds.json", fit=fit, cache=cache, **entries)


def test_interrupted_encoding_goes_on_where_it_stopped(small_ravdess, cache_folder, monkeypatch):
    encoder = SpeechEncoder.load()
    paths = sorted(small_ravdess.glob("Actor_0[12]/*.flac"))[:4]
    first = FeatureCache(cache_folder, encoder)
    kept = [first.get(path) for path in paths[:2]]
    # Killed in the middle of writing the third: only a part file is left.
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        first.get(paths[2])
    monkeypatch.undo()
    assert len(list(cache_folder.glob("*.safetensors"))) == 2
    second = FeatureCache(cache_folder, encoder)
    resumed = [second.get(path) for path in paths]
    assert second.computed == 2
    for old, new in zip(kept, resumed, strict=False):
        assert np.array_equal(old.features, new.features) and np.array_equal(old.kinds, new.kinds)
    # Damage is noticed and repaired with the same numbers.
    stored = max(cache_folder.glob("*.safetensors"))
    stored.write_bytes(stored.read_bytes()[:1_000])
    third = FeatureCache(cache_folder, encoder)
    repaired = [third.get(path) for path in paths]
    assert third.computed == 1
    assert all(np.array_equal(a.features, b.features) for a, b in zip(repaired, resumed, strict=True))


def test_evaluate_prints_only_json_on_stdout(small_ravdess, cache_folder, capsys):
    result = evaluate.main(_small(small_ravdess, cache_folder, json=Path("-")))
    assert evaluate.report(result) == 0
    captured = capsys.readouterr()
    out = json.loads(captured.out)
    assert {
        "protocol",
        "folds",
        "ua",
        "wa",
        "ece",
        "ua_random_split",
        "ua_other_sentence",
        "ua_window_3s",
        "per_fold",
    } <= set(out)
    assert [fold["test_actors"] for fold in out["per_fold"]] == [[1, 2], [3, 4]]
    assert "leaks" in captured.err


@pytest.mark.parametrize(("protocol", "says"), [("text-independent", "sentence never met"), ("random", "a warning")])
def test_every_protocol_has_all_figures_and_its_plots(small_ravdess, cache_folder, tmp_path, capsys, protocol, says):
    config = _small(small_ravdess, cache_folder, protocol=protocol, json=Path("-"), plots=tmp_path)
    result = evaluate.main(config)
    assert evaluate.report(result) == 0
    captured = capsys.readouterr()
    out = json.loads(captured.out)
    assert says in out["protocol"] and says in captured.err
    assert np.sum(out["confusion"]) == out["n"] == 16
    assert set(out["accuracy_at_coverage"]) >= {"1.0", "0.6"}
    assert (out["ua_random_split"] is None) == (protocol != "random")
    assert {path.name for path in tmp_path.iterdir()} == {"confusion.png", "reliability.png", "coverage.png"}


def test_protocols_agree_with_what_stands_beside_the_result(small_ravdess, cache_folder):
    whole = evaluate.main(_small(small_ravdess, cache_folder)).as_json()
    plain = {
        name: evaluate.main(_small(small_ravdess, cache_folder, protocol=name)).as_json()["ua"]["mean"]
        for name in ("text-independent", "random")
    }
    assert plain == {"text-independent": whole["ua_other_sentence"], "random": whole["ua_random_split"]}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"protocol": "cross-corpus", "retrain": True}, "judges --weights as they are"),
        ({"protocol": "cross-corpus", "folds": Path("folds.json")}, "judges --weights as they are"),
        ({"retrain": True, "weights": Path("mine")}, "this trains its own"),
        ({"fit": FitConfig(epochs=3)}, "takes no --fit"),
        ({"protocol": "cross-corpus", "cache": Path("elsewhere")}, "takes no --fit"),
    ],
)
def test_protocols_that_make_no_sense_are_refused(entries, said):
    with pytest.raises(ValueError, match=said):
        EvaluateConfig(data=Path("somewhere"), **entries)


def test_without_folds_the_actors_are_dealt_out():
    folds = evaluate.dealt(np.array([7, 3, 3, 1, 9, 2, 8]))
    assert folds.test_actors == ((1,), (2,), (3,), (7,), (8,), (9,))
    assert evaluate.dealt(np.arange(1, 25)).test_actors[0] == (1, 2, 3, 4)
    assert evaluate.dealt(np.array([5, 4])).test_actors == ((4,), (5,))


@pytest.fixture(scope="module")
def small_german(tmp_path_factory) -> Path:
    """Three voices in EMO-DB's layout; how high they sound tells what they feel, and boredom is among them."""
    folder = tmp_path_factory.mktemp("german")
    for voice, code in itertools.product(("03", "08", "11"), "WFTL"):
        for take in "ab":
            pitch = {"W": 440.0, "F": 300.0, "T": 150.0, "L": 200.0}[code] * (1.1 if take == "a" else 1.0)
            time = np.arange(16_000) / 16_000
            soundfile.write(folder / f"{voice}a01{code}{take}.wav", 0.3 * np.sin(2 * np.pi * pitch * time), 16_000)
    return folder


def test_any_corpus_is_recognised_and_retrained(small_german, cache_folder, tmp_path):
    fit = FitConfig(epochs=2, members=1, inner_groups=2)
    config = EvaluateConfig(small_german, retrain=True, fit=fit, cache=cache_folder, plots=tmp_path)
    figures = evaluate.main(config).as_json()
    assert (figures["data"], figures["n"], figures["labels"]) == ("emodb", 18, ["happy", "sad", "angry"])
    assert np.sum(figures["confusion"]) == 18 and 0.0 <= figures["ua_random_split"] <= 1.0
    assert figures["protocol"].startswith("speaker-independent: 3 folds") and len(list(tmp_path.iterdir())) == 3
    leaky = evaluate.main(replace(config, protocol="random", plots=None)).as_json()
    assert leaky["ua"]["mean"] == leaky["ua_random_split"] == figures["ua_random_split"]
    folds = tmp_path / "folds.json"
    folds.write_text('{"test_actors": [[1, 2], [3, 4]]}')
    for entries in ({"folds": folds}, {"protocol": "text-independent"}):
        with pytest.raises(CommandError, match="for RAVDESS"):
            evaluate.main(replace(config, **entries))


def test_any_corpus_is_judged_by_the_weights_as_they_are(small_german, capsys):
    result = evaluate.main(EvaluateConfig(small_german))
    figures = result.as_json()
    assert figures["n"] == 18 and figures["protocol"].startswith("cross-corpus: nothing learned")
    assert (
        figures["ua_neutral_4"] == figures["ua"]["mean"] and figures["ua_history_16"] is None
    )  # none neutral, 6 of each voice
    assert evaluate.report(result) == 0 and "- with history 16" in " ".join(capsys.readouterr().err.split())


def test_two_voices_leave_the_temperature_at_one():
    data = toy(actors=2)
    heard = evaluate.held_out(data, evaluate.dealt(data.actors), QUICK, 0)
    second = data.actors == 2
    alone = judge_clips(fit_ensemble(data.table, data.targets, second, QUICK, 0), data.table, ~second)
    assert (
        np.allclose(heard.probabilities[:24], softmax(alone.logits, axis=-1))
        and heard.people.tolist() == [1] * 24 + [2] * 24
    )


def test_evaluate_is_deterministic(small_ravdess, cache_folder):
    config = _small(small_ravdess, cache_folder)
    assert evaluate.main(config).as_json() == evaluate.main(config).as_json()


def test_folds_that_do_not_fit_the_data(small_ravdess, cache_folder, tmp_path):
    folds = tmp_path / "folds.json"
    folds.write_text('{"test_actors": [[1, 2], [3, 24]]}')
    with pytest.raises(DatasetError, match=r"actors \[24\]"):
        evaluate.main(EvaluateConfig(data=small_ravdess, folds=folds, cache=cache_folder))


def test_trained_weights_load_and_answer_as_reported(small_ravdess, cache_folder, tmp_path):
    base = _small(small_ravdess, cache_folder)
    out = tmp_path / "weights"
    config = TrainConfig(data=base.data, folds=base.folds, fit=base.fit, cache=base.cache, out=out)
    result = train.main(config)
    assert result.held_out == (1, 2) and result.metrics is not None and result.metrics.n == 8
    model = SpeechEmotionModel.load(out)
    assert model.head.config.temperature == result.head.config.temperature
    assert all(torch.equal(a, b) for a, b in zip(model.head.parameters(), result.head.parameters(), strict=True))
    card = (out / "CARD.md").read_text()
    assert "CC BY-NC-SA 4.0" in card and "actors 1, 2 were never used" in card
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "config.json", "CARD.md"}
    assert result.acted is not None and 0.0 <= result.acted.share <= 1.0
    assert "acts on an estimate from 0.38 on" in card and "training actors of fold 0" in card
    before = (out / "model.safetensors").read_bytes()
    shutil.rmtree(out)
    train.main(config)
    assert (out / "model.safetensors").read_bytes() == before
