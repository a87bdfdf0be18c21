"""How often one address may begin a session."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

from apps.study.errors import TooManyError

_MOST_ADDRESSES = 10_000


class RateLimit:
    """At most `most` in any `window_s` seconds from one address. Addresses are kept in memory, for that long, only."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, address: str) -> None:
        """Count one more.

        Raises:
            TooManyError: it is one too many.
        """
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(address, deque())
            self._times.move_to_end(address)
            while times and now - times[0] > self._window_s:
                times.popleft()
            while len(self._times) > _MOST_ADDRESSES:
                self._times.popitem(last=False)
            if len(times) >= self._most:
                raise TooManyError(f"more than {self._most} sessions began from your address: wait a minute")
            times.append(now)
