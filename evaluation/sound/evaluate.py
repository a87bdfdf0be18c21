"""How well directions are found in simulated rooms, standing and walking, and how often noise is taken for a voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.metrics import interval, rounded
from evaluation.sound.rooms import INSTALL
from evaluation.sound.trials import CONDITIONS, Condition, Outcome, run_trial, speech_files
from evaluation.statistics import Interval
from perception.command import check_folder, check_run
from perception.progress import track
from perception.sound.array import SoundInputError
from perception.sound.spatial_spectrum import HOP_S
from robots.io import check_writable, write_json
from robots.options import JsonOption, SeedOption

MOST_TRIALS = 10_000
CALIBRATED_DEG = 10.0  # what a confidence is about


@dataclass(frozen=True)
class EvaluateConfig(JsonOption, SeedOption):
    """Find the direction of speech in random simulated rooms and compare it with the truth.

    Rooms of 4.5 x 4 to 7 x 6 m, people 1.6 to 2.4 m away at random azimuths, heights from sitting to standing. An
    output comes ten times a second; errors are of all outputs while somebody speaks. NormMUSIC of pyroomacoustics, over
    the whole utterance and told that there is one voice, is printed beside it.
    """

    data: Path | None = None
    """Folder of speech recordings (wav, flac; subfolders are searched); synthetic syllables unless given."""
    plots: Path | None = None
    """Write pictures to this folder; needs matplotlib."""
    trials: int = 40
    """Scenes for each condition."""


class Row(NamedTuple):
    """One condition. Errors in degrees; None where there is nothing to judge.

    Attributes:
        condition: what was simulated.
        trials: scenes.
        found: scenes in which at least one direction came out.
        outputs: directions judged.
        median: of all outputs, with a 95 % bootstrap interval over scenes.
        p95: 95th percentile of all outputs.
        trial_median, trial_p95: of the median error of each scene.
        detection: share of spoken hops with a direction within 20 degrees.
        false_alarm: share of all hops with a direction further than 20 degrees from every source.
        baseline_median, baseline_p95: of NormMUSIC, one answer for each scene.
        ms_per_s: processor time in ms for each second of sound.
    """

    condition: Condition
    trials: int
    found: int
    outputs: int
    median: Interval | None
    p95: float | None
    trial_median: float | None
    trial_p95: float | None
    detection: float | None
    false_alarm: float
    baseline_median: float | None
    baseline_p95: float | None
    ms_per_s: float


@dataclass(frozen=True)
class Evaluation:
    """Result: a row and the errors in degrees of each condition, and how honest the confidence is."""

    rows: tuple[Row, ...]
    errors_deg: Mapping[str, np.ndarray]
    reliability: tuple[tuple[float, float, int], ...]
    speech: str
    seed: int

    def as_json(self) -> dict[str, object]:
        """Lay out all figures for JSON; angles in degrees, rates as shares."""
        return {
            "protocol": (
                "simulated shoebox rooms (image sources, Sabine), 4 microphones on 5 cm, sources 1.6 to 2.4 m away, "
                "outputs at 10 Hz; interval: 95 %, bootstrap over scenes; baseline: NormMUSIC over the whole utterance"
            ),
            "speech": self.speech,
            "seed": self.seed,
            "rows": [rounded(row._asdict() | {"condition": row.condition.name}) for row in self.rows],
            "confidence_is": f"probability of an error below {CALIBRATED_DEG:g} degrees",
            "reliability": [
                {"confidence": round(c, 3), "right": round(r, 3), "outputs": n} for c, r, n in self.reliability
            ],
        }


def summarise(condition: Condition, outcomes: Sequence[Outcome], rng: np.random.Generator) -> Row:
    """Put the outcomes of a condition in a row."""
    errors = [np.degrees(o.errors_rad) for o in outcomes]
    found = [e for e in errors if len(e)]
    pooled = np.concatenate(errors) if errors else np.zeros(0)
    # The outputs of one scene are alike: scenes are drawn.
    scenes = np.repeat(np.arange(len(found)), [len(e) for e in found])
    medians = [float(np.median(e)) for e in found]
    spoken = sum(o.spoken for o in outcomes)
    hops = sum(o.hops for o in outcomes)
    baseline = np.degrees([o.baseline_rad for o in outcomes if np.isfinite(o.baseline_rad)])
    return Row(
        condition=condition,
        trials=len(outcomes),
        found=len(found),
        outputs=len(pooled),
        median=interval(pooled, np.median, rng, scenes) if found else None,
        p95=_percentile(pooled, 95),
        trial_median=_percentile(medians, 50),
        trial_p95=_percentile(medians, 95),
        detection=sum(o.detected for o in outcomes) / spoken if spoken else None,
        false_alarm=sum(o.false_hops for o in outcomes) / max(hops, 1),
        baseline_median=_percentile(baseline, 50),
        baseline_p95=_percentile(baseline, 95),
        ms_per_s=1000.0 * sum(o.compute_s for o in outcomes) / max(hops * HOP_S, 1e-9),
    )


def _percentile(values: Sequence[float] | np.ndarray, share: float) -> float | None:
    return float(np.percentile(values, share)) if len(values) else None


def reliability(outcomes: Sequence[Outcome], bins: int = 5) -> tuple[tuple[float, float, int], ...]:
    """(mean confidence, share within 10 degrees, outputs) in bins of equally many outputs."""
    confidence = np.concatenate([np.zeros(0), *(o.confidences for o in outcomes)])
    right = np.degrees(np.concatenate([np.zeros(0), *(o.errors_rad for o in outcomes)])) <= CALIBRATED_DEG
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return tuple((float(confidence[p].mean()), float(right[p].mean()), len(p)) for p in parts if len(p))


def evaluate(files: Sequence[Path], trials: int, seed: int) -> Evaluation:
    """Run all conditions. Trial k draws the same whatever the number of trials."""
    jobs = [(number, trial) for number in range(len(CONDITIONS)) for trial in range(trials)]
    outcomes: list[list[Outcome]] = [[] for _ in CONDITIONS]
    for number, trial in track(jobs, "rooms"):
        outcomes[number].append(run_trial(CONDITIONS[number], files, (seed, number, trial)))
    rng = np.random.default_rng(seed)
    rows = tuple(summarise(c, o, rng) for c, o in zip(CONDITIONS, outcomes, strict=True))
    errors = {
        c.name: np.degrees(np.concatenate([o.errors_rad for o in of]))
        for c, of in zip(CONDITIONS, outcomes, strict=True)
        if c.sources
    }
    speech = f"{len(files)} recordings" if files else "synthetic syllables"
    return Evaluation(rows, errors, reliability([o for of in outcomes for o in of]), speech, seed)


def _check(config: EvaluateConfig) -> None:
    """Refuse what would fail only after long work."""
    check_run(1, config.seed)
    if not 1 <= config.trials <= MOST_TRIALS:
        raise SoundInputError(f"trials is {config.trials}; allowed are 1 to {MOST_TRIALS}. Choose another.")
    try:
        import pyroomacoustics  # noqa: F401 - matplotlib comes with it, for --plots
    except ImportError as error:
        raise SoundInputError(INSTALL) from error
    if config.plots is not None:
        check_folder(config.plots)


def main(config: EvaluateConfig) -> Evaluation:
    """Evaluate and write JSON and pictures, if asked for.

    Raises:
        SoundInputError, SoundError: the recordings, a setting or a missing package.
        CommandError: the seed or an output cannot be used; raised before the work.
    """
    _check(config)
    check_writable(config.json)
    files = [] if config.data is None else speech_files(config.data)
    result = evaluate(files, config.trials, config.seed)
    write_json(result.as_json(), config.json)
    if config.plots is not None:
        from evaluation.sound.plots import draw

        draw(result.errors_deg, result.speech, config.plots)
    return result


def report(result: Evaluation) -> int:
    """Print the table on stderr."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.terminal import print_table

    table = Table("condition", title=f"direction of sound, {result.speech}")
    for name in ("n", "median deg [95 %]", "95th pct", "detected", "false alarms", "NormMUSIC", "ms / s"):
        table.add_column(name, justify="right")
    for row in result.rows:
        table.add_row(
            row.condition.name,
            f"{row.found}/{row.trials}" if row.condition.sources else str(row.trials),
            "" if row.median is None else f"{row.median:.1f}",
            "" if row.p95 is None else f"{row.p95:.1f}",
            "" if row.detection is None else f"{row.detection:.0%}",
            f"{row.false_alarm:.1%}",
            "" if row.baseline_median is None else f"{row.baseline_median:.1f} / {row.baseline_p95:.1f}",
            f"{row.ms_per_s:.0f}",
        )
    console = Console(stderr=True)
    print_table(console, table)
    console.print(
        "n: scenes with a direction / scenes. Errors: all outputs at 10 Hz while somebody speaks. False alarms: share "
        "of tenths of a second with a direction more than 20 degrees from everybody. NormMUSIC: median / 95th "
        "percentile over scenes, one answer for a whole utterance, never silent.",
        soft_wrap=True,
    )
    parts = ", ".join(f"{c:.2f}: {r:.2f}" for c, r, _ in result.reliability)
    console.print(f"Confidence: share within {CALIBRATED_DEG:g} degrees: {parts}.", soft_wrap=True)
    return 0
