"""The README's tables about the companion in its room."""

from __future__ import annotations

from typing import Any

from benchmarks.grasp_table import table


def scenarios(data: dict[str, Any]) -> str:
    """Return the table of scenarios, a row for each and one for all."""
    rows = [*data["rows"], data["all"]]
    head = [
        f"scenario, seeds from {data['seed']}",
        "asks for",
        "runs",
        "feeling perceived",
        "then shown (95 %)",
        "and done by the body",
        "no fall",
        "shown after the voice ended, s, median (p95)",
    ]
    return table(head, [_scenario(row) for row in rows])


def _scenario(row: dict[str, Any]) -> list[str]:
    all_ = row["scenario"] == "all"
    shown = {"mean": row["intended"], "low": row["low"], "high": row["high"]} if row["perceived"] else {}
    late = row["reaction_s"]
    return [
        f"**{row['scenario']}**" if all_ else f"{row['scenario']} ({row['ground']})",
        "" if all_ else row["expected"],
        str(row["n"]),
        str(row["perceived"]),
        _percent(shown),
        _percent(row["done"]),
        _percent(row["no_fall"]),
        f"{late['median']:.1f} ({late['p95']:.1f})" if late["median"] is not None else "-",
    ]


def approach(data: dict[str, Any]) -> str:
    """Return the table of calls from six metres away."""
    came = data["approach"]
    by_ground = [[f"... over {ground} ground", _percent(share)] for ground, share in came["grounds"].items()]
    by_side = [[f"... called from {side}", _percent(share)] for side, share in came["sides"].items() if share]
    return table(
        [f"{came['n']} calls from 5.5 to 6.5 m", "measured (95 %)"],
        [
            ["within 1 m of the caller at the end", _percent(came["within_1m"])],
            *by_ground,
            *by_side,
            ["distance at the end, median", f"{came['far_m']['median']:.2f} m"],
            ["caller off the nose, median", f"{came['bearing_deg']['median']:.0f} degrees"],
            ["no fall", _percent(came["no_fall"])],
            ["runs in which the dog touched the caller", str(came["touched"])],
        ],
    )


def fetch(data: dict[str, Any]) -> str:
    """Return the table of errands, by ground and by the shape that the grasp is planned on."""
    return table(
        ["ground", "grasp planned on", "errands", "delivered (95 %)", "at first try", "falls", "lost at"],
        [
            [
                row["ground"],
                f"the {row['shape']} shape",
                str(row["n"]),
                _percent(row["delivered"]),
                str(row["first_try"]),
                str(row["falls"]),
                ", ".join(f"{stage} {count}" for stage, count in row["by_stage"].items()) or "-",
            ]
            for row in data["fetch"]["rows"]
        ],
    )


def _percent(share: dict[str, float]) -> str:
    return f"{100 * share['mean']:.0f} % ({100 * share['low']:.0f} to {100 * share['high']:.0f})" if share else "-"
