import csv
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from perception.emotion import LABELS
from perception.speech import predict
from perception.speech.__main__ import cli
from perception.speech.audio import SoundError
from perception.speech.predict import COLUMNS, PredictConfig
from perception.speech.stream import SpeechStream
from perception.speech.windows import WindowConfig

ROOT = Path(__file__).resolve().parents[2]


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
    result = predict.main(PredictConfig(folder, csv=out, json=listing))
    assert (result.files, [path.name for path in result.silent]) == (3, ["quiet.flac"])
    assert [failure.file.name for failure in result.failures] == ["bad.wav"]
    assert predict.report(result) == 1
    assert "bad.wav" in capsys.readouterr().err
    rows = list(csv.DictReader(out.open()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == result.rows == len(json.loads(listing.read_text()))
    ends = [float(row["end_s"]) for row in rows]
    assert np.allclose(np.diff(ends), 0.5) and ends[-1] <= 4.0
    for row in rows:
        p = np.array([float(row[f"p_{name}"]) for name in LABELS])
        assert p.sum() == pytest.approx(1.0, abs=1e-3)
        assert row["label"] == LABELS[int(p.argmax())]
        assert float(row["start_s"]) == pytest.approx(max(0.0, float(row["end_s"]) - 3.0))
    assert json.loads(listing.read_text())[0]["label"] == rows[0]["label"]


def test_nothing_to_judge(tmp_path):
    with pytest.raises(SoundError, match="holds no sound files"):
        predict.main(PredictConfig(tmp_path))
    result = predict.main(PredictConfig(tmp_path / "nowhere.wav", json=tmp_path / "o.json"))
    assert "missing" in result.failures[0].reason
    assert json.loads((tmp_path / "o.json").read_text()) == []


def test_an_interrupted_run_leaves_no_half_table(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", syllables(2.0), 16_000)
    monkeypatch.setattr(predict, "to_row", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        predict.main(PredictConfig(tmp_path / "a.wav", csv=tmp_path / "rows.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


class Flat:
    """Stands for the network."""

    def logits(self, samples: np.ndarray) -> np.ndarray:
        return np.zeros(8)


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


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "convert"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli([command, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 300


def test_command_line_end_to_end(folder):
    command = [sys.executable, "-m", "perception.speech", "predict", str(folder / "sub" / "good.wav"), "--json", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["file"].endswith("good.wav")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--data", "/nowhere", "--folds", "/nowhere.json"], "nowhere.json is missing"),
        (["predict", "/nowhere/a.wav", "--weights", "/nowhere"], "config.json is missing"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys):
    assert cli(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and err.count("\n") == 1
