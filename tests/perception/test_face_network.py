import json

import numpy as np
import pytest
import torch

from perception.emotion import LABELS
from perception.face import weights
from perception.face.model import CLASSES, FaceEmotionModel, to_labels
from perception.face.network import (
    MOST_PARAMETERS,
    FaceNetwork,
    GatedPositionalSelfAttention,
    NetworkConfig,
    logits_tta,
    net2net_deepen,
    standardise,
)
from perception.weights import WeightsError, count_parameters
from tests.faces import SMALL, crops, fake_weights


def fresh(config: NetworkConfig, seed: int = 0) -> FaceNetwork:
    network = FaceNetwork(config)
    network.initialise(torch.Generator().manual_seed(seed))
    return network.eval()


def test_sizes_of_network_and_ablation():
    attention, convolution = (FaceNetwork(NetworkConfig(mixer=mixer)) for mixer in ("gpsa", "conv"))
    assert count_parameters(attention) <= MOST_PARAMETERS
    assert abs(count_parameters(attention) - count_parameters(convolution)) < 0.005 * count_parameters(attention)
    own, other = (count_parameters(network.block.mixer) for network in (attention, convolution))
    assert abs(own - other) < 0.05 * own


@pytest.mark.parametrize("widths", [(8, 8, 18), (4, 8, 8, 18)])
@pytest.mark.parametrize("mixer", ["gpsa", "conv"])
def test_each_picture_is_judged_for_itself(mixer, widths):
    network = fresh(NetworkConfig(mixer, widths, (1, 0, 1, 0)[: len(widths)]))
    x = torch.rand(3, 1, 48, 48)
    with torch.inference_mode():
        assert network(x).shape == (3, len(CLASSES))
        assert torch.allclose(network(x)[1:2], network(x[1:2]), atol=1e-4)
        assert torch.allclose(network(3.0 * x + 20.0), network(x), atol=1e-3)  # exposure and contrast say nothing
        assert torch.isfinite(network(torch.zeros(1, 1, 48, 48))).all()


def test_a_grown_network_begins_where_the_small_one_was():
    small = fresh(NetworkConfig(widths=(8, 8, 18), blocks=(1, 0, 1)))
    for name, values in small.named_buffers():  # as after training: norms that do something
        if name.endswith("running_mean"):
            values.normal_(generator=torch.Generator().manual_seed(1))
    large = net2net_deepen(small, NetworkConfig(widths=(8, 8, 18), blocks=(2, 1, 1)))
    x = torch.rand(3, 1, 48, 48)
    assert count_parameters(large) > count_parameters(small)
    assert torch.equal(large(x), small(x))
    large.train()(x).square().sum().backward()
    assert all(block.second[1].weight.grad.abs().sum() > 0 for block in (large.features[4], large.features[7]))


@pytest.mark.parametrize("wanted", [{"blocks": (0, 0, 1)}, {"widths": (12, 8, 18)}, {"mixer": "conv"}])
def test_what_a_network_cannot_grow_to(wanted):
    small = fresh(NetworkConfig(widths=(8, 8, 18), blocks=(1, 0, 1)))
    with pytest.raises(ValueError, match="must be the same"):
        net2net_deepen(small, NetworkConfig(**{"widths": (8, 8, 18), "blocks": (1, 0, 1), **wanted}))


def test_an_answer_knows_no_left_or_right_and_is_not_one_look():
    network = fresh(NetworkConfig(widths=(8, 8, 18), blocks=(1, 0, 1)))
    x = torch.rand(3, 1, 48, 48)
    with torch.inference_mode():
        assert torch.allclose(logits_tta(network, x), logits_tta(network, x.flip(-1)), atol=1e-5)
        assert torch.allclose(logits_tta(network, x)[1:2], logits_tta(network, x[1:2]), atol=1e-5)
        assert not torch.allclose(logits_tta(network, x), network(x), atol=1e-3)


def test_one_colour_is_not_amplified_noise():
    flat = torch.full((1, 1, 48, 48), 128.0)
    assert standardise(flat).abs().max() == 0
    assert standardise(flat + torch.rand(1, 1, 48, 48)).abs().max() < 1.5


