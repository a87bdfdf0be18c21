from __future__ import annotations

import socket
import wave
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Browser, Playwright, WebSocket, sync_playwright

from benchmarks import browsing
from benchmarks.browsing import DESKTOP, PHONE, Tab
from benchmarks.serving import Server, running_server
from perception.speech.audio import read_sound
from tests.conftest import ROOT, wait_until
from tests.faces import drawn_face

pytestmark = pytest.mark.browser

FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
SAMPLES = ROOT / "assets" / "samples"
SAMPLE = SAMPLES / "hello.wav"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


def launch(playwright: Playwright, chromium: str, *flags: str) -> Browser:
    return browsing.launch(playwright, chromium, *FLAGS, *flags)


@pytest.fixture(scope="module")
def browser(playwright, chromium) -> Iterator[Browser]:
    started = launch(playwright, chromium)
    yield started
    started.close()


class Visit(Tab):
    """The page of the dog."""

    def __init__(self, browser: Browser, server: Server, size: dict[str, int], path: str = "/") -> None:
        super().__init__(browser.new_page(viewport=size), server.address, path)
        self.until("window.empaw && window.empaw.ready && window.empaw.state")

    def state(self, expression: str) -> None:
        """Wait until an expression about the last state `s` holds."""
        self.until(f"(s => {expression})(window.empaw.state)")

    def expect_complaint(self, words: str) -> None:
        """Wait until the browser's console says something, and forget that it did."""
        wait_until(lambda: any(words in text for text in self.complaints) or self.page.wait_for_timeout(50))
        self.complaints = [text for text in self.complaints if words not in text]

    def close(self) -> None:
        self.page.close()
        self.check()


@pytest.fixture
def visit(browser, server) -> Iterator[Visit]:
    opened = Visit(browser, server, DESKTOP)
    opened.page.click("#reset")
    yield opened
    opened.close()


def test_the_page_shows_the_dog_alive(visit):
    assert visit.page.evaluate("document.querySelector('canvas#view').width") > 100
    before = visit.page.locator("canvas#view").screenshot()
    count = visit.page.evaluate("window.empaw.poseCount")
    visit.page.click("[data-gait='trot']")
    visit.state("s.gait === 'trot'")
    visit.until(f"window.empaw.poseCount >= {count} + 50")
    wait_until(lambda: visit.page.locator("canvas#view").screenshot() != before)
    visit.page.click("[data-gait='auto']")


def test_an_emotion_set_by_hand_changes_face_words_and_gait(visit):
    visit.page.click("[data-emotion='happy']")
    visit.state("s.behaviour === 'play' && s.gait === 'trot' && s.vx > 0.2")
    assert "happy" in visit.page.locator("#emotion").inner_text().lower()
    assert visit.page.locator("[data-emotion='happy']").get_attribute("aria-pressed") == "true"
    assert [visit.page.locator(name).inner_text() for name in ("#confidence", "#source")] == ["by hand", "set by hand"]
    assert visit.page.locator("#bars .number").all_inner_texts() == ["–"] * 8
    assert visit.page.evaluate("window.empaw.chart.at(-1).p") is None
    visit.page.click("[data-emotion='auto']")
    visit.state("s.manual.emotion === null")


def test_the_card_says_what_is_done_by_hand(visit):
    steer(visit.page, 0.4)
    visit.state("s.manual.speed === 0.4 && s.gait === 'trot'")
    visit.until("document.querySelector('[data-testid=gait]').innerText === 'trot, by hand'")
    assert visit.page.locator("#says").inner_text() == "By hand: trot at 0.40 m/s."
    visit.page.click("#reset")
    visit.state("s.manual.speed === null && s.behaviour === 'idle'")
    visit.until("document.querySelector('[data-testid=gait]').innerText === 'stand'")
    assert visit.page.locator("#emotion").inner_text() == "–"
    assert visit.page.locator("#source").inner_text() == "unsure: nobody speaks, nobody is in sight"


