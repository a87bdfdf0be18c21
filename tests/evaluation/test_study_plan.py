from __future__ import annotations

import hashlib

import pytest

from evaluation.study.plan import (
    OUTCOMES,
    TEMPLATE,
    Exclusions,
    PlanError,
    default_plan,
    load_plan,
    parse_plan,
    plan_hash,
)

HYPOTHESIS = '[[hypotheses]]\nname = "H"\ntext = ""\noutcome = "rt"\n'
SAMPLE = '[sample]\nn = 40\nstopping = "at 40"\n'


def test_the_default_plan_is_whole_and_its_hash_is_that_of_the_file():
    plan = load_plan(TEMPLATE)
    assert plan.text == default_plan()
    assert plan.sha256 == hashlib.sha256(TEMPLATE.read_bytes()).hexdigest() == plan_hash(default_plan())
    assert plan.n > 0
    assert plan.hypotheses[0].outcome == "predicted"
    assert plan.hypotheses[0].model == "logistic"
    assert {one.family for one in plan.hypotheses} == {"primary", "secondary"}


def test_registered_exclusions_are_those_of_the_protocol():
    rules = parse_plan(default_plan()).exclusions
    assert rules.golden_accuracy == pytest.approx(2 / 3, abs=1e-3)
    assert rules == Exclusions(golden_accuracy=rules.golden_accuracy, median_thinking_ms=300.0)
    assert (rules.same_position, rules.median_rt_ms, rules.early_answers, rules.longest_run) == (0.6, 800, 0.2, 12)


def test_a_plan_without_the_newer_rule_goes_without_it():
    lines = default_plan().splitlines(keepends=True)
    older = "".join(line for line in lines if not line.startswith("median_thinking_ms"))
    assert parse_plan(older).exclusions.median_thinking_ms == 0


def test_one_letter_is_another_plan():
    assert parse_plan(default_plan()).sha256 != parse_plan(default_plan().replace("n = 40", "n = 41")).sha256


def test_a_scale_is_an_outcome():
    text = SAMPLE + (
        '[[scales]]\nid = "liking"\ninstrument = "own"\nitems = ["a", "b"]\nlow = 1\nhigh = 5\nreverse = ["b"]\n'
        '[[hypotheses]]\nname = "H1"\ntext = "t"\noutcome = "scale:liking"\nfactor = "condition"\n'
    )
    plan = parse_plan(text)
    assert plan.hypotheses[0].model == "linear"
    assert plan.scales[0].reverse == ("b",)
    assert plan.included == ("completed",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[sample", "TOML"),
        ("[sample]\nn = 4\n", "sample: 'stopping' missing"),
        (SAMPLE + "[other]\n", "the plan: other came"),
        (SAMPLE + "[exclusions]\nmedian_rt = 5\n", "exclusions: unknown setting 'median_rt'"),
        (SAMPLE.replace("40\n", "0\n", 1), "n 0 came"),
        (SAMPLE + "alpha = 0.9\n", "alpha 0.9 came"),
        (SAMPLE + "included = 3\n", "a list is needed"),
        (SAMPLE + '[[hypotheses]]\nname = "H"\ntext = ""\noutcome = "love"\n', "outcome 'love' came; allowed are pred"),
        (SAMPLE + '[[hypotheses]]\nname = "H"\ntext = ""\noutcome = "rt"\nlevels = ["a"]\n', "two and more"),
        (SAMPLE + 2 * '[[hypotheses]]\nname = "H"\ntext = ""\noutcome = "rt"\n', "a name of its own"),
        (SAMPLE + '[[hypotheses]]\nname = "H"\n', "missing"),
        (SAMPLE + '[[scales]]\nid = "s"\ninstrument = "i"\nitems = ["a"]\nlow = 5\nhigh = 1\n', "low below high"),
        (SAMPLE + HYPOTHESIS + 'levels = "ab"\n', "levels: 'ab' came; a list is needed"),
        (SAMPLE + HYPOTHESIS + 'equivalence = "a"\n', "equivalence: 'a' came; float is needed"),
        (SAMPLE + HYPOTHESIS + 'factor = "weather"\n', "allowed are block, task"),
        (SAMPLE + HYPOTHESIS + 'random = ["participant:item"]\n', "'item' came; allowed are participant"),
        (SAMPLE + "rt_limits_ms = [500, 5]\n", "a shorter time and a longer"),
        (SAMPLE + "rt_limits_ms = [5]\n", "a list of 2"),
        ("sample = [1]\n", "a table of settings"),
        (SAMPLE + "[hypotheses]\n", r"tables under \[\[hypotheses"),
        ("title = " + 5000 * "9", "TOML"),
        (SAMPLE + "[exclusions]\nearly_answers = 20\n", "early_answers 20.0 came"),
    ],
)
def test_what_cannot_be_used_is_told(text, complaint):
    with pytest.raises(PlanError, match=complaint):
        parse_plan(text)


def test_the_file_is_named_where_it_is_wrong(tmp_path):
    path = tmp_path / "analysis.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(PlanError, match=r"analysis\.toml"):
        load_plan(path)


def test_every_outcome_has_a_model():
    assert set(OUTCOMES.values()) <= {"logistic", "lognormal", "ordinal", "linear"}
