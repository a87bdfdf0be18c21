"""Questionnaires: their files are looked at, their scores are those of the literature."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.study.instruments import SHIPPED, InstrumentError, find_instrument, load_instrument

HEAD = 'id = "x"\nversion = "1"\ntitle = "T"\ncitation = "C"\nrights = "own"\nkind = "likert"\nlow = 1\nhigh = 5\n'
ITEMS = '[[items]]\nid = "a"\ntext = "A"\n[[items]]\nid = "b"\ntext = "B"\n'


def write(folder: Path, text: str, name: str = "x") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_scores_follow_the_file(tmp_path):
    scales = (
        '[[scales]]\nid = "mean"\nitems = ["a", "b"]\nreverse = ["b"]\n'
        '[[scales]]\nid = "sum"\nitems = ["a", "b"]\nscore = "sum"\nfrom_zero = true\nmultiply = 2.5\n'
        '[[scales]]\nid = "some"\nitems = ["a", "b"]\ncomplete = false\n'
        '[attention]\nitem = "b"\nequals = 2\n[contradiction]\npairs = [["a", "b"]]\nmost = 0\n'
    )
    instrument = load_instrument(write(tmp_path, HEAD + ITEMS + scales))
    scores = instrument.score({"a": 4, "b": 2})
    assert scores.scales == {"mean": 4.0, "sum": 10.0, "some": 3.0}
    assert scores.attention is True and not scores.contradictory
    assert instrument.score({"a": 4, "b": 5}).contradictory
    assert instrument.score({"a": 4}).scales == {"mean": None, "sum": None, "some": 4.0}
    assert instrument.score({}).attention is False


def test_a_translation_is_whole_or_refused(tmp_path):
    start = HEAD + 'left = "no"\nright = "yes"\n' + ITEMS + '[translations.de]\ntitle = "Titel"\nleft = "nein"\n'
    with pytest.raises(InstrumentError, match="lacks the text of 'a'"):
        load_instrument(write(tmp_path, start))
    whole = start + 'right = "ja"\n[translations.de.items.a]\ntext = "Ah"\n[translations.de.items.b]\ntext = "Be"\n'
    instrument = load_instrument(write(tmp_path, whole))
    german = instrument.in_language("de").as_json(["b", "a"])
    assert [item["text"] for item in german["items"]] == ["Be", "Ah"]
    assert (german["title"], german["items"][0]["left"], german["items"][0]["right"]) == ("Titel", "nein", "ja")
    assert instrument.in_language("fr") is instrument


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("id = ", "TOML"),
        (HEAD.replace('"x"', '"y"') + ITEMS, "file's name"),
        (HEAD.replace("own", "stolen") + ITEMS, "needs-permission"),
        (HEAD.replace("likert", "essay") + ITEMS, "differential"),
        (HEAD.replace("high = 5", "high = 1") + ITEMS, "low < high"),
        (HEAD + "step = 3\n" + ITEMS, "whole number of steps"),
        (HEAD + 'labels = ["a"]\n' + ITEMS, "1 labels for 5 points"),
        (HEAD + ITEMS + ITEMS, "ids must differ"),
        (HEAD + "colour = 1\n" + ITEMS, "unknown field 'colour'"),
        (HEAD.replace('title = "T"\n', "") + ITEMS, "'title' is missing"),
        (HEAD + ITEMS + '[[scales]]\nid = "s"\nitems = ["c"]\n', "'c' is named and not there"),
        (HEAD + '[[items]]\nid = "A b"\ntext = ""\n', "a-z"),
        (HEAD + ITEMS + '[attention]\nitem = "a"\nequals = 9\n', "nobody can answer"),
        (HEAD + "items = 3\n", "not iterable"),
        (HEAD.replace("low = 1", "low = -inf") + ITEMS, "infinity"),
        (HEAD.replace("high = 5", "high = 1e9") + ITEMS, "201 at most"),
        (HEAD + "step = 0\n" + ITEMS, "any number of points"),
        (HEAD + 'shuffle = "no"\n' + ITEMS, "true or false"),
        (HEAD.replace('"T"', "3") + ITEMS, "title: 3 came; a text"),
        (HEAD + '[[items]]\nid = "a"\ntext = 5\n', "item 'a': text: 5 came"),
        (HEAD + "labels = [1, 2, 3, 4, 5]\n" + ITEMS, "texts are needed"),
        (HEAD.replace("high = 5", "high = " + 5000 * "9") + ITEMS, "TOML"),
    ],
    ids=lambda value: value[-24:],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path, text, complaint):
    with pytest.raises(InstrumentError, match=complaint):
        load_instrument(write(tmp_path, text))


def test_text_that_needs_a_permission_must_come_from_the_lab(tmp_path):
    silent = HEAD.replace("own", "needs-permission") + '[[items]]\nid = "a"\n'
    instrument = load_instrument(write(tmp_path, silent))
    with pytest.raises(InstrumentError, match="get the permission"):
        instrument.require_text()
    anchors = HEAD.replace("own", "needs-permission") + 'left = "l"\nright = "r"\n[[items]]\nid = "a"\n'
    load_instrument(write(tmp_path, anchors)).require_text()


def test_a_labs_own_file_wins(tmp_path):
    write(tmp_path, HEAD + ITEMS)
    assert find_instrument("x", tmp_path).title == "T"
    with pytest.raises(InstrumentError, match="there is no instrument 'y'; there are"):
        find_instrument("y", tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_every_shipped_file_can_be_used_and_names_its_source(name):
    instrument = find_instrument(name)
    assert instrument.citation and instrument.version
    if instrument.rights != "needs-permission":
        instrument.require_text()
    else:
        assert not any(item.text for item in instrument.items)
    middle = {item.id: item.low for item in instrument.items}
    assert all(score is not None for score in instrument.score(middle).scales.values())


def test_usability_is_scored_as_its_author_does():
    sus = find_instrument("sus")
    best = {item.id: 5 if k % 2 == 0 else 1 for k, item in enumerate(sus.items)}
    assert list(sus.score(best).scales.values()) == [100.0]
    assert list(sus.score(dict.fromkeys(best, 3)).scales.values()) == [50.0]
    assert list(sus.score({k: v for k, v in best.items() if k != sus.items[0].id}).scales.values()) == [None]
    assert sus.score(dict.fromkeys(best, 5)).contradictory and not sus.score(best).contradictory


def test_load_is_the_mean_of_six_and_performance_is_not_reversed():
    tlx = find_instrument("nasa-tlx")
    assert len(tlx.items) == 6
    answers = {item.id: 5.0 * k for k, item in enumerate(tlx.items)}
    assert next(iter(tlx.score(answers).scales.values())) == pytest.approx(sum(answers.values()) / 6)
    performance = next(item for item in tlx.items if item.id.startswith("perf"))
    assert (performance.left.lower(), performance.right.lower()) == ("perfect", "failure")
    assert performance.points == 21 and performance.allows(35) and not performance.allows(36)
