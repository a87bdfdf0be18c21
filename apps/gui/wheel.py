"""Who drives: of several visitors of a page one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

HELD_S = 2.0
"""Whoever said nothing for so long has let go."""


class Wheel:
    """Is held by the visitor who took it, until they let go or say nothing more. All calls come from one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._driver: object | None = None
        self._until_s = 0.0

    def take(self, visitor: object) -> bool:
        """Return whether a visitor may drive, and hold the wheel for them if so."""
        now = self._clock()
        if self._driver is not None and self._driver is not visitor and now < self._until_s:
            return False
        self._driver, self._until_s = visitor, now + HELD_S
        return True

    def let_go(self, visitor: object) -> None:
        """Leave the wheel to others; nothing happens where somebody else holds it."""
        if self._driver is visitor:
            self._driver = None
