"""The report of a run as one HTML page: figures, plots and pictures of failures, nothing fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from evaluation.grasping.trials import Trial
from geometry.files import write_whole

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
body{color:#34302c;background:#f7f3ec}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.25rem .7rem;border-bottom:1px solid #d8d0c4;text-align:right}
td:first-child,th:first-child,td:nth-child(2){text-align:left}svg{background:#fff;border-radius:6px}
figure{display:inline-block;margin:.5rem;width:15rem;vertical-align:top}figure img{width:100%;border-radius:6px}
"""
_BLUE, _GREY = "#3b6ea5", "#b9b2a8"
_CAUSES = {
    "no grasp": "#8c8479", "blocked": "#c8553d", "pushed": "#e08a3c", "missed": "#d9b44a", "slipped": "#588157",
    "shaken": "#3a5a78",
}  # fmt: skip


def write_report(
    figures: dict[str, Any], rows: Sequence[Trial], path: Path, title: str, pictures: Sequence[tuple[str, str]] = ()
) -> None:
    """Write the page.

    Args:
        figures: what `summary` gives.
        rows: every trial.
        path: where to write it.
        title: its heading.
        pictures: caption and data URL of pictures of failures.

    Raises:
        OSError: it cannot be written.
    """
    strata = list(dict.fromkeys(row["stratum"] for row in figures["rows"]))
    parts = [f"<h1>{escape(title)}</h1><p>{len(rows)} trials. Bars are shares held, lines Wilson's 95 % intervals.</p>"]
    for stratum in strata:
        some = [row for row in figures["rows"] if row["stratum"] == stratum]
        parts.append(f"<h2>{escape(stratum)}&deg;</h2>{bars(some)}{causes(some)}{_table(some)}")
        if tests := figures.get("mcnemar", {}).get(stratum):
            parts.append(_tests(tests))
    if pictures:
        parts.append("<h2>Failures</h2>")
        parts += [
            f'<figure><img src="{url}" alt=""><figcaption>{escape(caption)}</figcaption></figure>'
            for caption, url in pictures
        ]
    if figures.get("left_out"):
        items = "".join(f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in figures["left_out"])
        parts.append(f"<h2>Left out</h2><ul>{items}</ul>")
    page = f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    write_whole(path, page + "".join(parts))


def bars(rows: Sequence[dict[str, Any]]) -> str:
    """Draw success with its interval as an SVG, a bar for each cloud."""
    out = [f'<svg width="640" height="{26 * len(rows) + 10}" font-size="13">']
    for place, row in enumerate(rows):
        y, scale, held = 8 + 26 * place, 440, row["success"]
        colour = _BLUE if row["cloud"] == "completed" else _GREY
        middle, left, right = y + 9, 110 + scale * held["low"], 110 + scale * held["high"]
        out.append(
            f'<text x="100" y="{y + 14}" text-anchor="end">{escape(row["cloud"])}</text>'
            f'<rect x="110" y="{y}" width="{scale * held["mean"]:.1f}" height="18" fill="{colour}"/>'
            f'<path d="M{left:.1f} {middle}H{right:.1f}" stroke="#34302c" stroke-width="2"/>'
            f'<text x="{right + 8:.1f}" y="{y + 14}">{100 * held["mean"]:.0f} %</text>'
        )
    return "".join([*out, "</svg>"])


def causes(rows: Sequence[dict[str, Any]]) -> str:
    """Draw what failed trials were lost to as an SVG, a bar for each cloud."""
    out = [f'<svg width="640" height="{22 * len(rows) + 30}" font-size="12">']
    for place, row in enumerate(rows):
        left, y = 110.0, 6 + 22 * place
        out.append(f'<text x="100" y="{y + 12}" text-anchor="end">{escape(row["cloud"])}</text>')
        for cause, count in row["causes"].items():
            width = 440 * count / row["n"]
            out.append(
                f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="15" fill="{_CAUSES.get(cause, _GREY)}">'
                f"<title>{escape(cause)}: {count}</title></rect>"
            )
            left += width
    for place, (cause, colour) in enumerate(_CAUSES.items()):
        x, y = 110 + 85 * place, 22 * len(rows) + 12
        out.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{x + 14}" y="{y + 10}">{cause}</text>')
    return "".join([*out, "</svg>"])


def _interval(share: dict[str, float]) -> str:
    return f"{100 * share['low']:.0f} to {100 * share['high']:.0f}"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    head = "<tr><th>cloud<th>n<th>held %<th>95 %<th>95 % by object<th>strict %<th>CD mm</tr>"
    body = "".join(
        f"<tr><td>{escape(row['cloud'])}<td>{row['n']}<td>{100 * row['success']['mean']:.1f}"
        f"<td>{_interval(row['success'])}<td>{_interval(row['success_by_object'])}"
        f"<td>{100 * row['strict']:.1f}<td>{row['cd_mm']:.1f}</tr>"
        for row in rows
    )
    return f"<table>{head}{body}</table>"


def _tests(tests: dict[str, dict[str, Any]]) -> str:
    body = "".join(
        f"<tr><td>{escape(name)}<td>{test['only_first']}<td>{test['only_second']}<td>{test['p']:.2g}</tr>"
        for name, test in tests.items()
    )
    return f"<table><tr><th>McNemar<th>only the first held<th>only the second<th>p</tr>{body}</table>"
