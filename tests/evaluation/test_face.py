import json
from pathlib import Path

import numpy as np
import pytest

from evaluation.face import evaluate
from evaluation.face.evaluate import EvaluateConfig, settled, subject_groups
from evaluation.metrics import Predictions, accuracy_at_coverage, measure
from learning.face.augment import AugmentConfig
from learning.face.fitting import FitConfig
from perception.command import CommandError
from perception.face.model import CLASSES
from tests.datasets.test_faces import write_tree
from tests.faces import drawn_face, fake_weights

GENTLE = AugmentConfig(2.0, 0.02, 0.5, 0.1, 0.1, 0.01, 0.0, 0.0)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_tree(tmp_path / "tree", 4)
    return tmp_path / "tree"


def test_figures_of_known_judgements():
    truth = np.array([0, 0, 0, 1, 1, 2])
    said = np.array([0, 0, 1, 1, 1, 1])
    p = np.full((6, 7), 0.01)
    p[np.arange(6), said] = [0.94, 0.93, 0.5, 0.92, 0.91, 0.4]
    p /= p.sum(axis=1, keepdims=True)
    f = measure(Predictions(truth, p, np.full(6, "")), CLASSES, 0)
    assert f.wa.mean == pytest.approx(4 / 6) and f.ua.mean == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert f.wa.low <= f.wa.mean <= f.wa.high and f.ua.low <= f.ua.mean <= f.ua.high and f.wa_majority == 0.5
    assert np.array(f.confusion)[:3, :3].tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]
    # F1 of the three labels that occur: 4/5, 4/6, 0.
    assert f.f1_macro == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    curve = accuracy_at_coverage(truth, p)
    assert curve["1.0"] == pytest.approx(4 / 6) and curve["0.7"] == 1.0 and curve["0.1"] == 1.0
    with pytest.raises(ValueError, match="as many"):
        measure(Predictions(truth, p[:3], np.full(6, "")), CLASSES, 0)
    with pytest.raises(ValueError, match="at least one"):
        measure(Predictions(truth[:0], p[:0], np.full(0, "")), CLASSES, 0)


def test_interval_is_wider_where_pictures_belong_to_few_people():
    rng = np.random.default_rng(0)
    people = np.repeat([f"S{i}" for i in range(8)], 50)
    truth = np.zeros(400, int)
    p = np.full((400, 7), 0.05)
    lucky = np.repeat(rng.random(8) < 0.5, 50)
    p[np.arange(400), np.where(lucky, 0, 1)] = 0.7
    alone, together = (measure(Predictions(truth, p, who), CLASSES, 0) for who in (np.full(400, ""), people))
    assert together.wa.high - together.wa.low > 3 * (alone.wa.high - alone.wa.low)


