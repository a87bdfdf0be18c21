from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from envs.companion.noises import noise
from envs.companion.scenario import SoundKind


@pytest.mark.parametrize("kind", get_args(SoundKind))
def test_every_noise_has_its_length_and_is_neither_silent_nor_clipped(kind):
    made = noise(kind, 1.5, np.random.default_rng(0))
    assert made.shape == (24_000,)
    assert np.isfinite(made).all() and 0.02 < np.abs(made).max() < 1.0
    assert np.array_equal(made, noise(kind, 1.5, np.random.default_rng(0)))


def test_a_hum_is_low_and_a_hiss_is_everywhere():
    def middle(kind: SoundKind) -> float:
        power = np.abs(np.fft.rfft(noise(kind, 1.0, np.random.default_rng(0)))) ** 2
        return float((power * np.arange(len(power))).sum() / power.sum())

    assert middle("hum") < 200 < 2000 < middle("noise")
