"""Count errands: by ground and by shape, how many are delivered, and where and why the others end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.table import Table

from envs.companion.room import Ground, RoomConfig
from evaluation.companion.fetching import FetchResult, FetchTask, ShapeSource, model_of
from evaluation.statistics import wilson

THINGS = ("mug", "cup", "bottle", "can", "jar", "box", "soap", "ball", "torch", "hammer")
"""Ten kinds, of each of which the household has two that nothing was trained on."""
_SIZES = (900, 901)


def check_things(kinds: Sequence[str]) -> None:
    """Refuse kinds that there are not.

    Raises:
        ValueError: one of them.
    """
    for kind in kinds:
        for size in _SIZES:
            model_of(f"{kind}_{size}")


def tasks_of(
    kinds: Sequence[str], count: int, seed: int, room: RoomConfig, ground: Ground, shape: ShapeSource
) -> list[FetchTask]:
    """List the errands on a ground: the same rooms, things and places for either shape."""
    room = replace(room, ground=ground)
    return [
        FetchTask(f"{kinds[n % len(kinds)]}_{_SIZES[n // len(kinds) % len(_SIZES)]}", seed + n, room, shape)
        for n in range(count)
    ]


def summary(rows: Sequence[FetchResult], kinds: Sequence[str]) -> dict[str, Any]:
    """Write the figures: of the first row's shape in all, of each ground and shape, and of each kind of thing."""
    parts = list(dict.fromkeys((row.ground, row.shape) for row in rows))
    found = [
        {
            "ground": ground,
            "shape": shape,
            **_share([row for row in rows if (row.ground, row.shape) == (ground, shape)]),
        }
        for ground, shape in parts
    ]
    own = [row for row in rows if row.shape == rows[0].shape]
    things = {kind: [row for row in own if row.name.startswith(f"{kind}_")] for kind in kinds}
    all_ = _share(own)
    return {
        "n": len(own),
        "delivered": all_["delivered"]["mean"],
        "low": all_["delivered"]["low"],
        "high": all_["delivered"]["high"],
        "by_stage": all_["by_stage"],
        "rows": found,
        "things": {kind: _share(here) for kind, here in things.items() if here},
    }


def _share(rows: Sequence[FetchResult]) -> dict[str, Any]:
    lost = [row for row in rows if not row.delivered]
    reasons = Counter(f"{row.stage}: {row.why}" if row.why else row.stage for row in lost)
    return {
        "n": len(rows),
        "delivered": wilson(sum(row.delivered for row in rows), len(rows)).as_json(),
        "first_try": sum(row.delivered and row.tries == 1 for row in rows),
        "falls": sum(row.fell for row in rows),
        "by_stage": dict(Counter(row.stage for row in lost).most_common()),
        "why": dict(reasons.most_common()),
        "seconds": round(sum(row.seconds for row in rows) / max(len(rows), 1), 1),
    }


def percent(share: dict[str, float]) -> str:
    """Write a share with its interval, in percent; a dash where there is none."""
    return f"{100 * share['mean']:.0f} ({100 * share['low']:.0f} to {100 * share['high']:.0f})" if share else "-"


def table(figures: dict[str, Any]) -> Table:
    """Lay out the figures of errands."""
    shown = Table("ground", "shape", "n", "delivered % (95 %)", "first try", "falls", "s", "lost at")
    for row in figures["rows"]:
        shown.add_row(
            row["ground"], row["shape"], str(row["n"]),
            percent(row["delivered"]),
            str(row["first_try"]), str(row["falls"]), f"{row['seconds']:.0f}",
            ", ".join(f"{stage} {count}" for stage, count in row["by_stage"].items()),
        )  # fmt: skip
    return shown
