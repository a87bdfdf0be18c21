"""A scenario on the page: what lies in the room is seen, and can be sent for by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.browsing import DESKTOP
from benchmarks.serving import running_server
from tests.browser.visits import Visit, violations

pytestmark = pytest.mark.browser
ROOM = """
name = "Two things"
seconds = 60.0

[room]
side_m = 4.5
pieces = ["plant"]
apart_m = [1.5, 2.5]

[[toys]]
name = "ball_900"
colour = "blue"

[[toys]]
name = "can_900"
colour = "red"
"""


@pytest.fixture
def visit(browser, tmp_path) -> Iterator[Visit]:
    path = tmp_path / "room.toml"
    path.write_text(ROOM)
    with running_server("--scenario", str(path)) as server:
        opened = Visit(browser, server, DESKTOP)
        yield opened
        opened.close()


def test_things_in_a_room_are_seen_and_sent_for_by_button_and_by_key(visit):
    page = visit.page
    scene = page.evaluate("fetch('/api/scene').then(answer => answer.json())")
    things = [link for link in scene["links"] if link["skin"]]
    assert [link["name"] for link in things] == ["thing_0", "thing_1"] and scene["toys"] == ["red", "blue"]
    for link in things:
        assert max(link["skin"]["triangles"]) < len(link["skin"]["vertices"]) / 3
    assert page.locator("#fetching").is_visible() and violations(page) == []
    page.keyboard.press("f")
    visit.state("s.behaviour === 'fetch'")
    page.click("#reset")
    visit.state("s.behaviour !== 'fetch'")
    page.click("[data-testid='fetch-blue']")
    visit.state("s.behaviour === 'fetch'")


def test_on_the_plain_there_is_nothing_to_fetch(browser, server):
    visit = Visit(browser, server, DESKTOP)
    assert visit.page.locator("#fetching").is_hidden()
    visit.page.keyboard.press("f")
    visit.close()
