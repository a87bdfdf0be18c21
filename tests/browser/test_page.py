from __future__ import annotations

import socket
import wave
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import WebSocket

from benchmarks.browsing import DESKTOP
from benchmarks.serving import running_server
from perception.speech.audio import read_sound
from tests.browser.visits import LONGEST_BANNER, SAMPLE, SAMPLES, Visit, launch, steer
from tests.conftest import wait_until
from tests.faces import drawn_face

pytestmark = pytest.mark.browser


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
    visit.pause(True)
    visit.until("!window.empaw.aloud.playing")
    assert visit.page.locator("#paused").is_visible()
    read = "[window.empaw.state.t, window.empaw.state.hearing.position_s, window.empaw.aloud.at]"
    stopped = visit.page.evaluate(read)
    visit.page.wait_for_timeout(500)
    assert visit.page.evaluate(read) == stopped
    assert visit.page.evaluate("window.empaw.chart.at(-1).p") is None
    visit.pause(False)
    visit.state(f"s.t > {stopped[0]}")
    visit.until(f"window.empaw.aloud.at > {stopped[2]}")
    assert visit.page.locator("#paused").is_hidden()


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