def test_an_uploaded_voice_is_heard(visit):
    visit.page.set_input_files("#upload", str(SAMPLE))
    visit.state("s.hearing !== null")
    visit.state("s.emotion !== null && s.source === 'voice'")
    visit.state("s.behaviour !== 'idle'")


def test_the_camera_shows_what_is_seen_and_goes_off_again(visit):
    # Chromium's fake camera shows a green pattern with a moving pie: nobody.
    visit.page.click("#camera")
    visit.state("s.sight !== null && s.sight.reason === 'no face'")
    assert visit.page.locator("#sight-text").inner_text() == "no face in sight"
    assert visit.page.locator("#camera").get_attribute("aria-pressed") == "true"
    assert visit.page.locator("#mirror").is_visible()
    visit.page.click("#camera")
    visit.state("s.sight === null")
    visit.until("document.querySelector('#sight-text').innerText === 'The camera is off.'")
    assert visit.page.locator("#mirror").is_hidden()
    assert visit.page.evaluate("document.querySelector('#camera-video').srcObject") is None


def test_a_picture_that_is_sent_is_looked_at(visit, tmp_path):
    path = tmp_path / "me.png"
    cv2.imwrite(str(path), drawn_face(320, 240))
    visit.page.set_input_files("#upload", str(path))
    visit.state("s.sight !== null && s.sight.box !== null")
    visit.until("document.querySelector('#sight-text').innerText.length > 3")


def test_the_samples_are_heard_in_turn_and_named_by_their_feeling(visit):
    button = visit.page.locator("#sample")
    for feeling, following in (("calm", "sad"), ("sad", "angry"), ("angry", "fearful"), ("fearful", "calm")):
        assert button.inner_text() == f"Sample: {feeling}"
        button.click()
        visit.state(f"s.hearing && s.hearing.name === '{feeling}.flac'")
        visit.until("window.empaw.aloud.playing")
        visit.until(f"document.querySelector('#sample').innerText === 'Sample: {following}'")


