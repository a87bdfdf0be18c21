import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from perception.speech.encoder import DEFAULT_FOLDER, SpeechEncoder, sinusoids
from perception.weights import WeightsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return SpeechEncoder.load()


def test_stored_mel_bank_is_librosa_slaney(encoder):
    librosa = pytest.importorskip("librosa")
    bank = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80)
    # fp16 keeps 11 bits.
    assert encoder.mel_bank.numpy() == pytest.approx(bank, abs=2e-5)


def test_log_mel_is_whispers(encoder):
    """The published recipe written out in numpy: reflected ends, periodic Hann, last frame dropped."""
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=8_000)).astype(np.float32)
    padded = np.pad(samples.astype(np.float64), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[i * 160 : i * 160 + 400] * window for i in range(50)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    log = np.log10(np.maximum(encoder.mel_bank.numpy() @ power.T, 1e-10))
    expected = (np.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    assert encoder.log_mel(samples).numpy() == pytest.approx(expected, abs=1e-4)


def test_positions_and_weights_are_the_published_ones(encoder, shared_data):
    from safetensors.torch import load_file

    published = load_file(shared_data / "weights" / "whisper_tiny_encoder_fp16.safetensors")
    assert torch.allclose(sinusoids(1500, 384), published["embed_positions.weight"].float(), atol=5e-4)
    for name, tensor in encoder.state_dict().items():
        if name != "mel_bank":
            assert torch.equal(tensor, published[name].float()), name


@pytest.mark.parametrize(("samples", "frames"), [(0, 15), (1, 15), (200, 15), (4_800, 15), (16_000, 50), (48_001, 150)])
def test_length_follows_the_sound(encoder, samples, frames):
    states = encoder.encode(np.zeros(samples, np.float32))
    assert states.shape == (3, frames, 384)
    assert states.isfinite().all()


def test_longest_sound(encoder):
    assert encoder.encode(np.zeros(480_000, np.float32)).shape == (3, 1500, 384)
    with pytest.raises(ValueError, match="at most 30 s"):
        encoder.encode(np.zeros(480_001, np.float32))


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 100)), np.zeros(100, np.int16), np.array([0.0, np.nan]), np.full(100, 3e4)]
)
def test_bad_samples(encoder, bad):
    with pytest.raises(ValueError, match=r"expected a float array|NaN|32768"):
        encoder.encode(bad)


def _copy(tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(DEFAULT_FOLDER, folder)
    return folder


def test_missing_folder(tmp_path):
    with pytest.raises(WeightsError, match="missing"):
        SpeechEncoder.load(tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["truncated", "pickle", "empty", "zeros"])
def test_damaged_weights(tmp_path, damage):
    folder = _copy(tmp_path)
    path = folder / "model.safetensors"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    elif damage == "pickle":
        torch.save({"conv1.weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(b"" if damage == "empty" else bytes(1_000))
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        SpeechEncoder.load(folder)


def test_weights_of_another_network_or_with_nan(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = _copy(tmp_path)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["conv1.bias"][3] = float("nan")
    save_file(tensors, path)
    with pytest.raises(WeightsError, match="SHA-256"):
        SpeechEncoder.load(folder)
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "sha256": None}))
    with pytest.raises(WeightsError, match="NaN"):
        SpeechEncoder.load(folder)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="another network"):
        SpeechEncoder.load(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"layers": 3}'])
def test_bad_config(tmp_path, text):
    folder = _copy(tmp_path)
    (folder / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=r"config\.json"):
        SpeechEncoder.load(folder)


def test_card_carries_the_licence():
    card = (DEFAULT_FOLDER / "CARD.md").read_text()
    assert "MIT License" in card and "Copyright (c) 2022 OpenAI" in card
    assert json.loads((DEFAULT_FOLDER / "config.json").read_text())["layers"] == 3


@pytest.mark.parametrize(
    "entries", [{"heads": 7}, {"d_model": 385}, {"d_model": 65_536}, {"layers": 65_536}, {"max_positions": 1}]
)
def test_sizes_that_no_encoder_has_are_refused_before_they_take_memory(tmp_path, entries):
    folder = tmp_path / "encoder"
    shutil.copytree(DEFAULT_FOLDER, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **entries}))
    with pytest.raises(WeightsError, match="allowed are at most"):
        SpeechEncoder.load(folder)
