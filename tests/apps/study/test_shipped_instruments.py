"""The questionnaires that come with the project: their rights, and scores worked out from the published rules."""

from __future__ import annotations

import pytest

from apps.study.instruments import SHIPPED, InstrumentError, find_instrument

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))
SILENT = {"rosas", "rosas-sf", "i-panas-sf"}


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_source_and_has_words_only_where_it_may(name):
    instrument = find_instrument(name)
    assert len(instrument.citation) > 20
    assert (instrument.rights == "needs-permission") == (name in SILENT)
    if name in SILENT:
        assert not any(item.text or item.left or item.right for item in instrument.items)
        with pytest.raises(InstrumentError, match="permission"):
            instrument.require_text()
    else:
        instrument.require_text()


def test_what_may_not_be_shipped_is_not_there():
    assert not {"sam", "panas"} & set(NAMES)
    assert {"nasa-tlx", "sus", "affective-slider", "godspeed"} <= set(NAMES)


def test_what_is_ours_says_that_it_is_not_validated():
    own = [find_instrument(name) for name in NAMES if find_instrument(name).rights == "own"]
    assert own
    assert all("not validated" in instrument.citation for instrument in own)


def test_sus_turns_even_items_round_and_tells_contradictions():
    sus = find_instrument("sus")
    best = {item.id: 5.0 if int(item.id[3:]) % 2 else 1.0 for item in sus.items}
    assert sus.score(best).scales == {"usability": 100.0}
    assert sus.score({item.id: 3.0 for item in sus.items}).scales == {"usability": 50.0}
    assert not sus.score(best).contradictory
    assert sus.score({item.id: 5.0 for item in sus.items}).contradictory
    assert sus.score({name: value for name, value in best.items() if name != "sus4"}).scales == {"usability": None}


def test_nasa_tlx_takes_performance_as_it_is_asked():
    tlx = find_instrument("nasa-tlx")
    easy = {item.id: 0.0 for item in tlx.items}
    assert tlx.score(easy).scales == {"workload": 0.0}
    # Failure, with no effort at all, is a sixth of the load.
    assert tlx.score({**easy, "performance": 100.0}).scales["workload"] == pytest.approx(100 / 6)
    assert all(item.points == 21 for item in tlx.items)


def test_godspeed_counts_artificial_lifelike_in_two_scales_and_turns_one_item():
    godspeed = find_instrument("godspeed")
    answers = {item.id: 1.0 for item in godspeed.items} | {"artificial_lifelike": 5.0}
    scores = godspeed.score(answers).scales
    assert scores["anthropomorphism"] == pytest.approx(9 / 5)
    assert scores["animacy"] == pytest.approx(10 / 6)
    assert scores["likeability"] == scores["perceived_intelligence"] == 1.0
    safety = find_instrument("godspeed-safety")
    calm = {"anxious_relaxed": 5.0, "agitated_calm": 5.0, "quiescent_surprised": 1.0}
    assert safety.score(calm).scales["perceived_safety"] == 5.0


def test_panas_short_form_sums_the_published_places():
    # Items bear the numbers of their places in the article.
    panas = find_instrument("i-panas-sf")
    pleased = {f"item{i}": 5.0 if i in (3, 5, 7, 8, 10) else 1.0 for i in range(1, 11)}
    assert panas.score(pleased).scales == {"positive_affect": 25.0, "negative_affect": 5.0}


def test_rosas_scales_are_means_of_their_own_items():
    for name, per_scale in (("rosas", 6), ("rosas-sf", 2)):
        instrument = find_instrument(name)
        answers = {item.id: 9.0 if item.id.startswith("warmth") else 1.0 for item in instrument.items}
        assert instrument.score(answers).scales == {"warmth": 9.0, "competence": 1.0, "discomfort": 1.0}
        assert all(len(scale.items) == per_scale for scale in instrument.scales)


def test_sliders_start_untouched_and_hold_any_number():
    for name in ("affective-slider", "dominance-slider"):
        instrument = find_instrument(name)
        assert instrument.must_touch
        assert all(item.points is None and item.allows(0.123) for item in instrument.items)
