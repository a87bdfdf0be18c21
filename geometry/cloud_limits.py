"""Limits that all readers of clouds keep, and the checks that they share."""

from __future__ import annotations

import numpy as np

from geometry.clouds import FEWEST_POINTS, CloudError

MOST_POINTS = 2_000_000
"""Two pictures of a depth camera of 1280 x 720; the network looks at a few thousand points."""
MOST_BYTES = 256 << 20
HEAD = 1 << 16
"""Bytes within which a header must end."""


def check_rows(rows: int) -> int:
    """Check a number of points that a header claims.

    Raises:
        CloudError: it is negative or too large.
    """
    if not 0 <= rows <= MOST_POINTS:
        raise CloudError(f"it is said to hold {rows} points; allowed are 0 to {MOST_POINTS}. Thin the cloud out.")
    return rows


def check_whole(needed: int, there: int, what: str) -> None:
    """Refuse a file that ends before what its header announces.

    Raises:
        CloudError: fewer are `there` than `needed`.
    """
    if there < needed:
        raise CloudError(f"it is cut off: {needed} {what} are announced, {there} are there. Copy or save it again.")


def check_no_count(first: np.ndarray) -> None:
    """Refuse unnamed columns of which the first (N,) only counts the rows, and is no x.

    Raises:
        CloudError: it counts.
    """
    steps = np.unique(np.diff(first))
    if len(first) >= FEWEST_POINTS and len(steps) == 1 and steps[0] != 0 and steps[0] == np.round(steps[0]):
        raise CloudError("its first column counts the rows, and none is named. Drop it, or write a first line i,x,y,z.")


def excerpt(text: str, most: int = 40) -> str:
    """Quote the beginning of what a file says, safe to print."""
    return ascii(text if len(text) <= most else f"{text[:most]}...")
