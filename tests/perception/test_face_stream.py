import csv
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.media_files import write_video
from cli.main import cli
from perception.emotion import LABELS
from perception.face import predict
from perception.face.detector import FaceDetector
from perception.face.model import FaceEmotionModel
from perception.face.network import FaceNetwork, NetworkConfig
from perception.face.pictures import PictureError
from perception.face.predict import COLUMNS, PredictConfig
from perception.face.stream import FaceStream, StreamConfig, is_turned
from perception.face.videos import Frame
from tests.faces import ScriptedDetector, ScriptedModel, drawn_face, fake_weights
from tests.processes import run

ROOT = Path(__file__).resolve().parents[2]
NOISE = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)


def soft(sigma: float) -> np.ndarray:
    """Noise blurred, at full contrast again."""
    blurred = cv2.GaussianBlur(NOISE.astype(np.float32), (0, 0), sigma)
    return np.clip(128 + (blurred - blurred.mean()) * 50 / blurred.std(), 0, 255).astype(np.uint8)


BOX = (100.0, 60.0, 80.0, 100.0)
SMALLER = (20.0, 20.0, 60.0, 70.0)


def stream(script, labels=("happy",), **settings) -> FaceStream:
    return FaceStream(ScriptedModel(list(labels)), ScriptedDetector(script), StreamConfig(**settings))


def test_a_clear_face_gives_an_estimate():
    reading = stream([[BOX]]).push(NOISE, 1.5)
    assert reading.estimate.label == "happy" and reading.reason == "" and reading.reliability == 1.0
    assert (reading.estimate.time_s, reading.estimate.source, reading.person, reading.faces) == (1.5, "face", 1, 1)
    assert reading.estimate.probabilities[LABELS.index("calm")] == 0


@pytest.mark.parametrize(
    ("box", "picture", "reason"),
    [
        ((0.0, 0.0, 14.0, 16.0), NOISE, "too small"),
        (BOX, np.full_like(NOISE, 120), "blurred"),
        (BOX, soft(14.0), "blurred"),
        (None, NOISE, "no face"),
    ],
)
def test_unsure_has_a_reason_and_asks_no_network(box, picture, reason):
    it = stream([[] if box is None else [box]])
    reading = it.push(picture, 0.0)
    assert reading.estimate is None and reading.reason == reason and reading.reliability == 0.0
    assert it._model.asked == 0


def test_small_or_soft_faces_lower_the_confidence():
    sure = stream([[BOX]]).push(NOISE, 0.0)
    small = stream([[(100.0, 60.0, 20.0, 25.0)]]).push(NOISE, 0.0)
    blurred = stream([[BOX]]).push(soft(7.0), 0.0)
    for reading in (small, blurred):
        assert reading.estimate.label == "happy" and 0 < reading.reliability < 1
        assert 1 / 7 < reading.estimate.confidence < sure.estimate.confidence


def test_smoothing_follows_time_not_frames():
    def after(rate: int) -> float:
        it = stream([[BOX]], ["happy"] + ["sad"] * 1000, smoothing_s=0.5)
        return [it.push(NOISE, i / rate) for i in range(rate // 2 + 1)][-1].estimate.probabilities[3]

    assert after(10) == pytest.approx(after(50), abs=0.05)
    each = stream([[BOX]], ["happy", "sad"], smoothing_s=0.0)
    assert [each.push(NOISE, t).estimate.label for t in (0.0, 0.04)] == ["happy", "sad"]
    calm = stream([[BOX]], ["happy"] * 20 + ["sad"] + ["happy"] * 5, smoothing_s=0.5)
    assert {calm.push(NOISE, i / 25).estimate.label for i in range(26)} == {"happy"}


def test_the_followed_person_is_kept_until_lost_or_outgrown():
    nearer = (200.0, 40.0, 75.0, 95.0)  # a little smaller, then a little larger than the followed one
    it = stream([[BOX], [BOX, nearer], [(105.0, 60.0, 70.0, 90.0), nearer], [], [SMALLER], [SMALLER]], lost_s=1.0)
    persons = [it.push(NOISE, t).person for t in (0.0, 0.1, 0.2)]
    assert persons == [1, 1, 1]  # kept although the other is larger by now
    assert it.push(NOISE, 0.3).reason == "no face"
    gone = it.push(NOISE, 0.6)
    assert gone.reason == "no face" and gone.faces == 1  # a smaller one takes no place so soon
    assert it.push(NOISE, 1.6).person == 2
    big = stream([[SMALLER], [SMALLER, (100.0, 40.0, 160.0, 190.0)]])
    assert [big.push(NOISE, t).person for t in (0.0, 0.1)] == [1, 2]


def test_another_person_begins_without_the_past():
    it = stream([[BOX], [(220.0, 20.0, 95.0, 120.0)]], ["happy", "sad"], smoothing_s=10.0)
    assert it.push(NOISE, 0.0).estimate.label == "happy"
    assert it.push(NOISE, 0.04).estimate.label == "sad"
    again = stream([[BOX]], ["happy", "sad"], smoothing_s=10.0)
    again.push(NOISE, 5.0)
    again.reset()
    reading = again.push(NOISE, 0.0)
    assert reading.estimate.label == "sad" and reading.person == 1


def test_turned_heads():
    frontal = np.array([[10.0, 20], [30, 20], [20, 30], [12, 40], [28, 40]])
    assert not is_turned(frontal)
    profile = frontal.copy()
    profile[2] = [35, 30]
    assert is_turned(profile)
    turned = np.radians(40)
    roll = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    assert not is_turned(frontal @ roll.T) and is_turned(profile @ roll.T)
    assert is_turned(np.zeros((5, 2)))


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), 0.9])
def test_times_that_make_no_sense(time_s):
    it = stream([[BOX]])
    it.push(NOISE, 1.0)
    with pytest.raises(ValueError, match=r"in order.*reset"):
        it.push(NOISE, time_s)
    it.push(NOISE, 1.0)


