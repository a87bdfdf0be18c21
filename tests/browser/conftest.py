from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from benchmarks.browsing import DESKTOP
from benchmarks.serving import Server, running_server
from tests.browser.visits import Visit, launch


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright, chromium) -> Iterator[Browser]:
    started = launch(playwright, chromium)
    yield started
    started.close()


@pytest.fixture
def visit(browser, server) -> Iterator[Visit]:
    opened = Visit(browser, server, DESKTOP)
    opened.page.click("#reset")
    yield opened
    opened.close()
