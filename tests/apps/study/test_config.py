"""Settings say what came, what is allowed, and what to do; the template that init writes is one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.study import init
from apps.study.config import ConfigError, config_from, load_config
from apps.study.errors import StudyError
from apps.study.init import InitStudy, init_study
from apps.study.instruments import SHIPPED, InstrumentError
from apps.study.protocol import SessionRequest
from apps.study.serve import open_study
from apps.study.stimuli import load_trajectories
from tests.apps.study.folder import PointTask, make_study, settings, write_toml
from tests.conftest import PATIENCE_S

BLOCK = settings()["blocks"][0]
TEXT = settings()["texts"]["en"]


def test_settings_survive_their_file_and_the_database(tmp_path):
    raw = settings(allocation={"conditions": ["a", "b"]}, condition_policies={"a": "coverage"}, database="sqlite:///x")
    write_toml(tmp_path / "study.toml", raw)
    config = load_config(tmp_path / "study.toml")
    assert config == config_from(raw)
    kept = config_from(json.loads(json.dumps(config.as_json())))
    assert kept == replace(config, database="") and kept.sha256 == config.sha256


def test_odd_texts_survive_toml(tmp_path):
    odd = 'quote " back \\ line\n tab\t nul-free \u2028 emoji \U0001f436 "; DROP TABLE event'
    write_toml(tmp_path / "study.toml", settings(title=odd))
    assert load_config(tmp_path / "study.toml").title == odd


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "Not a name"}, "a-z"),
        ({"seed": -1}, "0 to"),
        ({"seed": 1.5}, "int is needed"),
        ({"seed": True}, "int is needed"),
        ({"colour": "red"}, "unknown setting 'colour'"),
        ({"blocks": []}, "at least one"),
        ({"blocks": [BLOCK, BLOCK]}, "names that differ"),
        ({"blocks": "all"}, "a list is needed"),
        ({"blocks": [{"name": "x"}]}, "'task'"),
        ({"blocks": [{**BLOCK, "kind": "odd"}]}, "triplet, preference, grid"),
        ({"blocks": [{**BLOCK, "trials": 0}]}, "1 to 2000"),
        ({"blocks": [{**BLOCK, "random_share": 0.1}]}, "0.15 or more"),
        ({"blocks": [{**BLOCK, "repeat_share": 0.9}]}, "at most 0.9"),
        ({"blocks": [{**BLOCK, "min_watch_s": float("nan")}]}, "0 to 120"),
        ({"texts": {}}, "one with texts"),
        ({"texts": {"en": {**TEXT, "consent": []}}}, "at least one paragraph"),
        ({"texts": {"../en": TEXT}}, "languages such as"),
        ({"texts": {"en": {**TEXT, "blocks": {"three": ["x"]}}}}, "names of blocks"),
        ({"language": "de"}, "one with texts: en"),
        ({"codes": {"completed": "X", "withdrew": "X"}}, "codes that differ"),
        ({"codes": {"completed": "<b>"}}, "letters, digits"),
        ({"recruitment": {"completion_url": "javascript:alert('{code}')"}}, "https://"),
        ({"recruitment": {"platform": "other"}}, "prolific"),
        ({"practice": {"trials": 2, "needed": 3}}, "0 to 2"),
        ({"condition_policies": {"x": "random"}}, "conditions"),
        ({"condition_kinds": {"x": "grid"}}, "conditions"),
        ({"allocation": {"rule": "gittins"}}, "2 or 3"),
        ({"allocation": {"conditions": ["a", ""]}}, "1 to 64 letters"),
        ({"allocation": {"conditions": ["a", "b" * 81]}}, "1 to 64 letters"),
        ({"blocks": [{**BLOCK, "name": "before"}]}, "other names than before"),
        ({"questionnaires": {"after": ["sus", "sus"]}}, "each instrument once"),
        ({"texts": {"en": {**TEXT, "consent_version": "1" * 81}}}, "1 to 80 characters"),
        ({"texts": {"en": {"consent": ["x"]}}}, "'consent_version', 'checkboxes'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_settings_are_refused_with_what_is_allowed(changes, complaint):
    with pytest.raises(ConfigError, match=r"came|unknown|add (it|them)") as caught:
        config_from(settings(**changes))
    assert complaint in str(caught.value)


def test_a_setting_out_of_range_names_its_file(tmp_path):
    write_toml(tmp_path / "study.toml", settings(seed=-1))
    with pytest.raises(ConfigError, match=f"{tmp_path / 'study.toml'}: seed: -1 came"):
        load_config(tmp_path / "study.toml")


def test_a_missing_or_broken_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="init"):
        load_config(tmp_path / "study.toml")
    for text in ("name = ", "seed = " + 5000 * "9"):
        (tmp_path / "study.toml").write_text(text)
        with pytest.raises(ConfigError, match="cannot be read as TOML"):
            load_config(tmp_path / "study.toml")


@pytest.mark.parametrize(
    ("changes", "kind", "complaint"),
    [
        ({"blocks": [{**BLOCK, "policy": "nowhere"}]}, ConfigError, "random, coverage"),
        ({"blocks": [{**BLOCK, "policy": "json:nothing"}]}, ConfigError, "module:name"),
        ({"blocks": [{**BLOCK, "kind": "grid", "policy": "arr"}]}, StudyError, "'arr' chooses triplets only"),
        (
            {
                "allocation": {"conditions": ["a"]},
                "condition_kinds": {"a": "preference"},
                "condition_policies": {"a": "disagreement"},
            },
            StudyError,
            "'disagreement' chooses triplets only",
        ),
        ({"texts": {"en": TEXT, "fr": TEXT}}, ConfigError, "texts.fr: the page speaks de, en; translate"),
        ({"questionnaires": {"after": ["nothing-like-it"]}}, InstrumentError, "there is no instrument"),
        ({"questionnaires": {"after": ["../study"]}}, InstrumentError, "a-z"),
        ({"database": "mysql://root@localhost/x"}, StudyError, "sqlite and postgresql"),
        ({"database": "???"}, StudyError, "address"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_study_that_cannot_run_does_not_start(tmp_path, changes, kind, complaint):
    make_study(tmp_path, **changes)
    with pytest.raises(kind, match=complaint):
        open_study(tmp_path)


def test_a_questionnaire_without_words_waits_for_the_labs_own(tmp_path):
    make_study(tmp_path, questionnaires={"after": ["rosas-sf"]})
    with pytest.raises(InstrumentError, match="get the permission"):
        open_study(tmp_path)
    text = (SHIPPED / "rosas-sf.toml").read_text().replace("[[items]]", '[[items]]\ntext = "a word"')
    (tmp_path / "instruments").mkdir()
    (tmp_path / "instruments" / "rosas-sf.toml").write_text(text)
    open_study(tmp_path).close()


def test_a_labs_own_language_is_looked_at(tmp_path):
    make_study(tmp_path, texts={"en": TEXT, "fr": TEXT})
    (tmp_path / "locales").mkdir()
    for text, complaint in (("{", "as JSON"), ("[]", "object of texts"), ('{"continue": 3}', "'continue' is none")):
        (tmp_path / "locales" / "fr.json").write_text(text)
        with pytest.raises(ConfigError, match=complaint):
            open_study(tmp_path)
    (tmp_path / "locales" / "fr.json").write_text('{"continue": "Continuer"}')
    open_study(tmp_path).close()


def test_animations_must_be_those_that_the_blocks_show(tmp_path):
    make_study(tmp_path)
    write_toml(tmp_path / "study.toml", settings(blocks=[{**BLOCK, "task": "lines"}]))
    with pytest.raises(StudyError, match="'lines' has no animations; there are points"):
        open_study(tmp_path)
    next((tmp_path / "stimuli").glob("*.empa")).unlink()
    with pytest.raises(StudyError, match="is missing"):
        open_study(tmp_path)


def test_a_new_folder_is_ready_to_serve_and_registers_its_plan(tmp_path, monkeypatch):
    monkeypatch.setattr("envs.trajectories.registry.make_task", lambda name: PointTask())
    folder = init_study(InitStudy(tmp_path / "My first Study!", task="points", items=12, platform="prolific"))
    config = load_config(folder / "study.toml")
    assert config.name == "my-first-study" and config.recruitment.require_id
    assert {block.min_watch_s for block in config.blocks} == {0.1}  # three thirtieths of a second: a clip is seen whole
    assert config.recruitment.completion_url.startswith("https://app.prolific.com/submissions/complete?cc=")
    storage = open_study(folder)
    storage.close()
    trajectories = load_trajectories(storage.stimuli, "points")
    again = PointTask().features(trajectories)
    assert np.allclose(again, storage.stimuli.tasks["points"].features, atol=1e-5)
    assert list(trajectories.extras) == ["number"]
    (folder / "stimuli" / "points.npz").write_bytes(b"other")
    with pytest.raises(StudyError, match="copy it back"):
        load_trajectories(storage.stimuli, "points")
    assert storage.registered.study_id == 1
    (folder / "analysis.toml").write_text((folder / "analysis.toml").read_text() + "# another plan\n")
    open_study(folder).close()
    with pytest.raises(ConfigError, match="not empty"):
        init_study(InitStudy(folder))
    with pytest.raises(StudyError, match="allowed are 3"):
        init_study(InitStudy(tmp_path / "other", items=2))
    assert [path.name for path in tmp_path.iterdir()] == ["My first Study!"]
    (tmp_path / "other").mkdir()
    assert (init_study(InitStudy(tmp_path / "other", task="points", items=3)) / "study.db").is_file()


H = '[sample]\nn = 4\nstopping = ""\n[[hypotheses]]\nname = "H"\ntext = ""\noutcome = "rt"\n'


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        ("# nothing", "'n', 'stopping' missing"),
        (H + 'levels = ["one", "three"]\n', "'three' came; the study has one, two"),
        (H + 'factor = "condition"\nlevels = ["a", "b"]\n', "'a' came; the study has none"),
        (H + '[[scales]]\nid = "s"\ninstrument = "godspeed"\nitems = ["x"]\nlow = 1\nhigh = 5\n', "the study asks sus"),
        (H + '[[scales]]\nid = "s"\ninstrument = "sus"\nitems = ["x"]\nlow = 1\nhigh = 5\n', "item 'x' came"),
        (H.replace("[[h", 'included = ["finished"]\n[[h'), "'finished' came; allowed are completed"),
    ],
)
def test_a_plan_that_cannot_be_used_is_told_before_anybody_takes_part(tmp_path, plan, complaint):
    make_study(tmp_path, questionnaires={"after": ["sus"]})
    (tmp_path / "analysis.toml").write_text(H)
    storage = open_study(tmp_path)
    (tmp_path / "analysis.toml").write_text(plan)
    with pytest.raises(StudyError, match=complaint):
        open_study(tmp_path)
    storage.begin(SessionRequest("none", {}, "en", {})).result(PATIENCE_S)
    storage.close()
    # Whoever is in the middle can go on.
    again = open_study(tmp_path)
    again.close()
    assert complaint in " ".join(again.registered.notices)


def test_the_codes_of_two_studies_differ(tmp_path):
    options = InitStudy(Path(tmp_path / "x"))
    assert init._settings(options) != init._settings(options)
