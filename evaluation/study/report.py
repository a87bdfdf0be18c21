"""The report of a study: one HTML file that needs nothing else, for people who read it and for a paper's appendix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from evaluation.statistics import Interval
from evaluation.study.figures import curve_figure, effects_figure, people_figure
from evaluation.study.form import AUTHORS, reporting_form

if TYPE_CHECKING:
    from evaluation.study.findings import Analysis, Finding

SCRIPTED = (
    "The participants of this study were scripted: programs whose truth is known. These are no human data. "
    "The figures say how well the instrument works, and nothing about people."
)
_INTERVALS = (
    "Means, differences and Hedges g are taken person by person; their intervals speak of other people and the same "
    "triplets. The tests of answers speak of other triplets as well, and decide. Means of times are geometric, and "
    "differences of times are of natural logarithms."
)
EXPLORATORY = "The plan of this analysis is not the registered one: every result below is exploratory."
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5dde3; padding-bottom: .3rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .92em; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #e4eaee; }
td { min-width: 4rem; } td:nth-child(2) { min-width: 12rem; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.notice { border-left: 6px solid #b3261e; background: #fbeceb; padding: .8rem 1rem; font-weight: 600; }
.todo { color: #8a5a00; font-style: italic; } svg { max-width: 100%; height: auto; }
pre { background: #f4f7f9; padding: 1rem; overflow-x: auto; font-size: .8em; } figure { margin: 1rem 0; }
"""


