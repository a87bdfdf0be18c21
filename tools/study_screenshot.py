"""Take the README's picture of a study's page: three clips of the dog, and the two that were chosen.

python tools/study_screenshot.py docs/study.png
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import tyro

from apps.study.init import InitStudy, init_study
from apps.study.process import running
from benchmarks.browsing import Tab, open_chromium

NEXT = "[data-testid=agree], [data-testid=continue]"
_KIND = "globalThis.empaw?.runner?.step?.kind"


def main(path: tyro.conf.Positional[Path], width: int = 1440, height: int = 800, seed: int = 0) -> None:
    """Make a small study, go to its first comparison, choose, and take a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, open_chromium() as browser:
        folder = init_study(InitStudy(Path(place) / "study", task="style", items=12, trials=4, seed=seed))
        settings = folder / "study.toml"
        text = settings.read_text("utf-8").replace("trials = 4\nneeded = 3", "trials = 0\nneeded = 0")
        settings.write_text(text, encoding="utf-8")
        with running(folder) as server:
            tab = Tab(browser.new_page(viewport={"width": width, "height": height}), server.url)
            _go_to_comparison(tab)
            tab.page.keyboard.press("2")
            tab.page.wait_for_timeout(1500)
            tab.page.screenshot(path=str(path))


def _go_to_comparison(tab: Tab) -> None:
    """Agree to everything and read on until clips can be judged."""
    while True:
        tab.until(f"{_KIND} === 'triplet' || document.querySelector('{NEXT}')")
        if tab.page.evaluate(f"{_KIND} === 'triplet'"):
            break
        for box in tab.page.locator("input[type=checkbox]").all():
            box.check()
        tab.page.click(NEXT)
        tab.page.wait_for_timeout(500)
    tab.until("document.querySelector('.trial:not(.watching) .choices') && empaw.stage.drawn.length")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
