"""The README's tables about files, signals and strangers that mean no good."""

from __future__ import annotations

from typing import Any

from benchmarks.grasp_table import table
from benchmarks.kills import COUNTS

_NAMES = dict(
    zip(
        COUNTS,
        ("kill -9", "SIGTERM", "through before", "finished lost", "half-written", "orphans", "drafts"),
        strict=True,
    )
)
"""What the README calls the counts of `empaw bench kills`."""


def fuzz(data: dict[str, Any]) -> str:
    """Return the table of damaged files, a row for each kind of file."""
    whole = f"{data['files']} damaged files, seed {data['seed']}"
    bad = ("foreign error", "signal", "hang", "growth")
    return table(
        [whole, "read", "refused by name", *bad, "most memory, MB", "most time, s"],
        [
            [kind, *(f"{found[name]}" for name in ("read", "refused", *bad, "most_growth_mb", "most_cpu_s"))]
            for kind, found in data["kinds"].items()
        ],
    )


def kills(data: dict[str, Any]) -> str:
    """Return the table of commands that were ended, a row for each and one for all."""
    return table(
        [f"command, seed {data['seed']}", *_NAMES.values(), "results of the unbroken run"],
        [
            [row["job"], *(f"{row[name]}" for name in COUNTS), f"{row['same']} of {row['lives']}"]
            for row in [*data["rows"], data["all"]]
        ],
    )


def hostile(data: dict[str, Any]) -> str:
    """Return the table of attacks, a row for each."""
    head = [
        "attack",
        "poses, share of calm",
        "click, median (slowest; calm), ms",
        "memory grown, MB",
        "log, kB a minute",
    ]
    return table(
        head,
        [
            [
                name.replace("_", " "),
                f"{row['poses_share']:.2f}",
                f"{row['click_median_ms']:.0f} ({row['click_slowest_ms']:.0f}; {row['calm_click_slowest_ms']:.0f})",
                f"{row['memory_grown_mb']:.1f}",
                f"{row['log_kb_per_minute']:.1f}",
            ]
            for name, row in data["attacks"].items()
        ],
    )


def soak(data: dict[str, Any]) -> str:
    """Return the table of the long while with many viewers."""
    found = data["soak"]
    ends = "; ".join(f"{name.replace('_', ' ')} {seconds:.1f}" for name, seconds in data["ends_in_s"].items())
    return table(
        [f"{found['minutes']:.0f} minutes", "measured"],
        [
            ["memory at the end, MB", f"{found['memory_mb']:.0f}"],
            ["grown after the first tenth", f"{100 * found['memory_grown']:.1f} %"],
            ["simulated over real time, median", f"{found['real_time_factor']:.3f}"],
            ["click to answer, 95th percentile, ms", f"{found['click_p95_ms']:.0f}"],
            ["Ctrl+C while it decodes, s to the end", ends],
        ],
    )
