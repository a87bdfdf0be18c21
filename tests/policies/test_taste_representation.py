from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from learning.similarity.encoders import DEEPSETS, LINEAR, Encoder, EncoderConfig
from policies.taste.representation import DEFAULT_FOLDER, Representation, RepresentationError

RNG = np.random.default_rng(0)
FLAT, WAYPOINTS = RNG.normal(2.0, 3.0, (20, 7)), RNG.normal(1.0, 2.0, (20, 5, 3))
SHAPES = [
    (LINEAR, FLAT),
    (EncoderConfig("mlp", "vector", (16, 8), 4), WAYPOINTS),
    (EncoderConfig("mlp", "vector", (16,), 4, "silu"), FLAT),
    (DEEPSETS, WAYPOINTS),
]


@pytest.mark.parametrize(("config", "inputs"), SHAPES, ids=["linear", "mlp", "silu", "deepsets"])
def test_it_runs_without_torch_as_it_was_learnt_and_survives_the_disk(config, inputs, tmp_path):
    encoder = Encoder(config, inputs, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = encoder(encoder.prepare(inputs)).numpy()
    found = encoder.representation({"answers": 3})
    np.testing.assert_allclose(found.embed(inputs), expected, atol=1e-4)
    assert found.dimensions == config.dimensions
    found.save(tmp_path)
    again = Representation.load(tmp_path)
    np.testing.assert_allclose(again.embed(inputs), expected, atol=1e-4)
    assert again.about == {"answers": 3}


def saved(folder):
    encoder = Encoder(LINEAR, FLAT, torch.Generator().manual_seed(0))
    encoder.representation().save(folder)
    return folder


def test_the_shipped_map_takes_the_dogs_descriptors():
    shipped = Representation.load()
    assert (shipped.kind, shipped.inputs, shipped.n_inputs, shipped.dimensions) == ("linear", "descriptors", 68, 6)
    assert "scripted" in shipped.about["teachers"]
    assert shipped.embed(np.zeros((2, 68))).shape == (2, 6)
    assert DEFAULT_FOLDER.name == "taste"


@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"kind": "forest"}, {"layers": 3}, {"layers": 0}, {"inputs": "pixels"}],
)
def test_a_changed_config_is_refused_and_its_folder_named(tmp_path, change):
    path = saved(tmp_path) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RepresentationError, match=re.escape(f"{tmp_path} holds no representation")):
        Representation.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_or_damaged_files_are_told(tmp_path, name):
    (saved(tmp_path) / name).write_bytes(b"\x00nonsense")
    with pytest.raises(RepresentationError, match="holds no representation"):
        Representation.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RepresentationError, match="holds no representation"):
        Representation.load(tmp_path)


def test_one_bit_of_damage_is_told(tmp_path):
    path = saved(tmp_path) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RepresentationError, match="SHA-256"):
        Representation.load(tmp_path)


def test_bad_numbers_are_refused():
    good = Encoder(LINEAR, FLAT, torch.Generator().manual_seed(0)).representation()
    for bad, said in (
        ({"scale": np.zeros(7)}, "above 0"),
        ({"mean": np.zeros(6)}, "expected"),
        ({"weights": (np.full((6, 7), np.nan),)}, "finite"),
        ({"biases": ()}, "biases came"),
        ({"biases": (np.zeros(2),)}, "follows"),
    ):
        with pytest.raises(RepresentationError, match=said):
            replace(good, **bad)
    with pytest.raises(RepresentationError, match="takes 7"):
        good.embed(np.zeros((3, 8)))
    with pytest.raises(RepresentationError, match="not finite"):
        good.embed(np.full((3, 7), np.inf))