@pytest.mark.parametrize(
    "picture", [np.full((40, 40, 3), np.nan), np.zeros((3, 40, 40)), np.zeros((40, 40, 3), complex), np.zeros(0)]
)
def test_hostile_frames_raise_and_the_stream_goes_on(picture):
    it = FaceStream(ScriptedModel(["happy"]), FaceDetector())
    with pytest.raises(PictureError):
        it.push(picture, 0.0)
    assert it.push(np.zeros((1, 1, 3), np.uint8), 0.1).reason == "no face"
    assert it.push(drawn_face(320, 240), 0.2).estimate is not None


@pytest.mark.parametrize(
    "entry",
    [{"smoothing_s": -1.0}, {"smoothing_s": float("nan")}, {"switch_ratio": 0.5}, {"least_width_px": 40.0},
     {"least_sharpness": 0.0}, {"lost_s": float("inf")}],
)  # fmt: skip
def test_wrong_settings(entry):
    with pytest.raises(ValueError, match=r"allowed are|each least must"):
        StreamConfig(**entry)


def test_thousands_of_frames_take_no_more_memory():
    it = stream([[BOX]])
    frames = (Frame(NOISE[:160, :200], number, number / 25) for number in range(800))
    tracemalloc.start()
    for number, reading in enumerate(it.run(frames)):
        assert reading.estimate is not None
        if number == 100:
            early = tracemalloc.get_traced_memory()[0]
    assert tracemalloc.get_traced_memory()[0] < early + 50_000
    tracemalloc.stop()


