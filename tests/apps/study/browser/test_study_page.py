from __future__ import annotations

import json
import uuid

import pytest
from playwright.sync_api import BrowserContext

from tests.apps.study.browser.conftest import CODES
from tests.apps.study.browser.visitor import Elsewhere, Visitor

pytestmark = pytest.mark.browser

ALL_KINDS = {"consent", "instructions", "triplet", "preference", "grid", "break", "questionnaire", "debrief"}


def visit_at(kind: str, context: BrowserContext, address: str, **more: str) -> Visitor:
    """A page that is opened in the middle of a session, at the first step of a kind."""
    return Visitor(context, address, session=Elsewhere.at(address, kind), **more)


def test_a_whole_session_by_keyboard(newcomer, address):
    with Visitor(newcomer, address) as visitor:

        def answer(step: dict) -> None:
            if step["kind"] not in seen:
                visitor.inspect()
            seen.add(step["kind"])
            visitor.type_answer(step)

        seen: set[str] = set()
        kinds = visitor.finish(answer)
        assert set(kinds) == ALL_KINDS
        assert visitor.says("code") == CODES["completed"]
        link = visitor.page.locator("[data-testid=link]").get_attribute("href")
        assert link == f"https://recruiting.example/complete?cc={CODES['completed']}"
        visitor.inspect()


def test_a_whole_session_by_touch_in_german_on_a_phone(phone, address):
    with Visitor(phone, address) as visitor:

        def answer(step: dict) -> None:
            if step["kind"] not in seen:
                visitor.inspect()
            seen.add(step["kind"])
            visitor.tap_answer(step)

        seen: set[str] = set()
        visitor.arrive()
        assert visitor.page.evaluate("document.documentElement.lang") == "de"
        assert visitor.says("agree") == "Ich nehme teil"
        assert set(visitor.finish(answer)) == ALL_KINDS
        assert visitor.says("code") == CODES["completed"]
        visitor.inspect()


def test_consent_is_text_in_the_language_of_the_session_and_may_be_declined(phone, address):
    with visit_at("consent", phone, address) as visitor:
        visitor.arrive()
        assert "<b>To learn</b>" in visitor.page.locator("article").inner_text()
        # This person began in English, on another device.
        assert visitor.page.evaluate("document.documentElement.lang") == "en"
        assert visitor.says("agree") == "I agree to take part"
        visitor.page.tap("[data-testid=decline]")
        visitor.page.tap("[data-testid=dialog-no]")  # a slip of the finger
        assert visitor.page.locator(".last").count() == 0
        visitor.page.tap("[data-testid=decline]")
        visitor.page.tap("[data-testid=dialog-yes]")
        visitor.until("document.querySelector('.last')")
        assert visitor.says("code") == CODES["withdrew"]


def test_a_reload_goes_on_where_one_was_and_keeps_what_was_filled_in(desk, address):
    with visit_at("questionnaire", desk, address) as visitor:
        step = visitor.arrive()
        item = step["instrument"]["items"][0]["id"]
        visitor.page.locator(f"[data-item={item}] input").first.press("ArrowRight")
        value = visitor.page.locator(f"[data-item={item}] input").first.input_value()
        visitor.page.reload()
        assert visitor.arrive()["trial_id"] == step["trial_id"]
        slider = visitor.page.locator(f"[data-item={item}] input").first
        assert slider.input_value() == value
        assert "touched" in slider.get_attribute("class")
        visitor.was_told("notice", "Welcome back")


def test_backspace_takes_back_the_choice_and_then_the_previous_answer(desk, address):
    with visit_at("triplet", desk, address) as visitor:
        first = visitor.arrive()
        # A bounce of the finger is not "how sure".
        key = "document.dispatchEvent(new KeyboardEvent('keydown', { key: '1', cancelable: true }));"
        visitor.page.evaluate(key + key)
        assert visitor.page.locator(".clip[aria-pressed=true]").count() == 2
        visitor.page.keyboard.press("Backspace")
        assert visitor.page.locator(".clip[aria-pressed=true]").count() == 0
        visitor.type_answer(first)
        second = visitor.arrive(first)
        assert second["progress"]["done"] == first["progress"]["done"] + 1
        visitor.page.keyboard.press("Backspace")
        again = visitor.arrive(second)
        assert again["trial_id"] == first["trial_id"]
        assert again["progress"]["done"] == first["progress"]["done"]


