"""One short study with every kind of step, served as it is served to people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from apps.study.process import running
from apps.study.stimuli import make_task_stimuli, write_manifest
from benchmarks.browsing import DESKTOP, PHONE, launch
from envs.trajectories.grid import GridRobot
from tests.apps.study.folder import TEXTS, settings, write_toml

CODES = {"completed": "ALL-DONE", "screened_out": "NOT-YOU", "withdrew": "LEFT", "failed_attention": "ASLEEP"}
INSTRUMENTS = ["nasa-tlx", "affective-slider", "godspeed-safety", "of-the-lab"]
OWN = """
id = "of-the-lab"
version = "1"
title = "Two questions"
citation = "none"
rights = "own"
kind = "likert"
low = 1
high = 5
labels = ["never", "rarely", "sometimes", "often", "always"]

[[items]]
id = "often"
text = "How often?"

[[items]]
id = "much"
text = "How much?"
high = 9
labels = []
left = "little"
right = "much"
"""
PLUGIN = """
export default class Hello {
  static info = { name: "lab-hello", version: "1.0.0", data: {}, parameters: { greeting: { type: 1, default: "" } } };
  constructor(jsPsych) { this.jsPsych = jsPsych; }
  trial(display, trial) {
    const go = document.createElement("button");
    go.textContent = trial.greeting;
    go.dataset.testid = "hello";
    go.onclick = () => this.jsPsych.finishTrial({ said: trial.greeting });
    display.append(document.createElement("h1"), go);
  }
}
"""


def _block(name: str, kind: str, trials: int, **more: object) -> dict[str, object]:
    return {"name": name, "task": "grid-2", "kind": kind, "trials": trials, "min_watch_s": 0.2, "break_s": 0.0, **more}


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory) -> Path:
    """Triplets, a preference, a grid, four questionnaires, a break; English and German."""
    folder: Path = tmp_path_factory.mktemp("study")
    stimuli = make_task_stimuli(GridRobot(2), 24, folder / "stimuli", np.random.default_rng(0))
    write_manifest([stimuli], folder / "stimuli")
    config = settings(
        name="page",
        title="Movements",
        blocks=[_block("one", "triplet", 3, break_s=0.3), _block("two", "preference", 1), _block("three", "grid", 1)],
        texts={
            "en": {**TEXTS, "consent": ["# Why", "<b>To learn</b>"]},
            "de": {**TEXTS, "debrief": ["Danke."]},
        },
        practice={"trials": 1, "needed": 0, "attempts": 1},
        counterbalance=False,
        codes=CODES,
        questionnaires={"before": [], "after_block": [], "after": INSTRUMENTS},
        recruitment={"platform": "prolific", "completion_url": "https://recruiting.example/complete?cc={code}"},
    )
    write_toml(folder / "study.toml", config)
    (folder / "instruments").mkdir()
    (folder / "instruments" / "of-the-lab.toml").write_text(OWN, "utf-8")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "hello.js").write_text(PLUGIN, "utf-8")
    return folder


@pytest.fixture(scope="module")
def address(study_folder) -> Iterator[str]:
    """The running server."""
    with running(study_folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser(chromium) -> Iterator[Browser]:
    """Chromium, once for all."""
    with sync_playwright() as playwright:
        started = launch(playwright, chromium)
        yield started
        started.close()


@pytest.fixture(scope="module")
def desk(browser) -> Iterator[BrowserContext]:
    """A browser at a desk, for sessions that were begun elsewhere; what it has loaded once it keeps."""
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    yield context
    context.close()


@pytest.fixture
def newcomer(browser) -> Iterator[BrowserContext]:
    """Somebody at a desk who has not been here before."""
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    yield context
    context.close()


@pytest.fixture
def phone(browser) -> Iterator[BrowserContext]:
    """Somebody with a phone, who reads German, in the dark."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, locale="de-DE", color_scheme="dark")
    yield context
    context.close()