def test_a_frame_with_a_face_costs_one_small_network():
    """25 frames a second on one core are 18 GFLOPS; what a frame takes, `benchmarks/costs.py` measures."""
    it = FaceStream(FaceEmotionModel(FaceNetwork(NetworkConfig())), FaceDetector())
    picture = drawn_face(320, 240)
    for number in range(3):
        with FlopCounterMode(display=False) as counter:
            assert it.push(picture, number / 25).estimate is not None
        assert 0 < counter.get_total_flops() < 0.7e9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture, a grey one without a face, a video, an animated GIF, one that is text, one that is left alone."""
    face = drawn_face(160, 120)
    cv2.imwrite(str(tmp_path / "a.png"), face)
    cv2.imwrite(str(tmp_path / "b.jpg"), np.full((80, 80), 100, np.uint8))
    (tmp_path / "sub").mkdir()
    write_video(tmp_path / "sub" / "c.mp4", [face] * 5 + [np.full_like(face, 90)] * 3)
    write_video(tmp_path / "d.gif", [face] * 2, codec="gif")
    (tmp_path / "e.png").write_text("text")
    (tmp_path / "notes.txt").write_text("left alone")
    return tmp_path


def test_predict_writes_a_row_for_each_frame(folder, tmp_path_factory, capsys):
    weights = fake_weights(tmp_path_factory.mktemp("w"))
    out = folder.parent / "rows.csv"
    result = predict.main(PredictConfig((folder,), out, weights=weights))
    assert (result.files, result.rows) == (5, 1 + 1 + 8 + 2) and result.judged >= 6
    assert [failure.file.name for failure in result.failures] == ["e.png"]
    assert predict.report(result) == 2
    assert "e.png" in capsys.readouterr().err
    rows = list(csv.DictReader(out.open()))
    assert tuple(rows[0]) == COLUMNS and len(rows) == result.rows
    video = [row for row in rows if row["file"].endswith("c.mp4")]
    assert [row["frame"] for row in video] == [str(i) for i in range(8)]
    assert [row["reason"] for row in video[-2:]] == ["no face", "no face"] and video[-1]["label"] == ""
    judged = next(row for row in rows if row["file"].endswith("a.png"))
    p = np.array([float(judged[f"p_{name}"]) for name in LABELS])
    assert p.sum() == pytest.approx(1.0, abs=1e-3) and judged["label"] == LABELS[int(p.argmax())]
    assert float(judged["width"]) > 30 and judged["p_calm"] == "0.0"
    every = predict.main(PredictConfig((folder / "sub" / "c.mp4",), out, every=3, weights=weights))
    assert every.rows == 3


def test_an_interrupted_run_leaves_no_half_table(folder, tmp_path_factory, monkeypatch):
    weights, out = fake_weights(tmp_path_factory.mktemp("w")), tmp_path_factory.mktemp("o") / "rows.csv"
    monkeypatch.setattr(predict, "to_row", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        predict.main(PredictConfig((folder / "a.png",), out, weights=weights))
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_help_teaches(command, capsys):
    assert cli([command, "face", "--help"]) == 0
    assert len(capsys.readouterr().out) > 500


def test_command_line_end_to_end(folder, tmp_path_factory):
    weights = fake_weights(tmp_path_factory.mktemp("w"))
    command = ["python", "-m", "cli.main", "predict", "face", str(folder / "a.png"), "--csv", "-"]
    command += ["--weights", str(weights)]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert next(iter(csv.DictReader(done.stdout.splitlines())))["file"].endswith("a.png")
    assert done.stderr.count("\n") == 1  # OpenCV says nothing of its own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "face", "/nowhere/a.png", "--weights", "/nowhere"], "config.json is missing"),
        (["predict", "face", "/nowhere/a.png", "--csv", "/proc/x.csv"], "nothing can be written in /proc"),
        (["predict", "face", "/nowhere/a.png", "--csv", "/nowhere/b/../a.png"], "would be overwritten"),
        (["predict", "face", "/nowhere/a.png", "--threads", "0"], "threads is 0"),
        (["train", "face", "--data", "/nowhere.csv", "--run", "/proc/x"], "/proc/x"),
        (["train", "face", "--data", "/nowhere.csv", "--seed", "-1"], "seed is -1"),
        (["evaluate", "face", "--data", "/nowhere", "--weights", "/nowhere"], "config.json is missing"),
        (["evaluate", "face", "--data", "/nowhere", "--json", "/proc/x/y.json"], "/proc/x"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys):
    assert cli(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "setting", [("--every", "0"), ("--stream.smoothing-s", "nan"), ("--stream.least-width-px", "-3")]
)
def test_numbers_out_of_range_are_refused(setting, capsys):
    assert cli(["predict", "face", "/nowhere/a.png", *setting]) == 2
    assert "allowed" in capsys.readouterr().err or setting[0] == "--stream.least-width-px"


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(PictureError, match="holds no pictures or videos"):
        predict.main(PredictConfig((tmp_path,)))


def test_content_decides_and_each_file_gets_a_verdict(tmp_path, tmp_path_factory, capsys):
    weights = fake_weights(tmp_path_factory.mktemp("w"))
    film = write_video(tmp_path / "film.mp4", [drawn_face(240, 320)] * 3)
    for name in ("film.3gp", "FILM.MTS", "film", "film.jpg"):
        (tmp_path / name).write_bytes(film.read_bytes())
    (tmp_path / "still.dat").write_bytes(cv2.imencode(".jpg", drawn_face(240, 320))[1].tobytes())
    (tmp_path / "wall.png").write_bytes(cv2.imencode(".png", np.full((99, 99, 3), 90, np.uint8))[1].tobytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("left alone")
    said = ["predict", "face", str(tmp_path), str(tmp_path / "gone.png"), "--weights", str(weights)]
    assert cli(said) == 2
    out, err = capsys.readouterr()
    assert sorted(line.split()[-1].rsplit("/", 1)[1] for line in out.splitlines()) == [
        "FILM.MTS", "film", "film.3gp", "film.jpg", "film.mp4", "still.dat",
    ]  # fmt: skip
    assert "3/3" in out and "1 .txt" in err and "wall.png" in err
    assert "gone.png is missing" in err and "broken.png cannot be read as a picture" in err
