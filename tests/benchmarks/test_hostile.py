from __future__ import annotations

import pytest

from apps.gui.door import MOST_MEMBERS, MOST_STRANGERS
from benchmarks.hostile import Target, half_open, measure, strange_names
from benchmarks.serving import running_server


@pytest.fixture(scope="module")
def target():
    with running_server("--token") as server:
        yield Target.of(server)


@pytest.mark.parametrize("attack", [half_open, strange_names])
def test_under_attack_a_visitor_gets_poses_and_answers(target, attack):
    noticed = measure(target, attack, 1.0)
    assert noticed["alive"]
    assert noticed["poses_share"] > 0.0
    assert noticed["click_slowest_ms"] > 0.0
    assert noticed["files_open"] < MOST_MEMBERS + MOST_STRANGERS + 64
