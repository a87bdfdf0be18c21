from __future__ import annotations

import io

import av
import pytest

from apps.gui.door import MOST_MEMBERS, MOST_STRANGERS
from benchmarks.hostile import measure
from benchmarks.hostile_attacks import Target, avi_of_crumbs, half_open, png_bomb, strange_names
from benchmarks.serving import running_server
from perception.face.pictures import PictureError, read_picture


@pytest.fixture(scope="module")
def target():
    with running_server("--token") as server:
        yield Target.of(server)


@pytest.mark.parametrize("attack", [half_open, strange_names])
def test_under_attack_a_visitor_gets_poses_and_answers(target, attack):
    noticed = measure(target, attack, 1.0)
    assert noticed["alive"]
    assert noticed["poses_share"] > 0.0
    assert noticed["click_slowest_ms"] > 0.0
    assert noticed["files_open"] < MOST_MEMBERS + MOST_STRANGERS + 64


def test_a_bomb_is_a_picture_and_crumbs_are_a_sound():
    assert read_picture(png_bomb(100)).shape == (100, 100, 3)
    with pytest.raises(PictureError, match="20000 x 20000 pixels"):
        read_picture(png_bomb(20_000))
    with av.open(io.BytesIO(avi_of_crumbs(200))) as video:
        assert [frame.samples for frame in video.decode(audio=0)] == 200 * [1]
