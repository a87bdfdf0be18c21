from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from perception.face.detector import CROP, DEFAULT_WEIGHTS, TEMPLATE, FaceDetector, align, sharpness, similarity
from perception.face.pictures import PictureError
from tests.faces import drawn_face


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def on_canvas(faces: list[tuple[int, int, int]], width: int = 640, height: int = 480) -> np.ndarray:
    """Faces (x, y of the middle, side) on one picture."""
    out = np.full((height, width, 3), 170, np.uint8)
    for x, y, side in faces:
        out[y - side // 2 : y - side // 2 + side, x - side // 2 : x - side // 2 + side] = drawn_face(side, side)
    return out


def test_several_faces_the_largest_first(detector):
    places = [(150, 120, 160), (440, 260, 300), (130, 360, 120)]
    found = detector.detect(on_canvas(places))
    assert len(found) == 3
    assert [face.area for face in found] == sorted((face.area for face in found), reverse=True)
    for face, (x, y, side) in zip(found, sorted(places, key=lambda place: -place[2]), strict=True):
        middle = face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2
        assert np.hypot(middle[0] - x, middle[1] - y) < 0.1 * side
        assert 0.6 <= face.score <= 1.0
        eyes = face.landmarks[:2, 0]
        assert eyes[0] < x < eyes[1]  # the left one first, as in the template


def test_boxes_are_in_pixels_of_the_picture_whatever_its_size(detector):
    small = detector.detect(drawn_face(320, 240))[0]
    large = detector.detect(cv2.resize(drawn_face(320, 240), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC))[0]
    assert np.allclose(np.array(large.box) / 3, small.box, atol=4)
    assert np.allclose(large.landmarks / 3, small.landmarks, atol=3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5_000), (5_000, 3), (15, 15), (16, 16), (17, 333)])
def test_pictures_of_any_shape_have_no_face_and_do_not_crash(detector, shape):
    assert detector.detect(np.full((*shape, 3), 128, np.uint8)) == []


def test_noise_is_no_face_and_grey_will_do(detector):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    assert detector.detect(noise) == []
    assert len(detector.detect(cv2.cvtColor(drawn_face(), cv2.COLOR_BGR2GRAY))) == 1
    with pytest.raises(PictureError, match="NaN"):
        detector.detect(np.full((48, 48), np.nan))


def test_wrong_settings(tmp_path):
    with pytest.raises(ValueError, match="is missing"):
        FaceDetector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="no face detector"):
        FaceDetector(tmp_path / "bad.onnx")
    hostile = bytearray(DEFAULT_WEIGHTS.read_bytes())
    hostile[38] = 34  # OpenCV divides by zero in it, which no except can catch
    (tmp_path / "bad.onnx").write_bytes(hostile)
    with pytest.raises(ValueError, match=r"bad\.onnx is damaged"):
        FaceDetector(tmp_path / "bad.onnx")
    with pytest.raises(ValueError, match="allowed are 16 to 4096"):
        FaceDetector(most_side=5)
    with pytest.raises(ValueError, match="0 to 1"):
        FaceDetector(least_score=float("nan"))


def test_similarity_finds_turn_scale_and_shift():
    angle, scale = np.radians(25.0), 1.7
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = TEMPLATE @ turn.T + [12.0, -5.0]
    assert np.allclose(similarity(TEMPLATE, moved), np.column_stack([turn, [12.0, -5.0]]), atol=1e-9)
    assert similarity(np.zeros((5, 2)), TEMPLATE) is None
    assert similarity(np.full((5, 2), np.nan), TEMPLATE) is None


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 3.7, 7.3])
@pytest.mark.parametrize("angle_deg", [0.0, 20.0])
def test_crops_put_landmarks_on_the_template(scale, angle_deg):
    """Dots at the landmarks of a turned and scaled face come out where FER2013 has them."""
    angle, side = np.radians(angle_deg), round(110 * scale)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = (TEMPLATE - TEMPLATE.mean(axis=0)) @ turn.T + side / 2
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1)
    picture = np.zeros((side, side))
    for place in places:
        picture += np.exp(-0.5 * (((grid - place) / (1.5 * scale)) ** 2).sum(axis=-1))
    crop = align(np.clip(picture, 0, 1), places).astype(float)
    for x, y in TEMPLATE:
        left, top = round(x) - 4, round(y) - 4
        patch = crop[top : top + 9, left : left + 9]
        weights = patch / patch.sum()
        found = (weights.sum(axis=0) @ np.arange(9) + left, weights.sum(axis=1) @ np.arange(9) + top)
        assert np.hypot(found[0] - x, found[1] - y) < 0.3


