"""Take the README's picture of a study's page: three clips of the dog, and the two that were chosen.

python tools/study_screenshot.py docs/study.png
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import tyro
from playwright.sync_api import sync_playwright

from apps.study.init import InitStudy, init_study
from apps.study.process import running
from benchmarks.serving import CHROMIUM_FLAGS
from tests.apps.study.browser.visitor import Elsewhere, Visitor


def main(path: tyro.conf.Positional[Path], width: int = 1440, height: int = 800, seed: int = 0) -> None:
    """Make a small study, go to its first comparison, choose, and take a picture."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("error: Chromium is not installed: sudo apt-get install chromium")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = init_study(InitStudy(Path(place) / "study", task="style", items=12, trials=4, seed=seed))
        settings = folder / "study.toml"
        settings.write_text(settings.read_text().replace("trials = 4\nneeded = 3", "trials = 0\nneeded = 0"))
        with running(folder) as server:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
            context = browser.new_context(viewport={"width": width, "height": height})
            visitor = Visitor(context, server.url, session=Elsewhere.at(server.url, "triplet"))
            visitor.arrive()
            visitor.page.wait_for_timeout(8000)  # until the note that welcomes back is gone
            visitor.page.keyboard.press("2")
            visitor.page.wait_for_timeout(1500)
            visitor.page.screenshot(path=str(path))
            browser.close()


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