def test_people_are_never_on_both_sides():
    subjects = np.repeat([f"S{i}" for i in range(11)], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
    groups = subject_groups(subjects, 4, 0)
    for person in set(subjects.tolist()):
        assert len(set(groups[subjects == person].tolist())) == 1
    assert set(groups.tolist()) == {0, 1, 2, 3}
    with pytest.raises(CommandError, match="12 folds of 11 people"):
        subject_groups(subjects, 12, 0)


KEYS = {"protocol", "data", "ua", "wa", "f1_macro", "ece", "accuracy_at_coverage", "confusion", "labels", "n",
        "ua_random_split"}  # fmt: skip


def test_evaluate_public_prints_only_json_on_stdout(tree, capsys):
    folder = fake_weights(tree.parent / "w")
    out = tree.parent / "plots"
    result = evaluate.main(EvaluateConfig(data=tree, weights=folder, json=Path("-"), plots=out, device="cpu"))
    assert evaluate.report(result) == 0
    got = json.loads(capsys.readouterr().out)
    assert set(got) >= KEYS and got["n"] == 28 and got["labels"] == list(CLASSES) and got["ua_random_split"] is None
    assert np.sum(got["confusion"]) == 28 and got["accuracy_at_coverage"]["1.0"] == got["wa"]["mean"]
    assert sorted(path.name for path in out.iterdir()) == ["confusion.png", "coverage.png", "reliability.png"]


def test_damaged_pictures_of_fer2013_are_counted_and_named(tree, capsys):
    damaged = tree / "PublicTest" / "happy" / "PublicTest_damaged.png"
    damaged.write_bytes(b"no picture")
    result = evaluate.main(EvaluateConfig(data=tree, protocol="public", weights=fake_weights(tree.parent / "w")))
    damaged.unlink()
    assert result.as_json()["left_out"] == 1 and result.metrics.n == 28
    assert evaluate.report(result) == 0
    assert "left out 1 (" in (said := capsys.readouterr().err) and str(damaged) in said


def test_evaluate_holds_people_out_and_shows_the_leak(tmp_path, capsys):
    import cv2

    codes = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")
    for person in ("KA", "KB", "KC"):
        for number, code in enumerate(codes):
            picture = drawn_face(120, 120, mouth=4 + 4 * number)
            cv2.imwrite(str(tmp_path / f"{person}.{code}1.{number}.tiff"), picture)
    fit = FitConfig(epochs=1, batch=7, augment=GENTLE)
    config = EvaluateConfig(
        tmp_path, "subjects", "jaffe", fake_weights(tmp_path / "w"), n_folds=3, fit=fit, json=tmp_path / "a.json",
        device="cpu",
    )  # fmt: skip
    result = evaluate.main(config)
    got = json.loads((tmp_path / "a.json").read_text())
    assert set(got) >= KEYS and got["n"] == 21 and 0 <= got["ua_random_split"] <= 1
    evaluate.report(result)
    assert "leaks people" in capsys.readouterr().err
    moved = evaluate.main(EvaluateConfig(tmp_path, "transfer", "jaffe", tmp_path / "w", device="cpu"))
    assert moved.metrics.n == 21 and moved.judged.ua_random_split is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"protocol": "private", "corpus": "jaffe"}, "leave out --corpus"),
        ({"protocol": "public", "labels": Path("labels.csv")}, "leave out --corpus and --labels"),
        ({"protocol": "private", "retrain": True}, "Leave out one of them"),
        ({"n_folds": 2}, "allowed are 3"),
    ],
)
def test_protocols_that_make_no_sense(entry, said):
    with pytest.raises(ValueError, match=said):
        EvaluateConfig(data=Path("x"), **entry)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"protocol": "transfer"}, "is FER2013"),
        ({"retrain": True}, "one official split"),
        ({"protocol": "subjects", "corpus": "rafdb"}, "does not tell who"),
        ({"retrain": True, "corpus": "affectnet"}, "does not tell who"),
    ],
)
def test_protocols_that_the_data_cannot_have(entry, said, tmp_path):
    write_tree(tmp_path)
    with pytest.raises(CommandError, match=said):
        settled(EvaluateConfig(data=tmp_path, **entry))


@pytest.mark.parametrize(
    ("name", "corpus"),
    [
        ("KA.AN1.39.tiff", "jaffe"),
        ("KA.AN1.39.jpg", "jaffe"),
        ("train/1/train_00001_aligned.jpg", "rafdb"),
        ("angry/x.png", "folders"),
        ("anger/S010_004_00000017.png", "ckplus"),
        ("Emotion/S005/001/S005_001_00000011_emotion.txt", "ckplus"),
        ("basic/EmoLabel/list_patition_label.txt", "rafdb"),
        ("val_set/annotations/1_exp.npy", "affectnet"),
        ("PublicTest/anger/1.jpg", None),
    ],
)
def test_the_corpus_is_recognised_and_its_protocol_follows(name, corpus, tmp_path):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    usual = settled(EvaluateConfig(data=tmp_path))
    assert (usual.corpus, usual.protocol) == (corpus, "public" if corpus is None else "transfer")
    if corpus in ("jaffe", "ckplus"):
        assert settled(EvaluateConfig(data=tmp_path, retrain=True)).protocol == "subjects"


def test_labels_of_ones_own_are_taken_and_what_was_left_out_is_told(tmp_path, capsys):
    import cv2

    from cli.main import cli

    weights = fake_weights(tmp_path / "w")
    faces = tmp_path / "faces"
    faces.mkdir()
    (faces / "broken.jpg").write_bytes(b"no picture")
    (faces / "labels.csv").write_text("file,emotion,person\na.jpg,happy,ann\nbroken.jpg,sad,ann\nmissing.jpg,sad,bob\n")
    given = ["evaluate", "face", "--data", str(faces), "--weights", str(weights), "--device", "cpu"]
    labels = ["--labels", str(faces / "labels.csv")]
    assert cli([*given, *labels]) == 2  # nothing can be used
    assert "broken.jpg" in capsys.readouterr().err
    cv2.imwrite(str(faces / "a.jpg"), drawn_face(120, 120))
    assert cli([*given, *labels, "--json", str(tmp_path / "out.json")]) == 0
    got, said = json.loads((tmp_path / "out.json").read_text()), capsys.readouterr().err
    assert (got["n"], got["left_out"], got["data"]) == (1, 2, "table")
    assert "broken.jpg" in said and "missing.jpg" in said
    assert cli(given) == 2  # without them the layout is unknown
    assert "--labels FILE" in capsys.readouterr().err
