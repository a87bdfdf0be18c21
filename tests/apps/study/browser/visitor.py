"""A participant in a browser: what they see, what they press, and what went wrong or outside meanwhile."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.request import Request as Call
from urllib.request import urlopen

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext

from benchmarks.browsing import Tab
from policies.taste.queries import COMPARISONS
from tests.conftest import PATIENCE_S

_WATCH = """
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(
  `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
// What was shown for a moment, for whoever looks later: on a busy machine nobody looks in time.
globalThis.shownTexts = { banner: [], notice: [] };
new MutationObserver(() => {
  for (const [id, texts] of Object.entries(shownTexts)) {
    const element = document.getElementById(id);
    if (element && !element.hidden && texts.at(-1) !== element.textContent) texts.push(element.textContent);
  }
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""
# A tab that has been in a session already, as after a reload.
_BEGUN = """
if (!sessionStorage.getItem("begun")) {
  sessionStorage.setItem("begun", "yes");
  sessionStorage.setItem("empaw-study-session", SECRET);
}
"""


class Elsewhere:
    """A session that is led on without the page, as from another device.

    Args:
        address: of the server.
        external: platform and ids.
    """

    def __init__(self, address: str, external: dict[str, Any] | None = None) -> None:
        self.address = address
        body = {"external": external or {"platform": None, "ids": {}}, "language": "en", "client": {}}
        self.secret: str = self._call("/sessions", body)["session"]
        self.step: dict[str, Any] = self._call("/next")

    @classmethod
    def at(cls, address: str, kind: str, external: dict[str, Any] | None = None) -> Elsewhere:
        """A session at its first step of a kind, practice left aside."""
        session = cls(address, external)
        while session.step["kind"] != kind or session.step.get("phase") == "practice":
            session.answer()
        return session

    def answer(self) -> dict[str, Any]:
        """Answer the step; the step after it."""
        step = self.step
        items = step.get("instrument", {}).get("items", [])
        data = {
            "consent": {"agreed": True, "sha256": step.get("sha256")},
            "grid": {"choice": [0, 1]},
            "questionnaire": {"responses": {item["id"]: item["low"] for item in items}},
        }.get(step["kind"], {"choice": 0, "confidence": None})
        where = {"trial_id": step["trial_id"], "expected_seq": step["expected_seq"]}
        event = {"key": str(uuid.uuid4()), "type": "answer", "data": data, "client_ms": 1.0}
        self.step = self._call("/events", {**where, **event})["next"]
        return self.step

    def _call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "X-Study-Session": getattr(self, "secret", "")}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Call(f"{self.address}/api/study{path}", data, headers), timeout=PATIENCE_S) as reply:
            answer: dict[str, Any] = json.loads(reply.read())
        return answer


class Visitor(Tab):
    """A page of the study that is open.

    Args:
        context: the browser's.
        address: of the server.
        query: of the link.
        session: one that this tab is in already.
        before: script that runs before those of the page.
    """

    def __init__(
        self,
        context: BrowserContext,
        address: str,
        query: str = "",
        session: Elsewhere | None = None,
        before: str = "",
    ) -> None:
        page = context.new_page()
        begun = "" if session is None else _BEGUN.replace("SECRET", json.dumps(session.secret))
        page.add_init_script(_WATCH + begun + before)
        super().__init__(page, address, f"/{query}")

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        violations = [] if self.page.is_closed() else self.page.evaluate("globalThis.violations ?? []")
        self.page.close()
        if kind is None:
            assert violations == []
            self.check()

    def shown(self) -> object:
        return self.step

    @property
    def step(self) -> dict[str, Any]:
        """The step that is on the screen."""
        shown: dict[str, Any] = self.page.evaluate("globalThis.empaw?.runner?.step ?? {}")
        return shown

    def arrive(self, after: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait for a step (another than `after`, if given) that can be answered, or for the last page."""
        known = -1 if after is None else after.get("expected_seq", -1)
        step = "globalThis.empaw?.runner?.step"
        self.until(f"document.querySelector('.last') || ({step} && {step}.expected_seq !== {known} && {self._ready()})")
        return {"kind": "done"} if self.page.locator(".last").count() else self.step

    @staticmethod
    def _ready() -> str:
        comparison = f"{list(COMPARISONS)}.includes(empaw.runner.step.kind)"
        watched = "!!document.querySelector('.trial:not(.watching) .choices')"
        return f"document.querySelector('#jspsych h1') && (!{comparison} || ({watched} && empaw.stage.drawn.length))"

    def says(self, name: str) -> str:
        """The text of an element by its test id."""
        return self.page.locator(f"[data-testid='{name}']").inner_text()

    def was_told(self, where: str, words: str) -> None:
        """Wait until words have been shown in the banner or as a notice; they may be gone again."""
        self.until(f"shownTexts.{where}.some((text) => text.includes({json.dumps(words)}))")

    def inspect(self) -> None:
        """No serious finding of axe-core, and nothing wider than the screen."""
        found = Axe().run(self.page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
        assert serious == [], f"{self.step.get('kind')}: {serious}"
        # (Phones zoom out to what is too wide: its window's own width says nothing.)
        assert self.page.viewport_size is not None
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.page.viewport_size["width"]

    def finish(self, answer: Callable[[dict[str, Any]], None], most: int = 60) -> list[str]:
        """Answer until the end. Returns the kinds of steps that came."""
        kinds, step = [], self.arrive()
        while step["kind"] != "done":
            assert len(kinds) < most
            kinds.append(step["kind"])
            answer(step)
            if step.get("phase") == "practice":
                self.until("document.querySelector('.feedback')")
                self.press_continue()
            step = self.arrive(step)
        return kinds

    def press_continue(self) -> None:
        """The button of a page to read, by whatever means; it has the focus after feedback."""
        self.until("document.querySelector('[data-testid=continue]')?.getAttribute('aria-disabled') !== 'true'")
        self.page.locator("[data-testid=continue]").press("Enter")

    # ---- by keyboard only ----

    def tab_to(self, selector: str, most: int = 80) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(most):
            if self.page.evaluate(f"document.activeElement?.matches({selector!r})"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {selector}")

    def type_answer(self, step: dict[str, Any]) -> None:
        """Answer with keys alone."""
        keys = self.page.keyboard
        if step["kind"] in COMPARISONS:
            for key in {"triplet": "2", "preference": "1", "grid": "25"}[step["kind"]]:
                keys.press(key)
            if step["kind"] == "grid":
                keys.press("Enter")
            if step["ask_confidence"]:
                self.page.wait_for_timeout(300)  # sooner it is taken for a bounce
                keys.press("4")
        elif step["kind"] == "consent":
            for box in self.page.locator("input[type=checkbox]").all():
                self.tab_to(f"#{_name(box)}")
                keys.press("Space")
            self.tab_to("[data-testid=agree]")
            keys.press("Enter")
        else:
            for item in step.get("instrument", {}).get("items", []):
                self.tab_to(f"[data-item={item['id']}] input")
                keys.press("Space" if item["kind"] in ("likert", "differential") else "ArrowRight")
            self.until("document.querySelector('[data-testid=continue]').getAttribute('aria-disabled') !== 'true'")
            self.tab_to("[data-testid=continue]")
            keys.press("Enter")

    # ---- by touch only ----

    def tap_answer(self, step: dict[str, Any]) -> None:
        """Answer with taps alone."""
        tap = self.page.tap
        if step["kind"] == "triplet":
            tap("[data-testid=clip-0]")
            tap("[data-testid=clip-2]")
            if step["ask_confidence"]:
                tap("[data-confidence='3']")
        elif step["kind"] == "preference":
            tap("[data-choice='-1']")
        elif step["kind"] == "grid":
            for clip in (0, 5):
                tap(f"[data-testid=clip-{clip}]")
            tap("[data-testid=confirm]")
            if step["ask_confidence"]:
                tap("[data-confidence='5']")
        elif step["kind"] == "consent":
            for box in self.page.locator(".tick").all():
                box.tap()
            tap("[data-testid=agree]")
        else:
            for item in step.get("instrument", {}).get("items", []):
                inputs = self.page.locator(f"[data-item={item['id']}] input")
                inputs.last.tap()
            self.until("document.querySelector('[data-testid=continue]').getAttribute('aria-disabled') !== 'true'")
            tap("[data-testid=continue]")


def _name(box: Any) -> str:
    """Give an element an id, for whoever has to look for it."""
    name: str = box.evaluate("(e) => (e.id ||= `box-${Math.random().toString(36).slice(2)}`)")
    return name