def report(analysis: Analysis) -> str:
    """Write the whole page; nothing in it is fetched from anywhere, and what people wrote is escaped."""
    title = f"Report of the study “{analysis.name}”"
    notices = [text for text, shown in ((SCRIPTED, analysis.scripted), (EXPLORATORY, analysis.exploratory)) if shown]
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="notice">{escape(text)}</p>' for text in notices),
        _registration(analysis),
        _people(analysis),
        _quality(analysis),
        _findings(analysis),
        _pilot(analysis),
        _curve(analysis),
        _form(analysis),
        f"<h2>The plan</h2><pre>{escape(analysis.plan.text)}</pre>",
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{"".join(parts)}</body></html>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts; those that begin with a digit, a sign or a bracket do not wrap."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    number = len(text) < 40 and text[:1] in "0123456789+-.−<["
    return f'<td class="number">{escape(text)}</td>' if number and text else f"<td>{escape(text)}</td>"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def _interval(found: Interval | None, digits: int = 3) -> str:
    if found is None or not np.isfinite(found.mean):
        return "–"
    return f"{found.mean:.{digits}f} [{_number(found.low, digits)}, {_number(found.high, digits)}]"


def _p(value: float) -> str:
    return "–" if not np.isfinite(value) else "< .001" if value < 0.001 else f"{value:.3f}"


def _registration(analysis: Analysis) -> str:
    plan = analysis.plan
    kept = analysis.registered_sha256 or "none"
    said = "This is the plan that was registered." if not analysis.exploratory else f"Registered was: {kept}."
    return f"<p>{escape(plan.title)}</p><p>Plan {escape(plan.sha256)}. {escape(said)}</p>"


def _people(analysis: Analysis) -> str:
    flow = analysis.flow
    rows = [(name, str(count)) for name, count in flow.outcomes.items()]
    rows += [(f"left out: {reason}", str(count)) for reason, count in flow.excluded.items()]
    rows += [("left out by rules, people", str(flow.excluded_people)), ("analysed", str(flow.analysed))]
    short = f" The plan asks for {analysis.plan.n}." if flow.analysed != analysis.plan.n else ""
    figure = people_figure(analysis.quality.people)
    text = f"<p>{flow.analysed} people are analysed.{short}</p>"
    if flow.beside:
        others = ", ".join(f"{count} of kind {kind}" for kind, count in flow.beside.items())
        text += f"<p>{escape(others)}: these answers are in the export. The plan's outcomes are about triplets.</p>"
    return f"<h2>People</h2>{text}{_table(('people', 'number'), rows)}<figure>{figure}</figure>"


def _quality(analysis: Analysis) -> str:
    quality = analysis.quality
    again, bits = quality.retest, quality.capacity
    source = {"golden": "from obvious triplets", "repeat": "from repeats, a lower bound"}.get(quality.capacity_from, "")
    lines = sum(one.straight_lines for one in quality.people)
    rows = [
        ("obvious triplets answered right", _interval(quality.golden)),
        ("repeats answered alike", _interval(again.agreement) if again else "–"),
        ("Cohen's kappa of repeats", _number(again.kappa) if again else "–"),
        ("noise ceiling: the most a model can get right", _interval(again.ceiling) if again else "–"),
        ("Krippendorff's alpha between people (nominal, interval over triplets)", _interval(quality.alpha)),
        (
            f"bits per answer ({source})" if source else "bits per answer",
            _interval(bits.bits_per_answer) if bits else "–",
        ),
        ("bits per minute", _interval(bits.bits_per_minute, 2) if bits else "–"),
        ("“cannot tell”", _interval(quality.cannot_tell)),
        ("questionnaires with one answer throughout", str(lines)),
    ]
    scales = [
        (
            one.scale + ("" if one.registered else " (exploratory, all items)"),
            str(one.items),
            str(one.people),
            _number(one.alpha, 2),
            _number(one.omega, 2),
        )
        for one in quality.scales
    ]
    alphas = _table(("scale", "items", "filled in", "Cronbach's alpha", "McDonald's omega"), scales) if scales else ""
    return f"<h2>Quality of the data</h2>{_table(('figure', 'value [95 % interval]'), rows)}{alphas}"


def _findings(analysis: Analysis) -> str:
    registered = [one for one in analysis.findings if one.registered]
    others = [one for one in analysis.findings if not one.registered]
    parts = ["<h2>Hypotheses</h2>"]
    if any(one.hypothesis.outcome == "predicted" for one in analysis.findings):
        parts.append(f"<p>Answers are predicted by {escape(analysis.predicted_by)}.</p>")
    if registered:
        parts.append(_finding_table(registered))
    parts.append(f"<p>{_INTERVALS}</p>")
    if others:
        parts += ["<h3>Exploratory: not registered, not corrected</h3>", _finding_table(others)]
    if figure := effects_figure(analysis.findings):
        parts.append(f"<figure>{figure}</figure>")
    return "".join(parts)


def _finding_table(findings: Sequence[Finding]) -> str:
    head = ("", "hypothesis", "means", "difference", "Hedges g", "effect", "p", "p (Holm)", "verdict")
    return _table(head, [_finding(one) for one in findings])


def _finding(one: Finding) -> tuple[str, ...]:
    sizes, test = one.sizes, one.test
    timed = one.hypothesis.model == "lognormal"
    parts = (f"{level} {_number(np.exp(mean), 2) + ' s' if timed else _number(mean)}" for level, mean in _means(one))
    means = "; ".join(parts) or "–"
    effect = _number(test.effect)
    if one.hypothesis.model in ("logistic", "ordinal") and np.isfinite(test.effect):
        effect = f"odds ratio {np.exp(test.effect):.3f}"
    if np.isfinite(test.probability_difference):
        effect += f", {100 * test.probability_difference:+.1f} points of probability"
    if timed and np.isfinite(test.effect):
        effect = f"times {np.exp(test.effect):.3f}"
    if sizes is not None and np.isfinite(sizes.rank_biserial):
        effect += f", rank-biserial {sizes.rank_biserial:.2f}"
    about = f"{one.hypothesis.text} ({test.test}; {one.people} people, {one.answers} answers"
    about += f"; {test.note})" if test.note else ")"
    return (
        one.hypothesis.name,
        about,
        means,
        _interval(sizes.difference) if sizes else "–",
        _interval(sizes.hedges, 2) if sizes else "–",
        effect,
        _p(test.p),
        _p(one.p_holm) if one.registered else "–",
        _verdict(one),
    )


def _means(one: Finding) -> list[tuple[str, float]]:
    return list(one.sizes.means.items()) if one.sizes is not None else []


def _verdict(one: Finding) -> str:
    close = one.sizes.equivalence_p if one.sizes is not None else float("nan")
    same = f" Equivalence within ±{one.hypothesis.equivalence:g}: p {_p(close)}." if np.isfinite(close) else ""
    if not np.isfinite(one.test.p):
        return "not tested" + same
    if one.supported is None:
        return "exploratory" + same
    return ("supported" if one.supported else "not supported") + same


def _pilot(analysis: Analysis) -> str:
    found = analysis.pilot
    if found is None:
        return ""
    rows = [
        (arm, str(people), _interval(mean, 2))
        for arm, people, mean in zip(found.arms, found.allocated, found.means, strict=True)
    ]
    p = _p(found.test.p if found.test is not None else float("nan"))
    intro = (
        "<p>People were given conditions by what these had brought so far. A condition that began badly was given less "
        f"often: its mean is biased low. All conditions are alike: p {escape(p)}, by shuffling outcomes and allocating "
        f"again under the same rule. Outcomes are exponential within conditions: p {escape(_p(found.exponential_p))}; "
        "where that is small, take the rule thompson-lognormal.</p>"
    )
    head = ("condition", "people", "usable answers a minute of those who finished [95 % interval]")
    return f"<h2>Pilot</h2>{intro}{_table(head, rows)}"


def _curve(analysis: Analysis) -> str:
    if not analysis.curve:
        return ""
    rows = [
        (str(point.answers), f"{point.minutes:.0f}", _interval(point.bits), _interval(point.accuracy))
        for point in analysis.curve
    ]
    head = ("answers learned from", "minutes they took", "bits unknown of an answer", "answers foretold")
    intro = "<p>Learned from four in five people, tested on the answers of the others.</p>"
    return f"<h2>Learning curve</h2>{intro}{_table(head, rows)}<figure>{curve_figure(analysis.curve)}</figure>"


def _form(analysis: Analysis) -> str:
    rows = "".join(
        f"<tr><td>{escape(entry.heading)}</td><td>{escape(entry.question)}</td><td>"
        + (
            escape(entry.answer)
            if entry.answer != AUTHORS
            else '<span class="todo">to be filled in by the authors</span>'
        )
        + "</td></tr>"
        for entry in reporting_form(analysis)
    )
    intro = "<p>After Bagchi et al. (HRI ’23, 10.1145/3568294.3580162), filled in where the tool knows.</p>"
    return f"<h2>Reporting form</h2>{intro}<table><tbody>{rows}</tbody></table>"