def test_attention_begins_as_a_convolution_and_its_gate_opens():
    attention = GatedPositionalSelfAttention(18, 9, 6)
    attention.begin_as_convolution(strength=8.0)
    tokens = torch.rand(1, 36, 18)
    with torch.inference_mode():
        attention.gate.fill_(20.0)  # by position only
        shares = attention.attention(tokens)[0]
        assert torch.allclose(shares.sum(-1), torch.ones(9, 36), atol=1e-5)
        middle = 2 * 6 + 3
        looked = [int(shares[head, middle].argmax()) for head in range(9)]
        assert sorted(looked) == sorted(middle + dy * 6 + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1))
        assert torch.equal(shares, attention.attention(torch.rand(1, 36, 18))[0])
        attention.gate.fill_(-20.0)  # by content only
        assert not torch.allclose(attention.attention(tokens), attention.attention(torch.rand(1, 36, 18)), atol=1e-4)


@pytest.mark.parametrize(
    "entry",
    [{"heads": 8}, {"heads": 0}, {"widths": (8, 8, 20)}, {"widths": (8, 8)}, {"widths": (4, 8, 8, 18)},
     {"blocks": (1, 1, -1)}, {"dropout": 1.0}, {"mixer": "lstm"}, {"widths": (8, 8, 9_000)}],
)  # fmt: skip
def test_wrong_shapes_of_the_network(entry):
    with pytest.raises(ValueError, match="must be"):
        NetworkConfig(**entry)


def test_wrong_shapes_of_crops():
    with pytest.raises(ValueError, match=r"\(2, 48, 48\) came"):
        fresh(SMALL)(torch.rand(2, 48, 48))
    model = FaceEmotionModel(fresh(SMALL))
    for wrong in (np.zeros((1, 47, 48), np.uint8), np.zeros((48, 48), np.uint8), np.zeros((1, 48, 48), str)):
        with pytest.raises(ValueError, match=r"expected grey \(B, 48, 48\)"):
            model.logits(wrong)
    with pytest.raises(ValueError, match="NaN"):
        model.logits(np.full((1, 48, 48), np.nan))


def test_model_gives_distributions_without_calm_and_treats_mirror_images_alike():
    model = FaceEmotionModel(fresh(SMALL), temperature=0.5)
    pictures, _ = crops(5)
    p = model.predict(pictures)
    assert p.shape == (5, len(LABELS)) and np.allclose(p.sum(axis=1), 1)
    assert (p[:, LABELS.index("calm")] == 0).all() and (np.delete(p, LABELS.index("calm"), axis=1) > 0).all()
    assert np.allclose(p, model.predict(pictures[:, :, ::-1]), atol=1e-6)
    assert np.allclose(model.logits(pictures) * 0.5, FaceEmotionModel(model.network).logits(pictures))
    assert model.logits(pictures[:0]).shape == (0, len(CLASSES))
    many = np.repeat(pictures, 120, axis=0)
    assert np.allclose(model.logits(many)[::120], model.logits(pictures), atol=1e-4)


def test_to_labels_keeps_the_order():
    assert [LABELS[int(row.argmax())] for row in to_labels(np.eye(7))] == list(CLASSES)
    with pytest.raises(ValueError, match="7"):
        to_labels(np.ones(8))


def test_weights_come_back_as_they_were_written(tmp_path):
    model = FaceEmotionModel.load(fake_weights(tmp_path))
    assert model.temperature == 1.5 and model.network.config == SMALL
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json", "CARD.md"}
    stored = weights.load(tmp_path)
    for name, tensor in fresh(SMALL).state_dict().items():
        assert torch.equal(tensor.half().float(), stored.network.state_dict()[name].float())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"temperature": 1.5', '"temperature": 0', "temperature"),
        ('"temperature": 1.5', '"temperature": true', "temperature"),
        ('"heads": 9', '"heads": 4', "no network of ours"),
        ('"heads": 9', '"heads": 9.0', "heads is 9.0"),
        ('"mixer": "gpsa"', '"mixer": "conv"', "another network"),
        ("neutral", "calm", "labels are"),
        ('"dropout"', '"drop"', "lacks"),
        ("{", "[", "no JSON"),
    ],
)
def test_damaged_configs(tmp_path, old, new, said):
    path = fake_weights(tmp_path) / "config.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(WeightsError, match=said):
        FaceEmotionModel.load(tmp_path)


def test_damaged_tensors(tmp_path):
    path = fake_weights(tmp_path) / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(WeightsError, match="cannot be read"):
        FaceEmotionModel.load(tmp_path)
    path.write_bytes(content[:-2] + b"\xff\xff")  # NaN in half precision
    with pytest.raises(WeightsError, match="SHA-256"):
        FaceEmotionModel.load(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "sha256": None}))
    with pytest.raises(WeightsError, match="NaN"):
        FaceEmotionModel.load(tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match=r"is missing.*empaw train face"):
        FaceEmotionModel.load(tmp_path)
