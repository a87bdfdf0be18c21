"""Folders of views: whose they are, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets.views import RenderConfig, ViewSampling, main
from geometry.objects import household_object
from perception.command import CommandError


def put(folder: Path, name: str, made: str) -> None:
    folder.mkdir(exist_ok=True)
    household_object(made).mesh.as_trimesh().export(folder / f"{name}.ply")


def test_views_of_another_shape_of_the_same_name_are_refused(tmp_path):
    things = tmp_path / "things"
    put(things, "thing", "box_0")
    config = RenderConfig(tmp_path / "views", (str(things),), sampling=ViewSampling(1), workers=1)
    assert main(config).made == 1 and main(config).made == 0
    put(things, "more", "can_0")
    assert main(config).made == 1, "others may join them"
    put(things, "thing", "ball_0")
    with pytest.raises(CommandError, match="another shape of thing"):
        main(config)


def test_a_damaged_list_of_what_was_rendered_is_named(tmp_path):
    put(tmp_path / "things", "thing", "box_0")
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "views.json").write_text("")
    with pytest.raises(CommandError, match=r"views\.json is damaged"):
        main(RenderConfig(tmp_path / "views", (str(tmp_path / "things"),), sampling=ViewSampling(1), workers=1))
