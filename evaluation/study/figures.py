"""Figures of a study's report, as SVG that stands in the page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.study.curves import UNIFORM_BITS, CurvePoint
from evaluation.study.quality import PersonQuality

if TYPE_CHECKING:
    from evaluation.study.findings import Finding

_INK, _ACCENT, _PALE = "#1f2933", "#0b6e8f", "#9fb3c0"


def _svg(draw: Callable[[Any], None], width: float = 6.4, height: float = 3.0) -> str:
    """Render what `draw` puts on axes as an SVG element; the same figure gives the same text."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "empaw", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    found = text.getvalue()
    return found[found.index("<svg") :]


def effects_figure(findings: Sequence[Finding]) -> str:
    """Standardised size of each finding with its interval, registered ones in colour; nothing where none has one."""
    shown = [one for one in findings if one.sizes is not None and np.isfinite(one.sizes.hedges).all()]
    if not shown:
        return ""

    def draw(axes: Any) -> None:
        for place, one in enumerate(reversed(shown)):
            mean, low, high = one.sizes.hedges if one.sizes else (np.nan,) * 3
            color = _ACCENT if one.registered else _PALE
            axes.plot([low, high], [place, place], color=color, linewidth=2)
            axes.plot([mean], [place], "o", color=color)
        axes.axvline(0, color=_INK, linewidth=0.8)
        axes.set_yticks(range(len(shown)), [one.hypothesis.name for one in reversed(shown)])
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlabel("Hedges g, second level less first (95 % interval over people)")

    return _svg(draw, height=1.2 + 0.32 * len(shown))


def people_figure(people: Sequence[PersonQuality]) -> str:
    """Each person's share of obvious triplets against their median time; those left out are crosses."""
    shown = [one for one in people if np.isfinite(one.median_rt_ms)]
    if not shown:
        return ""

    def draw(axes: Any) -> None:
        for out, marker, color in ((False, "o", _ACCENT), (True, "x", "#b3261e")):
            some = [one for one in shown if bool(one.reasons) is out]
            x = [one.median_rt_ms / 1e3 for one in some]
            y = [100 * (one.golden if np.isfinite(one.golden) else 0) for one in some]
            axes.plot(x, y, marker, color=color, alpha=0.7, label=f"{'left out' if out else 'analysed'} ({len(some)})")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.set_ylim(top=103)
        axes.set_xlabel("median time of an answer (s)")
        axes.set_ylabel("obvious triplets right (%)")
        axes.legend(frameon=False)

    return _svg(draw)


def curve_figure(points: Sequence[CurvePoint]) -> str:
    """Bits of an answer that stay unknown, against answers learned from."""
    if not points:
        return ""

    def draw(axes: Any) -> None:
        x = [point.answers for point in points]
        mean, low, high = np.array([point.bits for point in points]).T
        axes.fill_between(x, low, high, color=_PALE, alpha=0.4, linewidth=0)
        axes.plot(x, mean, "o-", color=_ACCENT)
        axes.axhline(UNIFORM_BITS, color=_INK, linewidth=0.8, linestyle="--")
        axes.text(x[0], UNIFORM_BITS, " knowing nothing", va="bottom")
        axes.set_xscale("log")
        axes.set_xlabel("answers learned from")
        axes.set_ylabel("bits unknown of an answer")

    return _svg(draw)