def test_whoever_leaves_is_asked_once_and_gets_another_code(newcomer, address):
    with visit_at("triplet", newcomer, address) as visitor:
        visitor.arrive()
        visitor.page.click("[data-testid=withdraw]")
        visitor.inspect()
        visitor.page.keyboard.press("Escape")
        assert visitor.page.locator("dialog[open]").count() == 0
        visitor.page.click("[data-testid=withdraw]")
        visitor.page.click("[data-testid=dialog-yes]")
        visitor.until("document.querySelector('.last')")
        assert visitor.says("code") == CODES["withdrew"]
        assert not visitor.page.locator("[data-testid=withdraw]").is_visible()
        visitor.page.reload()
        assert visitor.arrive()["kind"] == "consent"  # another session: nothing is left of the old one


def test_an_answer_given_without_network_is_kept_and_sent_once(desk, address):
    with visit_at("triplet", desk, address) as visitor:
        step = visitor.arrive()
        desk.set_offline(True)
        visitor.type_answer(step)
        visitor.was_told("banner", "is kept")
        assert visitor.page.evaluate("empaw.outbox.waiting.size") == 1
        visitor.complaints.clear()  # the browser's own word about the lost connection
        desk.set_offline(False)
        after = visitor.arrive(step)
        assert after["progress"]["done"] == step["progress"]["done"] + 1
        assert not visitor.page.locator("#banner").is_visible()
        assert visitor.page.evaluate("empaw.outbox.waiting.size") == 0
        visitor.complaints.clear()


def test_refusals_and_a_swallowed_acknowledgement_do_not_count_twice(desk, address):
    with visit_at("triplet", desk, address) as visitor:
        step = visitor.arrive()
        keys = []

        def hinder(route):
            keys.append(route.request.post_data_json["key"])
            if len(keys) == 1:
                route.fetch()  # it arrived; the reply is lost
                return route.abort()
            if len(keys) > 3:
                return route.continue_()
            status, code = {2: (503, "away"), 3: (507, "disk_full")}[len(keys)]
            return route.fulfill(status=status, headers={"Retry-After": "0.2"}, json={"error": "", "code": code})

        visitor.page.route("**/api/study/events", hinder)
        visitor.type_answer(step)
        after = visitor.arrive(step)
        visitor.was_told("banner", "No connection")
        visitor.was_told("banner", "cannot take your answer right now")
        assert len(keys) == 4
        assert len(set(keys)) == 1
        assert after["progress"]["done"] == step["progress"]["done"] + 1
        visitor.complaints.clear()


def test_a_reload_sends_what_was_left_in_the_outbox(desk, address):
    with visit_at("triplet", desk, address) as visitor:
        step = visitor.arrive()
        visitor.page.on("dialog", lambda dialog: dialog.accept())  # "an answer has not been sent yet"
        visitor.page.route("**/api/study/events", lambda route: route.abort())
        visitor.type_answer(step)
        visitor.was_told("banner", "No connection")
        visitor.page.unroute("**/api/study/events")
        visitor.page.reload()
        assert visitor.arrive()["progress"]["done"] == step["progress"]["done"] + 1
        visitor.complaints.clear()


def test_whoever_comes_back_by_the_platforms_link_loses_no_answer(newcomer, address):
    ids = {"PROLIFIC_PID": f"person-{uuid.uuid4().hex[:8]}"}
    Elsewhere.at(address, "triplet", {"platform": "prolific", "ids": ids})
    query = f"?PROLIFIC_PID={ids['PROLIFIC_PID']}"
    first = Visitor(newcomer, address, query)
    step = first.arrive()
    first.page.route("**/api/study/events", lambda route: route.abort())
    first.type_answer(step)
    first.was_told("banner", "No connection")
    first.page.close()
    with Visitor(newcomer, address, query) as visitor:
        assert visitor.arrive()["progress"]["done"] == step["progress"]["done"] + 1


def test_a_stale_page_shows_where_the_person_is_now(desk, address):
    session = Elsewhere.at(address, "triplet")
    with Visitor(desk, address, session=session) as visitor:
        step = visitor.arrive()
        moved = session.answer()
        visitor.type_answer(step)
        assert visitor.arrive(step)["trial_id"] == moved["trial_id"]
        visitor.was_told("notice", "elsewhere")
        visitor.complaints.clear()


