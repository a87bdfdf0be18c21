"""The form by which a human-robot interaction study is reported, filled where the tool knows.

Its headings follow what Bagchi et al. (HRI '23 late-breaking, 10.1145/3568294.3580162) ask for so that a study can be
repeated, and what a survey of 236 studies (arXiv 2201.09114) found missing most often: recruitment, compensation,
gender.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from evaluation.study.findings import Analysis

AUTHORS = ""
"""An entry that only the authors can fill in."""


class Entry(NamedTuple):
    """One line of the form; `answer` is `AUTHORS` where the tool does not know."""

    heading: str
    question: str
    answer: str


def reporting_form(analysis: Analysis) -> tuple[Entry, ...]:
    """Fill in the form."""
    return (*_participants(analysis), *_procedure(analysis), *_analysis(analysis))


def _participants(analysis: Analysis) -> tuple[Entry, ...]:
    flow, heading = analysis.flow, "Participants"
    outcomes = ", ".join(f"{count} {name}" for name, count in flow.outcomes.items())
    reasons = ", ".join(f"{count} {reason}" for reason, count in flow.excluded.items()) or "no rule was broken"
    languages = ", ".join(f"{name or 'unknown'} ({count})" for name, count in analysis.languages.items())
    scripted = "Scripted participants, no people. " if analysis.scripted else ""
    return (
        Entry(heading, "How many, and how they ended", f"{scripted}{outcomes or 'nobody'}; {flow.analysed} analysed."),
        Entry(heading, "Who was left out, and why", f"{flow.excluded_people} by registered rules ({reasons})."),
        Entry(heading, "Planned number and stopping rule", f"n = {analysis.plan.n}. {analysis.plan.stopping}"),
        Entry(heading, "Language of the page", languages or AUTHORS),
        Entry(heading, "Where and how they were recruited", AUTHORS),
        Entry(heading, "Compensation", AUTHORS),
        Entry(heading, "Age, gender, country, and how these were asked", AUTHORS),
        Entry(heading, "Experience with robots and with animals", AUTHORS),
        Entry(heading, "Ethics board and consent", AUTHORS),
    )


def _procedure(analysis: Analysis) -> tuple[Entry, ...]:
    compared = sorted({f"{one.hypothesis.factor} ({', '.join(one.levels)})" for one in analysis.findings if one.levels})
    within = {one.sizes.within for one in analysis.findings if one.sizes is not None and one.registered}
    kind = {frozenset({True}): "within people", frozenset({False}): "between people"}.get(frozenset(within), "mixed")
    return (
        Entry(
            "Design", "Within or between, and what was varied", f"{kind}: {'; '.join(compared)}" if within else AUTHORS
        ),
        Entry(
            "Design",
            "Order and counterbalancing",
            "Blocks in a balanced Latin square; items in random positions, logged.",
        ),
        Entry("Design", "Who knew the conditions", "The page and its server; nobody spoke with participants there."),
        Entry("Robot", "Which robot, and in what form it was seen", "Animations of simulated movements in a browser."),
        Entry("Robot", "Autonomy during the study", "None: every animation was made before."),
        Entry("Setting", "Place, devices, supervision", AUTHORS),
        Entry("Procedure", "Instructions, practice, breaks, duration", AUTHORS),
        Entry(
            "Measures",
            "What was measured",
            "; ".join(sorted({one.hypothesis.outcome for one in analysis.findings})) or AUTHORS,
        ),
        Entry("Measures", "Reliability in this sample", "See 'Quality of the data' above."),
    )


def _analysis(analysis: Analysis) -> tuple[Entry, ...]:
    plan = analysis.plan
    registered = (
        f"Plan {plan.sha256}, registered when the study was made, unchanged."
        if not analysis.exploratory
        else f"The plan used ({plan.sha256}) is not the registered one ({analysis.registered_sha256 or 'none'})."
    )
    tests = "; ".join(f"{one.hypothesis.name}: {one.test.test}" for one in analysis.findings if one.registered)
    software = ", ".join(f"{name} {version}" for name, version in analysis.versions.items())
    return (
        Entry("Analysis", "Registration", registered),
        Entry(
            "Analysis",
            "Power",
            f"Planned for a difference of {plan.smallest_effect:g}; figures: `user_study.py power`.",
        ),
        Entry("Analysis", "Tests", tests or AUTHORS),
        Entry("Analysis", "Error rate", f"alpha = {plan.alpha:g} for each family, by Holm's procedure."),
        Entry("Analysis", "Software", software),
        Entry("Openness", "Data, code and materials", AUTHORS),
    )
