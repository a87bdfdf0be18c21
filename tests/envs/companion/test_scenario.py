from __future__ import annotations

import pytest

from envs.companion import scenario
from envs.companion.scenario import Doing, OtherSound, Scenario, ScenarioError, Toy, Voice

WHOLE = """
name = "Sad on the sofa"
seconds = 40.0

[room]
side_m = 6.0
ground = "patches"
pieces = ["sofa", "crate"]

[[doings]]
at = 1.0
does = "walk"
beside = "sofa"

[[doings]]
at = 4
does = "sit"

[[voices]]
at = 6.0
feeling = "sad"
expects = "comfort"

[[sounds]]
at = 3.0
kind = "knock"
place = [2.0, -1.0]

[[toys]]
name = "ball"
place = [1.0, 1.0]

[[errands]]
at = 20.0
fetch = "red"
"""


def read(tmp_path, text: str) -> Scenario:
    path = tmp_path / "one.toml"
    path.write_text(text)
    return Scenario.load(path)


def test_a_file_becomes_what_it_says(tmp_path):
    found = read(tmp_path, WHOLE)
    assert (found.name, found.seconds, found.room.ground, found.room.side_m) == (
        "Sad on the sofa",
        40.0,
        "patches",
        6.0,
    )
    assert found.doings == (Doing(1.0, "walk", beside="sofa"), Doing(4.0, "sit"))
    assert found.voices == (Voice(6.0, "sad", expects="comfort"),)
    assert found.sounds == (OtherSound(3.0, "knock", (2.0, -1.0)),)
    assert found.toys == (Toy(name="ball", place=(1.0, 1.0)),)


def test_the_example_of_the_module_can_be_played(tmp_path):
    text = scenario.__doc__.partition("\n\n")[2]
    assert read(tmp_path, text).name == "Sad on the sofa"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("seconds = 40.0", "seconds = 0.0", "1 to 600"),
        ("at = 6.0", "at = 60.0", "voices 1: at 60.0"),
        ('beside = "sofa"', 'beside = "piano"', "low table"),
        ('does = "walk"', 'does = "fly"', "fly"),
        ('does = "sit"', 'does = "sit"\nto = [1.0, 1.0]', "leave out"),
        ('beside = "sofa"', "", "either `to` or `beside`"),
        ('beside = "sofa"', "to = [1.0]", r"\(x, y\)"),
        ('beside = "sofa"', "to = [9.0, 0.0]", "within the room"),
        ('feeling = "sad"', "", "a feeling or a file"),
        ("place = [2.0, -1.0]", "place = [2.0, nan]", "within the room"),
        ('kind = "knock"', 'kind = "bark"', "bark"),
        ('name = "ball"', 'name = "ball"\ncolour = "plaid"', "red, yellow"),
        ('name = "ball"', 'name = "ball"\nmass_kg = 50.0', "0.01 to 2"),
        ('fetch = "red"', 'fetch = "beer"', "beer"),
        ('ground = "patches"', 'ground = "lava"', "lava"),
        ("[room]", "[room]\nwindows = 3", "windows"),
        ("seconds = 40.0", 'seconds = 40.0\nmood = "sad"', "mood"),
        ("seconds = 40.0", "seconds = ", "TOML"),
    ],
)
def test_what_cannot_be_played_is_named(tmp_path, old, new, named):
    assert old in WHOLE
    with pytest.raises(ScenarioError, match=named) as raised:
        read(tmp_path, WHOLE.replace(old, new, 1))
    assert "one.toml" in str(raised.value)


def test_colours_can_be_told_from_one_another():
    hues = sorted(scenario.COLOURS.values())
    gaps = [later - former for former, later in zip(hues, [*hues[1:], hues[0] + 360.0], strict=True)]
    assert min(gaps) >= 50.0
