"""Folders of views: whose they are, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tyro

from datasets import views
from datasets.views import RenderConfig, ViewSampling, load_views, main
from geometry.objects import household_object
from perception.command import CommandError
from tests.completion import render


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
    with pytest.raises(CommandError, match=r"views\.json is no JSON, or damaged"):
        main(RenderConfig(tmp_path / "views", (str(tmp_path / "things"),), sampling=ViewSampling(1), workers=1))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    return render(tmp_path_factory.mktemp("views"), tmp_path_factory.mktemp("objects"))


def test_rendering_again_makes_nothing_new_and_refuses_another_sampling(rendered):
    files = {path.name: path.read_bytes() for path in rendered.glob("*.npz")}
    assert len(files) == 8
    loaded = load_views(rendered)
    assert len(loaded.clouds) == 16 and loaded.surfaces.shape == (8, 8192, 3)
    assert (loaded.poses[:, 3] == [0, 0, 0, 1]).all()
    for view in range(16):  # what was seen lies on the truth, above the table
        cloud = loaded.clouds[view]
        near = np.linalg.norm(cloud[:50, None] - loaded.truth(view)[None, ::4], axis=2).min(axis=1)
        assert np.median(near) < 0.006
        assert loaded.truth(view)[:, 2].min() > -1e-3
    (rendered / sorted(files)[0]).unlink()
    source = json.loads((rendered / "views.json").read_text())
    assert source["sampling"]["views"] == 2
    with pytest.raises(CommandError, match="Name another --out"):
        views.main(RenderConfig(rendered, ("household/test",), sampling=ViewSampling(3)))
    (rendered / sorted(files)[0]).write_bytes(files[sorted(files)[0]])


def test_views_that_are_not_there_or_damaged(tmp_path):
    with pytest.raises(CommandError, match="export views"):
        load_views(tmp_path)
    (tmp_path / "a.0.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(CommandError, match="damaged"):
        load_views(tmp_path)


def test_older_flags_and_folders_are_understood(tmp_path):
    assert tyro.cli(RenderConfig, args=["--out", "x", "--looks.views", "3"]).sampling.views == 3
    put(tmp_path / "things", "thing", "box_0")
    config = RenderConfig(tmp_path / "views", (str(tmp_path / "things"),), sampling=ViewSampling(1), workers=1)
    assert main(config).made == 1
    manifest = tmp_path / "views" / "views.json"
    manifest.write_text(manifest.read_text().replace('"sampling"', '"looks"'))
    assert main(config).made == 0
