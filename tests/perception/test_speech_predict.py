import csv
import json
import tracemalloc
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
import soundfile as sf

from cli.main import cli
from perception.emotion import LABELS
from perception.speech import predict
from perception.speech.audio import SoundError
from perception.speech.model import Judgement
from perception.speech.predict import COLUMNS, PredictConfig
from perception.speech.speaker import Speaker
from perception.speech.stream import SpeechStream
from perception.speech.windows import WindowConfig
from tests.conftest import PATIENCE_S
from tests.processes import run, started

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "assets" / "samples" / "hello.wav"


def syllables(seconds: float, rate: int = 16_000) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return (0.2 * np.sin(2 * np.pi * 180 * t) * np.clip(np.sin(2 * np.pi * 2 * t), 0, None)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good recording, one of silence, one that is a text file, and something that is no sound at all."""
    (tmp_path / "sub").mkdir()
    sf.write(tmp_path / "sub" / "good.wav", syllables(4.0, 44_100), 44_100)
    sf.write(tmp_path / "quiet.flac", np.zeros(16_000), 16_000)
    (tmp_path / "bad.wav").write_text("not a sound")
    (tmp_path / "notes.txt").write_text("left alone")
    return tmp_path


def test_folder_with_a_bad_file_goes_on(folder, tmp_path, capsys):
    out, listing = tmp_path / "out" / "rows.csv", tmp_path / "out" / "rows.json"
    result = predict.main(PredictConfig((folder,), csv=out, json=listing, least_speech=0.0))
    assert (result.files, [path.name for path, _ in result.silent]) == (3, ["quiet.flac"])
    assert [failure.file.name for failure in result.failures] == ["bad.wav"]
    assert predict.report(result) == 2
    assert "bad.wav" in capsys.readouterr().err
    rows = list(csv.DictReader(out.open()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == result.rows == len(json.loads(listing.read_text())["rows"])
    ends = [float(row["end_s"]) for row in rows]
    assert np.allclose(np.diff(ends), 0.5) and ends[-1] <= 4.0
    for row in rows:
        p = np.array([float(row[f"p_{name}"]) for name in LABELS])
        assert p.sum() == pytest.approx(1.0, abs=1e-3)
        assert row["label"] == LABELS[int(p.argmax())]
        assert float(row["start_s"]) == pytest.approx(max(0.0, float(row["end_s"]) - 3.0))
    assert json.loads(listing.read_text())["rows"][0]["label"] == rows[0]["label"]


def test_nothing_to_judge(tmp_path):
    with pytest.raises(SoundError, match="holds no sound files"):
        predict.main(PredictConfig((tmp_path,)))
    result = predict.main(PredictConfig((tmp_path / "nowhere.wav",), json=tmp_path / "o.json"))
    assert "missing" in result.failures[0].reason
    assert json.loads((tmp_path / "o.json").read_text()) == {"rows": []}


def test_an_interrupted_run_leaves_no_half_table(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", syllables(2.0), 16_000)
    monkeypatch.setattr(predict, "to_row", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        predict.main(PredictConfig((tmp_path / "a.wav",), csv=tmp_path / "rows.csv", least_speech=0.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


class Flat:
    """Stands for the network."""

    def judge(self, samples: np.ndarray, speaker: Speaker | None = None) -> Judgement:
        return Judgement(np.zeros(8), 1.0, np.zeros(6))


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for minutes in (1, 6):
        path = tmp_path / f"{minutes}.flac"
        sf.write(path, np.tile(syllables(10.0, 8_000), 6 * minutes), 8_000)
        stream = SpeechStream(Flat(), config=WindowConfig(hop_s=0.5))
        tracemalloc.start()
        count = sum(1 for _ in predict.estimates(path, stream))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count >= 115 * minutes
    assert peaks[1] < 1.3 * peaks[0] + 1e6


@pytest.mark.parametrize("command", ["train speech", "evaluate speech", "predict speech", "export speech-encoder"])
def test_help_teaches(command, capsys):
    assert cli([*command.split(), "--help"]) == 0
    assert len(capsys.readouterr().out) > 300


def test_command_line_end_to_end():
    command = ["python", "-m", "cli.main", "predict", "speech", str(SAMPLE), "--json", "-"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"][0]["file"].endswith(SAMPLE.name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "speech", "--data", "/nowhere", "--folds", "/nowhere.json"], "nowhere.json is missing"),
        (["predict", "speech", "/nowhere/a.wav", "--weights", "/nowhere"], "config.json is missing"),
        (["predict", "speech", "/nowhere/a.wav", "--csv", "/proc/x.csv"], "nothing can be written in /proc"),
        (["predict", "speech", "/nowhere/a.wav", "--csv", "/dev/null"], "no regular file"),
        (["predict", "speech", "/nowhere/a.wav", "--csv", "-", "--json", "-"], "a place of its own"),
        (["predict", "speech", "/nowhere/a.wav", "--csv", "/nowhere/b/../a.wav"], "would be overwritten"),
        (["predict", "speech", "/nowhere/a.wav", "--threads", "0"], "threads is 0"),
        (["evaluate", "speech", "--data", "/nowhere", "--folds", "/nowhere.json", "--threads", "-1"], "threads is -1"),
        (["train", "speech", "--data", "/nowhere", "--folds", "/nowhere.json", "--seed", "-1"], "seed is -1"),
        (
            ["evaluate", "speech", "--data", "/nowhere", "--folds", "/nowhere.json", "--json", "/proc/x/y.json"],
            "/proc/x",
        ),
        (["train", "speech", "--data", "/nowhere", "--folds", "/nowhere.json", "--out", "/proc/x"], "/proc/x"),
        (["export", "speech-encoder", "--source", "/nope"], "/nope is missing"),
        (["export", "speech-encoder", "--source", "/nope", "--layers", "9"], "layers is 9"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys):
    assert cli(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "setting",
    [
        ("--windows.activity.memory-s", "nan"),
        ("--windows.activity.memory-s", "inf"),
        ("--windows.activity.hangover-s", "-1"),
        ("--windows.activity.absolute-floor-db", "nan"),
        ("--windows.activity.above-noise-db", "inf"),
        ("--windows.hop-s", "nan"),
    ],
)
def test_numbers_out_of_range_are_refused_with_the_range(setting, capsys):
    assert cli(["predict", "speech", "/nowhere/a.wav", *setting]) == 2
    assert "allowed are" in capsys.readouterr().err


def test_fold_and_cache_are_checked_before_the_encoding(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("learning.speech.clips.list_ravdess", lambda _: pytest.fail("the work began"))
    folds = tmp_path / "folds.json"
    folds.write_text('{"test_actors": [[1, 2], [3, 4]]}')
    base = ["--data", str(tmp_path), "--folds", str(folds)]
    assert cli(["train", "speech", *base, "--out", str(tmp_path / "w"), "--held-out-fold", "7"]) == 2
    assert "folds 0 to 1" in capsys.readouterr().err
    assert cli(["evaluate", "speech", *base, "--cache", "/proc/x"]) == 2
    assert "nothing can be written in /proc/x" in capsys.readouterr().err


def test_outputs_are_opened_before_the_weights_and_leave_no_draft(tmp_path, capsys):
    out = tmp_path / "rows.csv"
    out.write_text("kept")
    assert cli(["predict", "speech", str(tmp_path / "a.wav"), "--csv", str(out), "--weights", "/nowhere"]) == 2
    assert "config.json is missing" in capsys.readouterr().err
    assert out.read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    predict.main(PredictConfig((tmp_path / "nowhere.wav",), json=tmp_path / "link.json"))
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == {"rows": []}


def test_a_reader_that_leaves_early():
    command = ["python", "-m", "cli.main", "predict", "speech", str(SAMPLE)]
    with started(*command, stdout=PIPE, stderr=PIPE) as early:
        early.stdout.close()
        err = early.stderr.read()
        assert early.wait(PATIENCE_S) == 2
    assert err.startswith("error: ") and "closed" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("first\n  second"), "first second"),
        (OSError(28, "No space left on device", "/a/b"), "/a/b: No space left on device"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_of_libraries_are_one_line(error, said, monkeypatch, capsys):
    monkeypatch.setattr(predict, "main", lambda _: (_ for _ in ()).throw(error))
    assert cli(["predict", "speech", "a.wav"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and err.count("\n") == 1


def test_content_decides_and_each_file_gets_a_verdict(tmp_path, capsys):
    for name in ("sample.wav", "sample", "sample.dat"):
        (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    (tmp_path / "notes.txt").write_text("left alone")
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    assert cli(["predict", "speech", str(tmp_path), str(SAMPLE), str(tmp_path / "gone.wav")]) == 2
    out, err = capsys.readouterr()
    assert sorted(Path(line.split()[-1]).name for line in out.splitlines()) == [
        SAMPLE.name, "sample", "sample.dat", "sample.wav",
    ]  # fmt: skip
    assert len({tuple(line.split()[:-1]) for line in out.splitlines()}) == 1
    assert "1 .txt" in err and "gone.wav is missing" in err and "broken.wav cannot be read as sound" in err


def test_why_a_file_is_silent_is_told(tmp_path, capsys):
    sf.write(tmp_path / "quiet.wav", np.zeros(16_000), 16_000)
    sf.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000)
    assert cli(["predict", "speech", str(tmp_path)]) == 0
    err = capsys.readouterr().err
    assert "quiet.wav (less than 0.6 s of voice" in err and "noise.wav (what is loud in it is no speech" in err