def test_an_upload_that_is_no_sound_is_explained(visit, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("this is not a sound")
    visit.page.set_input_files("#upload", str(text))
    visit.until("document.querySelector('#notice').innerText.length > 20")
    visit.expect_complaint("415")  # the browser itself reports the refused request, sooner or later
    visit.state("s.t > 0")


def test_every_push_is_answered_and_the_dog_can_be_set_up_again(visit):
    for number in range(1, 21):
        visit.page.click("#push")
        visit.until(f"window.empaw.acks.filter(a => a.name === 'push').length === {number}")
    before = visit.page.evaluate("window.empaw.state.t")
    visit.page.click("#reset")
    visit.state(f"s.t < {before} && !s.fallen")


def test_pause_stops_time(visit):
    visit.page.click("#sample")
    visit.state("s.hearing !== null")
    visit.until("window.empaw.aloud.playing")
    assert visit.page.locator("#paused").is_hidden()
    visit.page.click("#pause")
    visit.state("s.paused")
    visit.until("!window.empaw.aloud.playing")
    assert visit.page.locator("#paused").is_visible()
    read = "[window.empaw.state.t, window.empaw.state.hearing.position_s, window.empaw.aloud.at]"
    stopped = visit.page.evaluate(read)
    visit.page.wait_for_timeout(500)
    assert visit.page.evaluate(read) == stopped
    assert visit.page.evaluate("window.empaw.chart.at(-1).p") is None
    visit.page.click("#pause")
    visit.state(f"s.t > {stopped[0]}")
    visit.until(f"window.empaw.aloud.at > {stopped[2]}")
    assert visit.page.locator("#paused").is_hidden()


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
LONGEST_BANNER = "This page's token is no longer valid: open the address the server printed."


def violations(page) -> list[str]:
    """What axe-core finds wrong for people who hear the page, or use it without a mouse."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    return page.evaluate("axe.run().then(told => told.violations.map(v => `${v.id}: ${v.nodes[0].html}`))")


def steer(page, speed: float) -> None:
    page.evaluate(f"const s = document.querySelector('#speed'); s.value = {speed}; s.dispatchEvent(new Event('input'))")


@pytest.fixture
def sized(browser, server, size) -> Iterator[Visit]:
    """The page in a window of a size, with nothing that is still moving when it is measured."""
    opened = Visit(browser, server, dict(zip(("width", "height"), size, strict=True)))
    opened.page.emulate_media(reduced_motion="reduce")
    opened.page.click("#reset")
    yield opened
    if opened.page.evaluate("window.empaw.state.paused"):  # a test that failed: the server is the next one's too
        opened.page.click("#pause")
        opened.state("!s.paused")
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
    page.click("#pause")
    sized.state("s.paused")
    page.evaluate(
        f"""const banner = document.querySelector("#banner");
        banner.hidden = false; banner.textContent = "{LONGEST_BANNER}";
        document.querySelector("#connection-text").textContent = "reconnecting";"""
    )
    assert page.evaluate(OVERLAPS) == page.evaluate(SPILLS) == page.evaluate(COVERED) == []
    assert violations(page) == []
    page.click("#pause")
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
    page.click("#pause")
    sized.state("s.paused")
    expect_all_in_place()
    page.click("#pause")
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


def test_another_microphone_can_be_chosen_while_the_dog_listens(visit):
    page = visit.page
    assert page.locator("#device option").all_inner_texts() == ["Usual microphone"]
    page.click("#microphone")
    visit.until("document.querySelectorAll('#device option').length > 2")
    page.select_option("#device", label="Fake Audio Input 2")
    visit.until("window.empaw.microphone === 'Fake Audio Input 2'")
    assert page.locator("#microphone").get_attribute("aria-pressed") == "true"
    visit.until("document.querySelector('#level').getAttribute('aria-valuetext').endsWith(' decibels')")
    page.click("#microphone")


def test_readers_of_the_screen_hear_what_the_controls_say(visit):
    steer(visit.page, 0.4)
    assert visit.page.locator("#speed").get_attribute("aria-valuetext") == "0.40 metres a second"
    assert visit.page.get_by_role("meter", name="Microphone level").count() == 1
    assert visit.page.get_by_role("combobox", name="Which microphone").count() == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_page_comes_back_when_the_server_was_restarted(browser):
    arguments = ("--port", str(free_port()))
    with running_server(*arguments) as first:
        opened = Visit(browser, first, DESKTOP)
        opened.until("window.empaw.poseCount > 10")
    opened.until("document.querySelector('#connection').dataset.status === 'lost'")
    assert opened.page.locator("#connection-text").inner_text() == "reconnecting"
    assert opened.page.locator("#banner").is_visible()
    for name in ("#push", "#reset", "[data-emotion='happy']"):
        assert opened.page.locator(name).is_disabled()
    opened.page.wait_for_timeout(500)  # what was still on its way
    count = opened.page.evaluate("window.empaw.poseCount")
    with running_server(*arguments) as second:
        assert second.address == first.address
        opened.until(f"window.empaw.poseCount > {count} + 50")
        opened.until("document.querySelector('#connection').dataset.status === 'connected'")
        assert opened.page.locator("#banner").is_hidden()
        answered = opened.page.evaluate("window.empaw.acks.length")
        opened.page.click("[data-emotion='happy']")
        opened.until(f"window.empaw.acks.length > {answered}")
        opened.state("s.manual.emotion === 'happy'")
        opened.page.close()  # the browser has reported the refused connections as errors


def test_a_page_whose_token_is_of_another_server_says_so_and_stops(browser):
    arguments = ("--token", "--port", str(free_port()))
    with running_server(*arguments) as first:
        address, _, token = first.address.partition("/?")
        opened = Visit(browser, first._replace(address=address), DESKTOP, f"/?{token}")
        opened.page.click("#microphone")
        opened.until("document.querySelector('#microphone-text').innerText === 'Listening'")
    with running_server(*arguments):
        opened.until("document.querySelector('#connection').dataset.status === 'refused'")
        assert opened.page.locator("#banner").inner_text() == LONGEST_BANNER
        assert opened.page.locator("#reset").is_disabled()
        opened.until("document.querySelector('#microphone-text').innerText === 'Microphone'")
        tries: list[object] = []
        for kind in ("websocket", "request"):
            opened.page.on(kind, lambda made: tries.append(made))
        opened.page.wait_for_timeout(7000)  # longer than the longest wait before a lost connection is tried again
        assert tries == []
        assert opened.page.locator("#connection").get_attribute("data-status") == "refused"
        opened.page.reload()
        assert opened.page.get_by_role("heading").inner_text() == "This page needs its whole link"
        opened.page.close()  # the browser has reported what was refused as errors


def test_what_is_believed_fades_when_nobody_speaks_and_leaves_a_gap(visit):
    visit.page.set_input_files("#upload", str(SAMPLES / "sad.flac"))
    visit.state("s.emotion === 'sad' && s.confidence > 0.9")
    visit.until("document.querySelector('#source').innerText === 'unsure now; last from your voice'")
    visit.state("s.emotion === null && s.confidence === null && s.probabilities === null")
    visit.until("document.querySelector('#confidence').innerText === '–'")
    surest = visit.page.evaluate("window.empaw.chart.map(row => row.p && Math.max(...row.p))")
    assert surest[-1] is None
    assert [p for p in surest if p is not None][-1] < 0.8


def test_a_second_microphone_is_refused_once_and_lets_go(browser, server):
    first, second = Visit(browser, server, DESKTOP), Visit(browser, server, DESKTOP)
    microphones: list[WebSocket] = []
    second.page.on("websocket", lambda s: microphones.append(s) if s.url.endswith("/ws/microphone") else None)
    with first.page.expect_websocket(lambda s: s.url.endswith("/ws/microphone")) as speaking:
        first.page.click("#microphone")
    speaking.value.wait_for_event("framesent")
    second.page.click("#microphone")
    second.until("document.querySelector('#notice').innerText.includes('another browser')")
    second.until("document.querySelector('#microphone').getAttribute('aria-pressed') === 'false'")
    second.page.wait_for_timeout(3000)  # several times the wait before a lost connection is tried again
    assert [opened.is_closed() for opened in microphones] == [True]
    button = second.page.locator("#microphone")
    assert button.get_attribute("aria-pressed") == "false"
    assert button.is_enabled()
    assert second.page.locator("#microphone-text").inner_text() == "Microphone"
    assert first.page.locator("#microphone").get_attribute("aria-pressed") == "true"
    first.page.click("#microphone")
    second.close()
    first.close()


def loud_clip(ravdess: Path, folder: Path) -> Path:
    """An angry clip of a speaker whom the network never heard, as the WAV that Chromium's fake microphone plays."""
    sound = read_sound(ravdess / "Actor_01" / "03-01-05-02-02-02-01.flac")
    path = folder / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate_hz)
        file.writeframes((sound.samples * 32767).astype("<i2").tobytes())
    return path


def test_a_voice_at_the_microphone_changes_the_estimate_and_then_the_gait(
    playwright, chromium, server, ravdess, tmp_path
):
    voice = loud_clip(ravdess, tmp_path)
    browser = launch(playwright, chromium, f"--use-file-for-fake-audio-capture={voice}")
    opened = Visit(browser, server, DESKTOP)
    opened.page.click("#reset")
    opened.state("s.behaviour === 'idle' && s.emotion === null")
    opened.page.click("#microphone")
    opened.state("s.emotion !== null && s.source === 'voice'")
    opened.state("s.behaviour !== 'idle'")
    opened.state("s.gait !== 'stand'")
    opened.page.click("#microphone")
    opened.close()
    browser.close()
