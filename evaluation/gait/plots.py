"""Pictures of an evaluation: how speed is tracked, when feet touch, and what shoves are survived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from control.dog import CONTROL_HZ
from envs.locomotion.cases import Case
from envs.locomotion.walks import Policy, Trace, Walker
from robots.quadruped import LEGS

if TYPE_CHECKING:
    from evaluation.gait.metrics import Row

KICKS = (0.4, 0.7, 1.0, 1.3, 1.6)
WALKS_PER_KICK = 20


def draw_plots(rows: Sequence[Row], policies: Mapping[str, Policy | None], folder: Path, seed: int) -> list[Path]:
    """Write tracking.png, contacts.png and survival.png for the gaits that were measured; returns their paths.

    Raises:
        OSError: the folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    gaits = list(dict.fromkeys(row.case.gait for row in rows if row.case.gait != "stand"))
    drawings = {
        "tracking.png": lambda: _tracking(pyplot, rows),
        "contacts.png": lambda: _contacts(pyplot, gaits, policies, seed),
        "survival.png": lambda: _survival(pyplot, gaits, policies, seed),
    }
    paths = []
    for name, draw in drawings.items():
        figure = draw()
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
        pyplot.close(figure)
        paths.append(folder / name)
    return paths


def _tracking(pyplot: Any, rows: Sequence[Row]) -> Any:
    """Measured over commanded speed, the ideal as a line."""
    figure, axes = pyplot.subplots(figsize=(5, 5))
    straight = [row for row in rows if row.metrics.mean_speed is not None and not row.case.kick]
    for policy, marker in zip(dict.fromkeys(row.policy for row in straight), "osd^v", strict=False):
        for color, gait in enumerate(dict.fromkeys(row.case.gait for row in straight)):
            points = [row for row in straight if row.policy == policy and row.case.gait == gait]
            commanded, walked = [row.case.speed for row in points], [row.metrics.mean_speed for row in points]
            filled = {} if policy != "none" else {"markerfacecolor": "none"}
            axes.plot(commanded, walked, marker, color=f"C{color}", label=f"{gait}, {policy}", **filled)
    low, high = axes.get_xlim()
    axes.plot((low, high), (low, high), color="grey", linewidth=0.8)
    axes.set(xlabel="commanded speed, m/s", ylabel="mean speed, m/s", title="Speed as commanded and as walked")
    if axes.get_legend_handles_labels()[1]:  # under shoves nothing walks straight
        axes.legend(fontsize=7)
    return figure


def _contacts(pyplot: Any, gaits: list[str], policies: Mapping[str, Policy | None], seed: int) -> Any:
    """Hildebrand's diagram: a bar while a foot touches; pale where the clock wants it down."""
    figure, axes = pyplot.subplots(
        len(gaits), len(policies), figsize=(5 * len(policies), 1.3 * len(gaits)), squeeze=False
    )
    for row, gait in enumerate(gaits):
        for column, (name, policy) in enumerate(policies.items()):
            walker = Walker(Case(gait, 0.4), policy)
            trace = walker.trace(5.0, seed)
            walker.close()
            _contact_bars(axes[row][column], trace)
            axes[row][column].set_title(f"{gait}, {name}", fontsize=8)
    axes[-1][0].set_xlabel("s")
    figure.tight_layout()
    return figure


def _contact_bars(axes: Any, trace: Trace) -> None:
    steps = trace.steps[-round(1.2 * CONTROL_HZ) :]
    for leg, name in enumerate(LEGS):
        for index, step in enumerate(steps):
            begin = index / CONTROL_HZ
            if step.stance[leg]:
                axes.broken_barh([(begin, 1 / CONTROL_HZ)], (leg - 0.45, 0.9), color="#e8dcc8", linewidth=0)
            if step.contacts[leg]:
                axes.broken_barh([(begin, 1 / CONTROL_HZ)], (leg - 0.2, 0.4), color="#3a3d42", linewidth=0)
        axes.text(-0.02, leg, name, ha="right", va="center", fontsize=7)
    axes.set(yticks=[], xlim=(0, len(steps) / CONTROL_HZ))


def _survival(pyplot: Any, gaits: list[str], policies: Mapping[str, Policy | None], seed: int) -> Any:
    """Share of walks that survive, over how hard the shove was."""
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for color, gait in enumerate(gaits):
        for name, policy in policies.items():
            survived = [_survived(Case(gait, 0.3, kick=kick), policy, seed) for kick in KICKS]
            axes.plot(KICKS, survived, "--" if name == "none" else "-", color=f"C{color}", label=f"{gait}, {name}")
    axes.set(xlabel="shove, m/s", ylabel="share that stays up", ylim=(-0.02, 1.02), title="Shoves in any direction")
    axes.legend(fontsize=7)
    return figure


def _survived(case: Case, policy: Policy | None, seed: int) -> float:
    walker = Walker(case, policy)
    fell = [walker.trace(4.0, seed + walk).fell for walk in range(WALKS_PER_KICK)]
    walker.close()
    return 1.0 - float(np.mean(fell))
