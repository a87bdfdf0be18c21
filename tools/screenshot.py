"""Take the README's picture of the page with the system's Chromium.

python tools/screenshot.py docs/page.png --seconds 8
"""

from __future__ import annotations

from pathlib import Path

import tyro

from benchmarks.browsing import DESKTOP, PHONE, Tab, open_chromium
from benchmarks.serving import running_server


def main(path: tyro.conf.Positional[Path], emotion: str = "happy", seconds: float = 4.0, phone: bool = False) -> None:
    """Open the page, show a feeling, and take its picture after `seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with running_server() as server, open_chromium() as browser:
        tab = Tab(browser.new_page(viewport=PHONE if phone else DESKTOP), server.address)
        tab.until("window.empaw && window.empaw.ready && window.empaw.state")
        tab.page.wait_for_timeout(1500)
        tab.page.click(f"[data-emotion='{emotion}']")
        tab.page.wait_for_timeout(1000 * seconds)
        tab.page.screenshot(path=str(path))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
