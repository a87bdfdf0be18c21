from __future__ import annotations

import threading
import time

import cv2
import numpy as np
import pytest

from apps.eye import Reel, Sight, StreamEye
from apps.gui.films import PICTURE_S, camera_picture, picture_film, video_film
from apps.session import Session
from benchmarks.media_files import write_video
from perception.face.pictures import PictureError, is_picture
from perception.face.stream import FaceReading
from perception.face.videos import Frame
from policies.behaviour import default_table
from tests.conftest import PATIENCE_S, ScriptedEar, estimate, wait_until
from tests.faces import drawn_face

PICTURE = np.zeros((24, 32, 3), np.uint8)


class Stream:
    """Sees what the first pixel says: 0 nobody, 1 somebody happy, 2 somebody sad, 9 breaks; waits for its gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[int] = []
        self.resets = 0

    def push(self, picture: np.ndarray, time_s: float) -> FaceReading:
        assert self.gate.wait(PATIENCE_S)
        what = int(picture[0, 0, 0])
        self.seen.append(what)
        if what == 9:
            raise RuntimeError("no such tensor")
        found = None if what == 0 else estimate(("happy", "sad")[what - 1], time_s=time_s)
        return FaceReading(time_s, found, "no face" if what == 0 else "", None, what, 0.5, 1.0, 1)

    def reset(self) -> None:
        self.resets += 1


def shows(what: int) -> np.ndarray:
    return np.full_like(PICTURE, what)


def film(*what: int, every_s: float = 0.1) -> list[Frame]:
    return [Frame(shows(one), number, number * every_s) for number, one in enumerate(what)]


@pytest.fixture
def stream():
    return Stream()


@pytest.fixture
def eye(stream):
    made = StreamEye(lambda: stream, live=True)
    yield made
    stream.gate.set()
    made.close()


@pytest.fixture
def session(stream):
    with Session(ear=ScriptedEar(), eye=StreamEye(lambda: stream)) as made:
        yield made


def test_the_newest_picture_is_read_and_those_that_waited_are_not(eye, stream):
    stream.gate.clear()
    eye.look(shows(0), 0.0)
    wait_until(lambda: eye.worker.waiting == 0)
    for number in range(1, 50):
        eye.look(shows(1 + number % 2), number / 10)
    stream.gate.set()
    wait_until(lambda: len(stream.seen) == 2)
    found: list[Sight] = []
    wait_until(lambda: found.extend(eye.sights()) or len(found) == 2)
    assert [sight.reading.time_s for sight in found] == [0.0, 4.9]
    assert eye.sights() == []


def test_what_was_seen_before_a_reset_never_comes_out_after_it(eye, stream):
    stream.gate.clear()
    eye.look(shows(1), 5.0)
    wait_until(lambda: eye.worker.waiting == 0)
    eye.reset()
    stream.gate.set()
    eye.look(shows(2), 0.0)
    found: list[Sight] = []
    wait_until(lambda: found.extend(eye.sights()) or found)
    assert [sight.reading.estimate.label for sight in found] == ["sad"]
    assert stream.resets == 1


def test_a_picture_that_breaks_the_network_blinds_nobody(eye, stream):
    said: list[str] = []
    eye.on_problem = said.append
    eye.look(shows(9), 0.0)
    wait_until(lambda: said)
    assert "no such tensor" in said[0]
    eye.look(shows(1), 0.1)
    wait_until(lambda: eye.sights())


def test_weights_that_are_missing_are_told_once():
    said: list[str] = []

    def fail():
        raise ValueError("the weights are missing")

    eye = StreamEye(fail, live=True)
    eye.on_problem = said.append
    for number in range(20):
        eye.look(PICTURE, number / 10)
        wait_until(lambda: said)
    assert said == ["The dog cannot see: the weights are missing"]
    assert eye.sights() == []
    eye.close()


def test_sights_that_nobody_asks_for_do_not_pile_up(session, eye, stream):
    for number in range(200):
        session.show_image(shows(1))
        eye.look(shows(1), number / 10)
    assert len(session.senses.eye.sights()) < 20
    wait_until(lambda: stream.seen)
    assert len(eye.sights()) < 20


def test_a_film_comes_before_the_camera_and_can_be_stopped(session, stream):
    session.play_video(film(2, 2, 2, 2, every_s=0.2))
    session.run(0.3)
    session.push_frame(shows(1))
    session.run(0.2)
    assert set(stream.seen) == {2}
    session.stop_playing()
    seen = len(stream.seen)
    session.run(1.0)
    assert len(stream.seen) == seen
    session.push_frame(shows(1))
    session.run(0.1)
    assert stream.seen[-1] == 1


def test_frames_that_are_not_ready_are_waited_for_without_stopping_the_dog(session, stream):
    first, second = film(1, 2)
    session.play_video(iter([None, None, None, first, None, second]))
    session.run(0.04)
    assert stream.seen == []
    session.run(1.0)
    assert stream.seen == [1, 2]


def test_a_film_that_breaks_is_over():
    def breaks():
        yield film(1)[0]
        raise PictureError("damaged")

    reel = Reel()
    reel.start(breaks(), 0.0)
    with pytest.raises(PictureError):
        reel.due(1.0)
    assert not reel.running
    assert reel.due(2.0) is None


def test_a_box_is_seen_in_its_own_picture(session):
    session.show_image(np.full((48, 64, 3), 1, np.uint8))
    session.run(0.1)
    assert (session.snapshot().sight.width, session.snapshot().sight.height) == (64, 48)


def test_a_face_that_is_seen_changes_what_the_dog_does(session):
    session.play_video(film(*[2] * 40))
    step = session.run(4.0).steps[-1]
    assert step.emotion == "sad"
    assert step.behaviour == default_table().answers["sad"]
    assert session.snapshot().estimate.source == "face"


def test_the_film_is_seen_in_its_own_time(session, stream):
    session.run(0.5)
    session.play_video(film(1, 2, 1, 2, every_s=0.5))
    session.run(0.9)
    assert stream.seen == [1, 2]
    session.run(2.0)
    assert stream.seen == [1, 2, 1, 2]
    session.play_video(film(*[1] * 100, every_s=0.001))  # far more frames than can be seen: the newest that is due
    session.run(0.5)
    assert 4 < len(stream.seen) < 12


def test_nobody_in_sight_and_a_camera_that_is_off(session):
    session.show_image(shows(0))
    session.run(0.1)
    sight = session.snapshot().sight
    assert sight is not None
    assert sight.reading.reason == "no face"
    assert session.snapshot().unsure
    assert session.estimate is None
    session.run(2.0)
    assert session.snapshot().sight is None


def test_voice_and_face_are_heard_together_and_the_session_knows_when_it_is_out_of_date(stream):
    ear = ScriptedEar({10: estimate("happy", 0.6)})
    with Session(ear=ear, eye=StreamEye(lambda: stream)) as session:
        session.play_video(film(1, 1, 1))
        session.run(0.4)
        both = session.snapshot()
        assert both.estimate.source == "voice and face"
        assert both.estimate.confidence > 0.9
        assert both.agreement > 0.6
        assert not both.unsure
        session.run(4.0)
        assert session.snapshot().unsure
        session.feel("sad")
        session.run(0.1)
        assert not session.snapshot().unsure
        session.show_image(shows(1))
        session.run(0.1)
        assert session.estimate.label == "sad"  # told by hand


def test_a_reset_forgets_the_face(session):
    session.play_video(film(*[1] * 50))
    session.run(1.0)
    session.reset()
    steps = session.run(1.0).steps
    assert {step.emotion for step in steps} == {None}
    assert session.snapshot().sight is None


@pytest.mark.parametrize(
    "bad", [b"", b"not a picture", np.zeros((4, 4)), np.full((9, 9, 3), np.nan), "/nowhere/face.png"]
)
def test_what_is_no_picture_is_refused(session, bad):
    if isinstance(bad, np.ndarray) and bad.ndim == 2:
        bad = bad[None, None]
    with pytest.raises(PictureError):
        session.show_image(bad)
    assert len(session.run(0.1).steps) == 5


def test_a_picture_is_shown_for_a_while():
    png = cv2.imencode(".png", drawn_face())[1].tobytes()
    assert is_picture(png)
    assert not is_picture(b"RIFF....WAVE")
    frames = list(picture_film(png, "x.png"))
    assert frames[-1].time_s == pytest.approx(PICTURE_S, abs=0.25)
    with pytest.raises(PictureError):
        picture_film(png[:-40], "x.png")


def all_of(frames) -> list[Frame]:
    """Every frame of a film, waiting for those that are not ready."""
    found: list[Frame] = []
    end = time.monotonic() + PATIENCE_S
    for frame in frames:
        assert time.monotonic() < end
        if frame is None:
            time.sleep(0.005)
        else:
            found.append(frame)
    return found


def films() -> int:
    return sum(thread.name == "empaw-film" for thread in threading.enumerate())


def test_a_video_is_decoded_ahead_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    made = write_video(tmp_path / "film.mp4", [drawn_face(64, 48)] * 40).read_bytes()
    frames = video_film(made, "x.mp4", pytest.fail)
    assert not list((tmp_path / "temporary").iterdir())
    assert len(all_of(frames)) == 40
    closed, forgotten = video_film(made, "x.mp4", pytest.fail), video_film(made, "x.mp4", pytest.fail)
    wait_until(lambda: films() == 2)
    closed.close()
    del forgotten
    wait_until(lambda: films() == 0)
    assert video_film(b"not a video", "x", pytest.fail) is None
    nobody_waits = threading.Event()
    nobody_waits.set()
    assert video_film(made, "x.mp4", pytest.fail, nobody_waits) is None
    assert films() == 0
    assert not list((tmp_path / "temporary").iterdir())


def test_a_camera_has_smaller_pictures_than_a_file():
    assert camera_picture(cv2.imencode(".jpg", drawn_face(320, 240))[1].tobytes()).shape == (240, 320, 3)
    large = cv2.imencode(".jpg", np.zeros((20, 2000, 3), np.uint8))[1].tobytes()
    with pytest.raises(PictureError, match="1280"):
        camera_picture(large)


def test_a_video_that_breaks_off_is_told_and_what_came_before_is_shown(monkeypatch):
    def breaks(path, label, stop):
        yield from film(1, 2, 1)
        raise PictureError("damaged after 3 frames")

    said: list[str] = []
    monkeypatch.setattr("apps.gui.films.read_video", breaks)
    frames = video_film(b"anything", "x", said.append)
    assert frames is not None
    assert len(all_of(frames)) == 3
    assert "damaged after 3 frames" in said[0]
