from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.browsing import PHONE
from tests.browser.visits import LONGEST_BANNER, SAMPLE, Visit, steer, violations

pytestmark = pytest.mark.browser

OVERLAPS = """() => {
  const parts = [".bar", ".banner", ".hud", ".toast", ".tools", ".panel"].map((name) => document.querySelector(name));
  const seen = parts.filter((part) => part.checkVisibility());
  const boxes = seen.map((part) => [part.className, part.getBoundingClientRect()]);
  return boxes.flatMap(([name, a], i) => boxes.slice(i + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => `${name} ${other}`));
}"""
"""Pairs of parts of the page whose boxes overlap."""
SPILLS = """() => [...document.querySelectorAll(".bar > *, .facts, .banner, .toast, .senses *, .layout button")]
  .filter((part) => part.checkVisibility() && !part.closest("svg"))
  .filter((part) => part.getBoundingClientRect().right > innerWidth || part.scrollWidth > part.clientWidth + 2)
  .filter((part) => !["tagline", "hearing-name"].some((may) => [part.className, part.id].includes(may)))
  .filter((part) => part.clientWidth > 0).map((part) => part.id || part.className)"""
"""Parts that reach out of the window, or whose text reaches out of them; two say by an ellipsis that there is more."""
COVERED = """() => [...document.querySelectorAll("button, input, select")].filter((control) => {
  if (!control.checkVisibility({ visibilityProperty: true })) return false;
  control.scrollIntoView({ block: "nearest" });
  const { x, y, width, height } = control.getBoundingClientRect();
  const met = document.elementFromPoint(x + width / 2, y + height / 2);
  return !control.contains(met) && !met?.closest("label")?.contains(control);
}).map((control) => control.id || control.textContent)"""
"""Controls that a finger on their middle would miss."""
PLACES = """() => Object.fromEntries([...document.querySelectorAll(".layout :is(button, input, select)")]
  .filter((control) => control.checkVisibility({ visibilityProperty: true })).map((control, i) => {
    const [{ x, y, width, height }, rolled] = [control.getBoundingClientRect(), control.closest("#panel-body")];
    return [control.id || Object.values(control.dataset).join(" "), [x, y + (rolled?.scrollTop ?? 0), width, height]];
  }))"""
"""x, y, width and height of every control that can be seen, px, as if the panel had not been scrolled."""
FEW_PX = 2
SIZES = pytest.mark.parametrize("size", [(320, 640), (390, 844), (844, 390), (1280, 720)], ids=str)
NO_SOUND = {"name": 60 * "long ", "mimeType": "audio/wav", "buffer": b"no sound"}


@pytest.fixture
def sized(browser, server, size) -> Iterator[Visit]:
    """The page in a window of a size, with nothing that is still moving when it is measured."""
    opened = Visit(browser, server, dict(zip(("width", "height"), size, strict=True)))
    opened.page.emulate_media(reduced_motion="reduce")
    opened.page.click("#reset")
    yield opened
    opened.pause(False)  # whatever a test that failed left behind: the server is the next one's too
    opened.close()


def test_the_card_is_wide_enough_for_every_gait_by_hand(visit):
    page = visit.page
    steer(page, -0.4)
    visit.state("s.manual.speed === -0.4")
    gaits = page.evaluate("[...document.querySelectorAll('[data-gait]')].map(({ dataset }) => dataset.gait)")
    for gait in set(gaits) - {"auto"}:
        page.click(f"[data-gait='{gait}']")
        visit.until(f"document.querySelector('#gait').innerText === '{gait}' && window.empaw.state.vx < -0.05")
        for size in [(320, 640), (361, 740), (390, 844), (667, 375), (760, 500), (844, 390), (1280, 720)]:
            page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
            assert page.evaluate(SPILLS) == [], (gait, size)