def test_a_second_tab_is_told_and_the_first_one_rests(newcomer, address):
    with visit_at("triplet", newcomer, address) as first:
        step = first.arrive()
        secret = json.dumps({"secret": first.page.evaluate("empaw.session.secret"), "ids": {}, "began": 0})
        first.page.evaluate(f"empaw.session.storage.put('session', 'current', {secret})")
        second = Visitor(newcomer, address)
        second.until("document.querySelector('dialog[open]')")  # an unfinished session on this device
        second.page.click("[data-testid=dialog-yes]")
        # The first tab has a quarter of a second to speak up; on a busy machine it may be late, and rests all the same.
        asked = "document.querySelector('#dialog-title').textContent.includes('another tab')"
        second.until(f"{asked} || globalThis.empaw.runner?.step")
        if second.page.evaluate(asked):
            second.page.click("[data-testid=dialog-yes]")
        assert second.arrive()["trial_id"] == step["trial_id"]
        first.until("document.querySelector('[data-testid=trouble]')")
        assert "another tab" in first.says("trouble")
        first.page.keyboard.press("1")
        first.page.keyboard.press("0")
        assert first.page.locator(".clip[aria-pressed=true]").count() == 0
        assert first.page.evaluate("empaw.outbox.waiting.size") == 0
        second.__exit__(None)


def test_the_same_external_id_goes_on_and_unknown_parameters_are_left_out(newcomer, address):
    ids = {"PROLIFIC_PID": f"person-{uuid.uuid4().hex[:8]}", "STUDY_ID": "s1", "SESSION_ID": "x1"}
    step = Elsewhere.at(address, "triplet", {"platform": "prolific", "ids": ids}).step
    sent = []
    newcomer.on("request", lambda r: sent.append(r.post_data_json) if r.url.endswith("/sessions") else None)
    query = "?" + "&".join(f"{name}={value}" for name, value in {**ids, "utm_source": "mail"}.items())
    with Visitor(newcomer, address, query) as visitor:
        assert visitor.arrive()["trial_id"] == step["trial_id"]
        visitor.was_told("notice", "Welcome back")
    assert [body["external"] for body in sent] == [{"platform": "prolific", "ids": ids}]


def test_a_preview_begins_no_session(newcomer, address):
    with Visitor(newcomer, address, "?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h") as visitor:
        visitor.until("document.querySelector('[data-testid=trouble]')")
        assert "preview" in visitor.says("trouble")
        assert visitor.page.evaluate("globalThis.empaw.session") is None


def test_all_views_show_the_same_moment(desk, address):
    with visit_at("triplet", desk, address) as visitor:
        visitor.arrive()
        seen = "new Set(moments.map((drawn) => drawn[0].time)).size"
        visitor.until(f"(globalThis.moments ??= []).push(empaw.stage.drawn) && {seen} >= 4")
        moments = visitor.page.evaluate("moments")
        assert all(len(drawn) == 3 for drawn in moments)
        assert all(len({view["time"] for view in drawn}) == 1 for drawn in moments)
        visitor.page.keyboard.press("Space")
        visitor.until("!empaw.stage.playback.playing")
        # Left stays left where people read from right to left: positions are part of the data.
        visitor.page.evaluate("document.documentElement.dir = 'rtl'")
        lefts = [visitor.page.locator(f"[data-testid=clip-{i}]").bounding_box()["x"] for i in range(3)]
        assert lefts == sorted(lefts)
        assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert visitor.page.evaluate("document.querySelectorAll('canvas').length") == 1


def test_clips_wait_for_whoever_wants_little_motion(browser, address):
    context = browser.new_context(reduced_motion="reduce")
    with visit_at("triplet", context, address) as visitor:
        visitor.until("globalThis.empaw?.stage?.playback && document.querySelector('.choices')")
        assert not visitor.page.evaluate("empaw.stage.playback.playing")
        visitor.page.keyboard.press("1")
        assert visitor.page.locator(".clip[aria-pressed=true]").count() == 0
        assert "watch all clips" in visitor.page.locator(".hint.watch").inner_text()
        slider = visitor.page.locator("[data-testid=scrubber]")
        slider.focus()
        for _ in range(40):
            visitor.page.keyboard.press("ArrowRight")
        visitor.until("document.querySelector('.choices [aria-disabled=false]')")
        assert visitor.page.evaluate("empaw.stage.drawn[0].time") > 0
    context.close()


