"""Visits to the page of the dog, and what measures it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Playwright

from benchmarks import browsing
from benchmarks.browsing import Tab
from benchmarks.serving import Server
from tests.conftest import ROOT, wait_until

FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
SAMPLES = ROOT / "assets" / "samples"
SAMPLE = SAMPLES / "hello.wav"
LONGEST_BANNER = "This page's token is no longer valid: open the address the server printed."


def launch(playwright: Playwright, chromium: str, *flags: str) -> Browser:
    return browsing.launch(playwright, chromium, *FLAGS, *flags)


class Visit(Tab):
    """The page of the dog."""

    def __init__(self, browser: Browser, server: Server, size: dict[str, int], path: str = "/") -> None:
        super().__init__(browser.new_page(viewport=size), server.address, path)
        self.until("window.empaw && window.empaw.ready && window.empaw.state")

    def state(self, expression: str) -> None:
        """Wait until an expression about the last state `s` holds."""
        self.until(f"(s => {expression})(window.empaw.state)")

    def pause(self, on: bool) -> None:
        """Stop the dog's time or let it go on, by its button, and wait until it is so; a second press on a button
        that does not know yet what the first one did would undo nothing."""
        self.page.evaluate("window.before = window.empaw.state")
        self.until("window.empaw.state !== window.before")
        if self.page.evaluate("window.empaw.state.paused") is not on:
            self.page.click("#pause")
        self.state(f"s.paused === {str(on).lower()}")

    def expect_complaint(self, words: str) -> None:
        """Wait until the browser's console says something, and forget that it did."""
        wait_until(lambda: any(words in text for text in self.complaints) or self.page.wait_for_timeout(50))
        self.complaints = [text for text in self.complaints if words not in text]

    def close(self) -> None:
        self.page.close()
        self.check()


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong for people who hear the page, or use it without a mouse.

    Nothing moves meanwhile: a colour half-way between two has the contrast of neither.
    """
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    moved = page.evaluate("!matchMedia('(prefers-reduced-motion: reduce)').matches")
    page.emulate_media(reduced_motion="reduce")
    try:
        return page.evaluate("axe.run().then(told => told.violations.map(v => `${v.id}: ${v.nodes[0].html}`))")
    finally:
        page.emulate_media(reduced_motion="no-preference" if moved else "reduce")


def steer(page: Any, speed: float) -> None:
    """Set the speed by hand."""
    page.evaluate(f"const s = document.querySelector('#speed'); s.value = {speed}; s.dispatchEvent(new Event('input'))")
