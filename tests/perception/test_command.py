from __future__ import annotations

import pytest

from perception import command
from robots import options


def test_seeds_have_one_limit():
    assert command.MOST_SEED == options.MOST_SEED
    command.check_run(1, command.MOST_SEED)
    options.SeedOption(seed=command.MOST_SEED).check_seed()
    for seed in (-1, command.MOST_SEED + 1):
        with pytest.raises(command.CommandError, match=f"{seed}; allowed are 0 to 2147483647"):
            command.check_run(1, seed)
        with pytest.raises(ValueError, match=f"{seed} came; allowed are 0 to 2147483647"):
            options.SeedOption(seed=seed).check_seed()