def test_a_browser_without_webgl_is_told_what_to_do(desk, address):
    without = "HTMLCanvasElement.prototype.getContext = () => null;"
    with visit_at("triplet", desk, address, before=without) as visitor:
        visitor.until("document.querySelector('.trial .problem')")
        assert "WebGL" in visitor.page.locator(".problem").inner_text()
        visitor.complaints.clear()


def test_clips_that_cannot_be_read_are_told(desk, address):
    with visit_at("triplet", desk, address) as visitor:
        visitor.page.route("**/api/study/stimuli/**", lambda route: route.fulfill(body=b"EMPA\x01\0\0\0cut short here"))
        visitor.page.reload()
        visitor.until("document.querySelector('.trial .problem')")
        assert "could not be loaded" in visitor.page.locator(".problem").inner_text()
        visitor.complaints.clear()


def _instead(visitor: Visitor, changes: dict) -> None:
    """Let the server's next step be another."""

    def change(route):
        reply = route.fetch().json()
        route.fulfill(json={**reply, **changes})

    visitor.page.route("**/api/study/next", change, times=1)
    visitor.page.reload()


def test_a_plugin_of_the_lab_shows_its_steps_and_unknown_kinds_are_named(desk, address):
    with visit_at("consent", desk, address) as visitor:
        visitor.arrive()
        _instead(visitor, {"kind": "lab-hello", "greeting": "Hello"})
        visitor.until("document.querySelector('[data-testid=hello]')")
        with visitor.page.expect_response("**/api/study/events") as replied:
            visitor.page.click("[data-testid=hello]")
        assert replied.value.request.post_data_json["data"]["said"] == "Hello"
        # The server was at another step, says so, and is asked for that.
        visitor.was_told("notice", "did not take the answer")
        visitor.until("document.querySelector('article.consent')")
        _instead(visitor, {"kind": "hologram"})
        visitor.until("document.querySelector('[data-testid=trouble]')")
        assert "hologram" in visitor.says("trouble")
        visitor.complaints.clear()


ALONE = """
async () => {
  const load = (src) => new Promise((done) => {
    const script = document.createElement("script");
    Object.assign(script, { src, onload: done });
    document.head.append(script);
  });
  await load("/static/vendor/jspsych/index.browser.min.js");
  const strings = await (await fetch("/static/study/locales/en.json")).json();
  const plugin = async (name) => (await import(`/static/study/plugins/${name}.js`)).default;
  const [Triplet, Questionnaire, Consent, TextPage] = await Promise.all(
    ["similarity-triplet", "questionnaire", "consent", "text-page"].map(plugin));
  const stimuli = ["/static/icon.svg", "/static/icon.svg?b", "/static/icon.svg?c"];
  const ends = { left: "no", right: "yes", labels: [] };
  const items = [{ id: "q", kind: "likert", text: "Well?", low: 1, high: 5, step: 1, points: 5, ...ends },
    { id: "s", kind: "slider", text: "How?", low: 0, high: 1, step: 0, points: null, ...ends }];
  const quick = { simulation_options: { data: { rt: 300 } } };
  const jsPsych = jsPsychModule.initJsPsych();
  await jsPsych.simulate([
    { type: Consent, strings, paragraphs: ["Text"], checkboxes: ["Yes"], ...quick },
    { type: TextPage, strings, title: "Read", ...quick },
    { type: Triplet, strings, stimuli, simulation_options: { data: { rt: 300, choice: 1, confidence: 4 } } },
    { type: Questionnaire, strings, instrument: { id: "i", title: "T", items }, ...quick },
  ], MODE);
  return jsPsych.data.get().values();
}
"""


@pytest.mark.parametrize("mode", ["data-only", "visual"])
def test_the_plugins_run_in_a_study_of_somebody_else(desk, address, mode):
    page = desk.new_page()
    page.route("**/api/**", lambda route: route.abort())
    page.goto(f"{address}/static/icon.svg".replace("icon.svg", "study/locales/en.json"))
    rows = page.evaluate(ALONE.replace("MODE", json.dumps(mode)))
    page.close()
    assert [row["trial_type"] for row in rows] == ["consent", "text-page", "similarity-triplet", "questionnaire"]
    assert rows[0]["agreed"] is True
    assert rows[2]["choice"] == rows[2]["response"] == 1
    assert rows[2]["confidence"] == 4
    assert set(rows[3]["responses"]) == {"q", "s"}
    assert rows[3]["plugin_version"] == "1.0.0"
