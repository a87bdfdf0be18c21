"""Take the README's picture of the page with the system's Chromium.

python tools/screenshot.py docs/page.png --seconds 8
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import tyro
from playwright.sync_api import sync_playwright

from benchmarks.serving import running_server
from tests.browser.test_page import DESKTOP, PHONE, Visit, launch


def main(path: tyro.conf.Positional[Path], emotion: str = "happy", seconds: float = 4.0, phone: bool = False) -> None:
    """Open the page, show a feeling, and take its picture after `seconds`."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("error: Chromium is not installed: sudo apt-get install chromium")
    path.parent.mkdir(parents=True, exist_ok=True)
    with running_server() as server, sync_playwright() as playwright:
        visit = Visit(launch(playwright, chromium), server, PHONE if phone else DESKTOP)
        visit.page.wait_for_timeout(1500)
        visit.page.click(f"[data-emotion='{emotion}']")
        visit.page.wait_for_timeout(1000 * seconds)
        visit.page.screenshot(path=str(path))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
