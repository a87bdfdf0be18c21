"""How sure a measured share is."""

from __future__ import annotations

from math import sqrt


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share, `hits` out of `n` (Wilson 1927); honest near 0 and 1, where the normal one is not."""
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, round(middle - half, 4)), min(1.0, round(middle + half, 4))
