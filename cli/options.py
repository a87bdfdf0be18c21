"""The options that every command shares; they live below all that is commanded (`robots.options`)."""

from __future__ import annotations

from robots.options import MOST_WORKERS, RunOptions

__all__ = ["MOST_WORKERS", "RunOptions"]