def test_a_large_face_is_averaged_down_not_sampled():
    """A fine chequered pattern becomes grey; sampling it would leave false contrast."""
    board = (np.indices((960, 960)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = align(board, TEMPLATE * 20)
    assert crop.shape == (CROP, CROP) and crop.std() < 25


def test_detector_and_alignment_agree_with_the_template(detector):
    picture = drawn_face(320, 240)
    for degrees in (-15, 0, 15):
        turned = cv2.warpAffine(
            picture, cv2.getRotationMatrix2D((160, 120), degrees, 1.0), (320, 240), borderMode=cv2.BORDER_REPLICATE
        )
        crop = align(turned, detector.detect(turned)[0].landmarks)
        again = detector.detect(cv2.copyMakeBorder(cv2.resize(crop, (144, 144)), 48, 48, 48, 48, cv2.BORDER_REPLICATE))
        marks = (again[0].landmarks - 48 + 0.5) / 3 - 0.5
        assert np.abs(marks - TEMPLATE).mean() < 3.0


def test_alignment_of_nonsense():
    assert align(drawn_face(), np.zeros((5, 2))) is None
    assert align(drawn_face(), np.full((5, 2), np.inf)) is None
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        align(drawn_face(), np.zeros((4, 2)))
    far = align(drawn_face(), TEMPLATE + 1e5)  # beyond the picture: its border repeated
    assert far is None or far.std() == 0


def test_sharpness_falls_with_blur_and_ignores_light():
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 200, (48, 48)).astype(np.uint8)
    values = [sharpness(cv2.GaussianBlur(crop, (0, 0), sigma)) for sigma in (0.5, 1.0, 2.0, 4.0)]
    assert values == sorted(values, reverse=True)
    assert sharpness((crop // 2 + 20).astype(np.uint8)) == pytest.approx(sharpness(crop), rel=0.05)
    assert sharpness(np.full((48, 48), 90, np.uint8)) == 0.0


def test_landmarks_of_fer2013_lie_on_the_template(detector, shared_data):
    """The geometry of the crops is that of the training pictures: medians over some of them."""
    import tarfile

    marks = []
    with tarfile.open(shared_data / "faces" / "fer2013.tar.gz") as archive:
        for member in archive:
            if member.isfile() and "/Training/" in member.name:
                content = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                big = cv2.resize(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), (144, 144), interpolation=cv2.INTER_CUBIC)
                found = detector.detect(cv2.copyMakeBorder(big, 48, 48, 48, 48, cv2.BORDER_REPLICATE))
                marks += [(found[0].landmarks - 48 + 0.5) / 3 - 0.5] if found else []
            if len(marks) == 80:
                break
    assert np.abs(np.median(marks, axis=0) - TEMPLATE).max() < 2.5


def test_a_camera_of_any_size_costs_one_pass_over_320_pixels(detector, monkeypatch):
    """What that takes, `benchmarks/costs.py` measures."""
    net, passes = detector._net, []
    counted = SimpleNamespace(
        setInputSize=net.setInputSize, detect=lambda small: passes.append(small) or net.detect(small)
    )
    monkeypatch.setattr(detector, "_net", counted)
    for width, height in ((320, 240), (1920, 1440), (3840, 2880)):
        detector.detect(drawn_face(width, height))
    assert [small.shape for small in passes] == [(240, 320, 3)] * 3
