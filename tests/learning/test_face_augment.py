import pytest
import torch

from learning.face.augment import AugmentConfig, augment, mix
from tests.faces import crops


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmentation_is_bounded_repeatable_and_leaves_its_input_alone():
    x = torch.from_numpy(crops(32)[0]).float()[:, None] / 255.0
    before = x.clone()
    first = augment(x, AugmentConfig(), seeded(3))
    assert torch.equal(x, before) and first.shape == x.shape
    assert torch.isfinite(first).all() and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, augment(x, AugmentConfig(), seeded(3)))
    assert not torch.equal(first, augment(x, AugmentConfig(), seeded(4)))
    assert (first - x).abs().mean(dim=(1, 2, 3)).min() > 1e-3  # none is left as it was


def test_augmentation_switched_off_only_mirrors():
    x = torch.from_numpy(crops(8)[0]).float()[:, None] / 255.0
    none = AugmentConfig(0, 0, 0, 0, 0, 0, 0, 0)
    for got, was in zip(augment(x, none, seeded(0)), x, strict=True):
        assert min((got - was).abs().max(), (got - was.flip(-1)).abs().max()) < 1e-4


def test_mixup_mixes_targets_as_pictures():
    x, y = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 2, 2), torch.eye(4)
    mixed, targets = mix(x, y, torch.tensor(0.3), seeded(1))
    assert torch.allclose(mixed[:, 0, 0, 0], targets @ torch.arange(4.0))
    assert torch.allclose(targets.sum(1), torch.ones(4)) and not torch.equal(targets, y)
    assert torch.equal(mix(x, y, torch.tensor(1.0), seeded(1))[0], x)


def test_blur_spreads_some_pictures_and_keeps_the_others():
    x = torch.zeros(64, 1, 48, 48)
    x[:, :, 24, 24] = 1.0
    only = AugmentConfig(0, 0, 0, 0, 0.5, 0, 0, 0)
    peak = augment(x, only, seeded(0)).amax(dim=(1, 2, 3))
    share = (peak < 0.999).float().mean()
    assert 0.3 < share < 0.7 and peak.min() > 0.1


@pytest.mark.parametrize("entry", [{"light": -1}, {"noise": float("nan")}, {"cutout_share": 1.5}, {"mixup": 99}])
def test_wrong_augmentation(entry):
    with pytest.raises(ValueError, match="must be"):
        AugmentConfig(**entry)