@SIZES
def test_nothing_covers_anything_and_readers_of_the_screen_miss_nothing(sized):
    page = sized.page
    assert violations(page) == []
    page.click("#microphone")
    page.click("#camera")
    page.set_input_files("#upload", str(SAMPLE))
    sized.state("s.hearing !== null && s.sight !== null")
    steer(page, -0.4)
    sized.state("s.manual.speed === -0.4")
    page.set_input_files("#upload", files=[NO_SOUND])
    sized.until("document.querySelector('#toast').dataset.level === 'error'")
    sized.expect_complaint("415")
    page.evaluate("document.querySelector('#sample-text').textContent = 'Sample: fearful'")
    assert page.evaluate(OVERLAPS) == page.evaluate(SPILLS) == page.evaluate(COVERED) == []
    at_face = "(({ x, y }) => document.elementFromPoint(x + 20, y + 20).id)"
    assert page.evaluate(f"{at_face}(document.querySelector('#face').getBoundingClientRect())") == "face"
    assert violations(page) == []
    sized.pause(True)
    page.evaluate(
        f"""const banner = document.querySelector("#banner");
        banner.hidden = false; banner.textContent = "{LONGEST_BANNER}";
        document.querySelector("#connection-text").textContent = "reconnecting";"""
    )
    assert page.evaluate(OVERLAPS) == page.evaluate(SPILLS) == page.evaluate(COVERED) == []
    assert violations(page) == []
    sized.pause(False)
    page.click("#microphone")
    page.click("#camera")


@SIZES
def test_no_control_moves_whatever_happens(sized):
    page = sized.page
    before = page.evaluate(PLACES)
    assert {"microphone", "push", "pause", "happy emotion-happy", "trot gait-trot", "speed"} <= set(before)

    def expect_all_in_place() -> None:
        now = page.evaluate(PLACES)
        before.update({name: place for name, place in now.items() if name not in before})  # such as: Stop
        assert {n: (before[n], now[n]) for n in now if _apart(before[n], now[n]) > FEW_PX} == {}

    page.click("#microphone")
    sized.until("document.querySelector('#microphone-text').innerText === 'Listening'")
    expect_all_in_place()
    page.click("#camera")
    sized.state("s.sight !== null")
    expect_all_in_place()
    page.click("#sample")
    sized.state("s.hearing !== null && s.emotion !== null")
    sized.until("document.querySelector('#notice').textContent.includes('listens')")
    expect_all_in_place()
    page.set_input_files("#upload", files=[NO_SOUND])
    sized.until("document.querySelector('#toast').dataset.level === 'error'")
    sized.expect_complaint("415")
    expect_all_in_place()
    page.evaluate("document.querySelector('#notice-close').click()")  # it may be gone already
    expect_all_in_place()
    page.click("[data-emotion='surprised']")
    page.click("[data-gait='bound']")
    steer(page, -0.4)
    sized.state("s.manual.speed === -0.4 && s.manual.gait === 'bound' && s.manual.emotion === 'surprised'")
    expect_all_in_place()
    sized.pause(True)
    expect_all_in_place()
    sized.pause(False)
    page.click("#camera")
    page.click("#microphone")
    page.click("#reset")
    sized.state("s.sight === null && s.hearing === null && s.emotion === null")
    expect_all_in_place()
    refused = "Promise.reject(new DOMException('', 'NotAllowedError'))"
    page.evaluate(f"void (navigator.mediaDevices.getUserMedia = () => {refused})")
    page.click("#camera")
    sized.until("document.querySelector('#notice').textContent.includes('camera was refused')")
    expect_all_in_place()


def _apart(a: list[float], b: list[float]) -> float:
    return max(abs(p - q) for p, q in zip(a, b, strict=True))


def test_a_phone_shows_everything_without_scrolling_sideways(browser, server):
    opened = Visit(browser, server, PHONE)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    box = page.locator("canvas#view").bounding_box()
    assert box is not None
    assert box["height"] > 250
    for name in ("#microphone", "#push", "[data-emotion='sad']"):
        page.locator(name).scroll_into_view_if_needed()
        size = page.locator(name).bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 44
    page.click("[data-emotion='sad']")
    opened.state("s.behaviour === 'comfort'")
    page.click("[data-emotion='auto']")
    opened.close()
