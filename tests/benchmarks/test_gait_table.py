from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from benchmarks.gait_table import CLAIMS, details, over_seeds, part, summary, worse_than_nothing
from envs.locomotion.cases import SUITE, Case
from evaluation.gait.metrics import Metrics, Row
from evaluation.statistics import Interval

ALWAYS, NEVER, HALF = Interval(1.0, 0.96, 1.0), Interval(0.0, 0.0, 0.04), Interval(0.5, 0.4, 0.6)
GOOD = Metrics(
    100, Interval(0.02, 0.018, 0.022), 0.05, 0.5, 0.02, 0.01, NEVER, 1.0, 0.01, 0.03, 0.004, 0.01, 0.7, 0.94, 1.0
)
BAD = replace(GOOD, rmse=Interval(0.2, 0.19, 0.21), falls=HALF, survival=0.5)
LOST = Metrics(100, *[None] * 5, ALWAYS, 0.0, *[None] * 7)


def rows(policy: str, metrics: Metrics) -> list[dict]:
    return [Row(policy, case, metrics).flat() for cases in SUITE.values() for case in cases]


def test_every_case_of_the_suite_is_of_its_part_and_in_a_claim():
    for name, cases in SUITE.items():
        for case in cases:
            row = Row("none", case, GOOD).flat()
            assert part(row) == name
            assert any(claim.rows(row) for claim in CLAIMS), case


def test_the_summary_tells_good_from_bad_and_from_lost():
    data = rows("none", BAD) + rows("default", GOOD) + rows("lost", LOST)
    head, table = summary(data, [("zero action", ["none"]), ("learned", ["default"]), ("lost", ["lost"])])
    assert head[1:] == ["zero action", "learned", "lost"]
    trot = next(row for row in table if row[0].startswith("trot 0.2"))
    assert trot[1].startswith("0.200 m/s; 50.0 %")
    assert trot[2].startswith("0.020 m/s; 0.0 %")
    assert "they fall" in trot[3]
    _, long = details(data, [("zero action", ["none"]), ("lost", ["lost"])])
    assert len(long) == sum(map(len, SUITE.values()))
    assert long[0][2].startswith("-; 100 %")


def test_only_what_was_walked_is_claimed():
    case = Case("pace", 0.5, kick=1.0)
    _, table = summary([Row("none", case, GOOD).flat()], [("zero action", ["none"])])
    assert [row[0] for row in table] == ["shoves of 1.0 m/s: survival"]


def test_seeds_are_told_by_their_mean_and_interval():
    worse = replace(GOOD, rmse=Interval(0.04, 0.03, 0.05), falls=Interval(0.02, 0.0, 0.07), survival=0.98)
    names = ["first", "second", "third"]
    data = rows("first", GOOD) + rows("second", GOOD) + rows("third", worse)
    _, table = summary(data, [("seeds", names)])
    # Mean .0267, sd .0115, t(2) = 4.303: half an interval of .0287.
    assert table[0][1] == "0.027 m/s (0.000 to 0.055); 0.7 % (0.0 to 3.5)"
    _, long = details(data, [("seeds", names)])
    assert long[0][1].startswith("0.027; 1 %")
    assert over_seeds([1.0, 1.0, 1.0]) == (1.0, 1.0)


def test_seeds_that_agree_have_the_interval_of_all_their_walks():
    data = rows("first", GOOD) + rows("second", GOOD)
    _, table = summary(data, [("one", ["first"]), ("both", ["first", "second"])])
    one, both = (float(said.split(" to ")[1].rstrip(")")) for said in table[0][1:])
    assert table[0][2].startswith("0.020 m/s; 0.0 % (0.0 to ") and 0.0 < both < one


@pytest.mark.parametrize(("mine", "zero", "found"), [(BAD, GOOD, True), (GOOD, BAD, False), (GOOD, GOOD, False)])
def test_where_learning_is_worse_is_said(mine, zero, found):
    case = Case("trot", 0.5, kick=1.0)
    data = [Row("default", case, mine).flat(), Row("none", case, zero).flat()]
    assert worse_than_nothing(data, ["default"]) == (["trot 0.5 m/s, kick 1.0"] if found else [])
    assert asdict(case)["kick"] == 1.0


def test_an_evaluation_that_was_broken_off_is_named():
    data = [Row("none", Case("trot", 0.5), GOOD).flat()]
    with pytest.raises(ValueError, match=r"no walks of default in 'trot 0.5 m/s'"):
        worse_than_nothing(data, ["default"])


def test_seeds_are_worse_than_nothing_only_where_they_agree():
    case = Case("trot", 0.5)

    def found(*errors: float) -> list[str]:
        zero = Row("none", case, replace(GOOD, rmse=Interval(0.02, 0.019, 0.021)))
        seeds = [
            Row(str(index), case, replace(GOOD, rmse=Interval(rmse, rmse, rmse))) for index, rmse in enumerate(errors)
        ]
        return worse_than_nothing([row.flat() for row in (zero, *seeds)], ["0", "1", "2"])

    assert found(0.030, 0.031, 0.032) == [case.title]
    assert found(0.020, 0.031, 0.042) == []
    assert found(0.010, 0.011, 0.012) == []
