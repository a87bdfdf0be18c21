"""Chromium, started the same way for tests and pictures, and a page in it that remembers what went wrong."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from benchmarks.serving import START_S

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
"""Headless, with WebGL in software, and nothing fetched behind the test's back."""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def find_chromium() -> str | None:
    """Return where the system's Chromium is, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def launch(playwright: Playwright, path: str, *flags: str) -> Browser:
    """Start Chromium, with more flags than the usual ones; a busy machine takes longer than Playwright would wait."""
    return playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS, *flags], timeout=1000 * START_S)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start Chromium for a picture.

    Raises:
        RuntimeError: there is none.
    """
    path = find_chromium()
    if path is None:
        raise RuntimeError("Chromium is not installed: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


class Tab:
    """A page that is open, what its console complained of, and what it asked of others than its server.

    Args:
        page: an empty one.
        address: of the server.
        path: what to open there.
    """

    def __init__(self, page: Page, address: str, path: str = "/") -> None:
        self.page, self.complaints, self.foreign = page, list[str](), list[str]()
        own = (address, address.replace("http", "ws", 1), "blob:", "data:")
        page.set_default_timeout(1000 * START_S)
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url))
        page.goto(address + path)

    def until(self, expression: str) -> None:
        """Wait until an expression holds in the page; Playwright's own wait needs eval, which the page forbids.

        Raises:
            AssertionError: it does not, for minutes.
        """
        end = time.monotonic() + START_S
        while not self.page.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < end, f"{expression} did not come true; {self.shown()}; {self.complaints}"
            self.page.wait_for_timeout(25)

    def shown(self) -> object:
        """Return what the page shows, for whoever has to find out why something did not come."""
        return self.page.evaluate("window.empaw && window.empaw.state")

    def check(self) -> None:
        """Fail where the page complained or asked others.

        Raises:
            AssertionError: it did.
        """
        assert not self.foreign, self.foreign
        # Software WebGL warns about its own read-backs; everything else is ours.
        ours = [text for text in self.complaints if "GPU stall" not in text and "WebGL" not in text]
        assert not ours, ours
