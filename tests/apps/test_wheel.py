from __future__ import annotations

from apps.gui.wheel import HELD_S, Wheel


def test_one_drives_at_a_time_until_they_let_go_or_fall_silent():
    now = 0.0
    wheel, first, second = Wheel(lambda: now), object(), object()
    assert wheel.take(first)
    assert not wheel.take(second)
    wheel.let_go(second)
    assert not wheel.take(second), "only who holds it lets it go"
    wheel.let_go(first)
    assert wheel.take(second)
    now = HELD_S / 2
    assert wheel.take(second)
    now = HELD_S
    assert not wheel.take(first), "every word holds it longer"
    now = 2 * HELD_S
    assert wheel.take(first)
