"""Where one looks from, what one keeps of it, light and dark, and driving by hand."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest

from apps.recording import Recording
from benchmarks.browsing import DESKTOP
from tests.browser.visits import Visit, violations

pytestmark = pytest.mark.browser


def gap_to_person(seen: dict) -> float:
    return float(np.hypot(*np.subtract(seen["camera"][:2], seen["person"])))


@pytest.mark.parametrize("feeling", ["sad", "happy", "angry"])
def test_dog_and_person_stay_in_the_picture_and_the_camera_out_of_the_person(visit, feeling):
    visit.page.click(f"[data-emotion='{feeling}']")
    begun = visit.page.evaluate("window.empaw.state.t")
    for second in range(2, 7, 2):
        visit.state(f"s.t > {begun} + {second}")
        seen = visit.page.evaluate("window.empaw.view")
        assert gap_to_person(seen) > 0.79
        assert np.abs(list(seen["shown"].values())).max() < 1.0, (second, seen)


def test_whoever_turned_the_view_keeps_their_side_and_is_not_led_into_the_person(visit):
    page = visit.page
    page.click("[data-emotion='sad']")
    visit.state("s.behaviour === 'comfort'")
    page.focus("#view")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("+")
        visit.until(f"window.empaw.frameCount > {page.evaluate('window.empaw.frameCount')}")
        assert gap_to_person(page.evaluate("window.empaw.view")) > 0.79
    turned = page.evaluate("window.empaw.view.camera")
    page.keyboard.press("c")
    visit.until(f"Math.abs(window.empaw.view.camera[0] - {turned[0]}) > 0.3")
    assert np.abs(list(page.evaluate("window.empaw.view.shown").values())).max() < 1.0


def test_one_looks_from_above_or_as_dog_or_person_and_comes_back(visit):
    page = visit.page
    page.click("#menu-open")
    assert page.locator("#menu").is_visible()
    assert violations(page) == []
    for view, low, high in (("above", 2.3, 20.0), ("person", 1.59, 1.61), ("dog", 0.1, 0.6), ("beside", 0.6, 2.2)):
        page.check(f"#menu input[value='{view}']")
        visit.until(f"window.empaw.view.view === '{view}'")
        visit.until(f"(z => z > {low} && z < {high})(window.empaw.view.camera[2])")
    page.keyboard.press("Escape")
    assert page.locator("#menu").is_hidden()
    page.keyboard.press("v")
    visit.until("window.empaw.view.view === 'person'")
    assert page.is_checked("#menu input[value='person']")


def test_light_and_dark_are_chosen_by_hand_and_stay_so(browser, server):
    opened = Visit(browser, server, DESKTOP)
    page = opened.page
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#menu-open")
    page.check("#menu input[value='dark']")
    dark = page.evaluate(paper)
    assert dark != light
    assert violations(page) == []
    page.reload()
    opened.until("window.empaw && window.empaw.ready && window.empaw.state")
    assert page.evaluate(paper) == dark
    assert page.is_checked("#menu input[value='dark']")
    page.click("#menu-open")
    page.check("#menu input[value='system']")
    assert page.evaluate(paper) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == dark
    opened.close()


def test_a_picture_and_a_film_of_the_view_can_be_kept(visit):
    page = visit.page
    page.click("#menu-open")
    with page.expect_download() as kept:
        page.click("#picture")
    picture = cv2.imread(str(kept.value.path()))
    assert kept.value.suggested_filename.endswith(".png")
    assert picture.shape[1] > 100 and picture.std() > 5
    with page.expect_download() as kept:
        page.click("#recording")
    assert Recording.load(kept.value.path()).seconds > 0
    page.click("#film")
    page.wait_for_selector("#filming", state="visible")
    drawn = page.evaluate("window.empaw.frameCount")
    visit.until(f"window.empaw.frameCount > {drawn} + 10")
    with page.expect_download() as kept:
        page.click("#film")
    with av.open(io.BytesIO(kept.value.path().read_bytes())) as film:
        frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(frames) > 2 and np.std(frames[-1]) > 5
    page.wait_for_selector("#filming", state="hidden")


def test_keys_drive_the_dog_and_it_stands_when_they_are_let_go(visit):
    page = visit.page
    page.click("[data-emotion='happy']")
    visit.state("s.manual.emotion === 'happy'")
    for key, where in (("w", "speed === 0.4"), ("a", "turning === 0.8"), ("e", "sideways === -0.25")):
        page.keyboard.down(key)
        visit.state(f"s.manual.{where}")
        page.keyboard.up(key)
        visit.state("s.manual.speed === 0 && s.manual.turning === 0 && s.manual.sideways === 0")
    page.keyboard.down("w")
    visit.state("s.vx > 0.2")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    visit.state("s.manual.speed === 0")
    page.keyboard.up("w")
    page.click("#speed-auto")
    visit.state("s.manual.speed === null && s.manual.turning === null")
    page.focus("#device")
    page.keyboard.press("w")
    page.evaluate("document.querySelector('#keys-drive').checked = false")
    page.focus("#view")
    page.keyboard.press("w")
    assert page.evaluate("window.empaw.state.manual.speed") is None
    drives = page.evaluate("window.empaw.acks.filter(({ name }) => name === 'drive').length")
    page.evaluate("document.querySelector('#keys-drive').checked = true")
    page.keyboard.press("w")
    visit.until(f"window.empaw.acks.filter(({{ name }}) => name === 'drive').length > {drives}")


def test_the_stick_drives_under_a_finger_and_by_arrow_keys(visit):
    page = visit.page
    stick = page.locator("#stick")
    stick.scroll_into_view_if_needed()
    box = stick.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 60)
    visit.state("s.manual.speed === 0.4 && s.manual.turning === 0")
    page.mouse.move(x - 60, y)
    visit.state("s.manual.speed === 0 && s.manual.turning === 0.8")
    page.mouse.up()
    visit.state("s.manual.speed === 0 && s.manual.turning === 0")
    page.check("#stick-sideways")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y)
    visit.state("s.manual.sideways === -0.25 && s.manual.turning === 0")
    page.mouse.up()
    page.focus("#stick")
    page.keyboard.down("ArrowDown")
    visit.state("s.manual.speed === -0.4")
    page.keyboard.up("ArrowDown")
    visit.state("s.manual.speed === 0")


def test_the_body_is_read_out_for_whoever_wants_it(visit):
    page = visit.page
    page.click("#telemetry summary")
    visit.until("document.querySelector('#legs').innerText.split('on the ground').length === 5")
    visit.until("/^roll −?\\d+°, pitch −?\\d+°/.test(document.querySelector('#tilt').innerText)")
    page.click("[data-emotion='happy']")
    visit.until("document.querySelector('#legs').innerText.includes('in the air')")
    assert violations(page) == []


def test_one_drives_and_the_dog_stops_when_they_have_gone(browser, server):
    driver, other = Visit(browser, server, DESKTOP), Visit(browser, server, DESKTOP)
    driver.page.keyboard.down("w")
    other.state("s.manual.speed === 0.4")
    other.page.keyboard.down("s")
    other.until("document.querySelector('#notice').innerText.includes('somebody else drives')")
    other.page.keyboard.up("s")
    driver.page.close()
    other.state("s.manual.speed === 0")
    other.page.click("#reset")
    other.close()
