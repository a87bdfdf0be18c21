import io
import os
import struct
from contextlib import suppress

import cv2
import numpy as np
import pytest

from benchmarks.media_files import write_heif
from perception.face.heif import _frames_of_av1, read_layout
from perception.face.pictures import PictureError, is_picture, read_header, read_picture
from perception.face.predict import find_files, frames_of
from perception.face.videos import is_video, read_video
from tests.faces import drawn_face

CODINGS = [".heic", ".avif"]
FACE = cv2.resize(drawn_face(200, 200), (192, 128))
TILES = [FACE[y : y + 64, x : x + 96] for y in (0, 64) for x in (0, 96)]


@pytest.fixture(scope="module", params=CODINGS)
def whole(request, tmp_path_factory):
    """One face of four tiles, of which the last are cut: 180 x 120 pixels."""
    return write_heif(tmp_path_factory.mktemp("whole") / f"tiled{request.param}", TILES, 2, (180, 120))


def distance(picture: np.ndarray, wanted: np.ndarray) -> float:
    assert picture.shape == wanted.shape and picture.dtype == np.uint8
    return float(np.abs(picture.astype(int) - wanted).mean())


def test_tiles_are_put_together(whole):
    assert distance(read_picture(whole), FACE[:120, :180]) < 4
    assert read_header(whole.read_bytes(), "")[:4] == (whole.suffix[1:], 192, 128, True)


@pytest.mark.parametrize("ending", CODINGS)
def test_a_picture_in_one_piece(tmp_path, ending):
    path = write_heif(tmp_path / f"a{ending}", [FACE])
    assert distance(read_picture(path), FACE) < 4
    assert distance(read_picture(path.read_bytes()), FACE) < 4


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="there is no such call here")
def test_the_tests_leave_others_their_turn(whole):
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_it_is_a_picture_wherever_files_are_read(whole):
    named = whole.rename(whole.with_name("picture"))
    try:
        assert is_picture(named.read_bytes()[:400]) and not is_video(named)
        assert find_files([named.parent]).files.count(named) == 1
        (frame,) = frames_of(named)
        assert distance(frame.picture, FACE[:120, :180]) < 4
        with pytest.raises(PictureError, match=r"picture is one picture in 4 tiles"):
            list(read_video(named))
    finally:
        named.rename(whole)


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        ([b"irot\1"], np.rot90(FACE)),
        ([b"irot\2"], np.rot90(FACE, 2)),
        ([b"irot\3"], np.rot90(FACE, 3)),
        ([b"imir\0"], FACE[::-1]),
        ([b"imir\1"], FACE[:, ::-1]),
        ([b"irot\1", b"imir\1"], np.rot90(FACE)[:, ::-1]),
        ([b"imir\1", b"irot\1"], np.rot90(FACE[:, ::-1])),
        ([b"clap" + struct.pack(">8i", 100, 1, 80, 1, 10, 1, -48, 2)], FACE[0:80, 56:156]),
    ],
)
def test_cut_turned_and_mirrored_in_their_order(tmp_path, turns, wanted):
    boxes = [struct.pack(">I", len(turn) + 4) + turn for turn in turns]
    assert distance(read_picture(write_heif(tmp_path / "a.heic", [FACE], 1, None, *boxes)), wanted) < 6
    assert distance(read_picture(write_heif(tmp_path / "b.heic", TILES, 2, (192, 128), *boxes)), wanted) < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_of_another_program(orientation):
    image, ops = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.ImageOps")
    out, exif = io.BytesIO(), image.Exif()
    exif[0x112] = orientation
    image.fromarray(FACE[:99, :121, ::-1].copy()).save(out, "AVIF", exif=exif.tobytes())
    out.seek(0)
    wanted = np.asarray(ops.exif_transpose(image.open(out)).convert("RGB"))[..., ::-1]
    assert distance(read_picture(out.getvalue()), wanted) < 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (struct.pack(">2I", 96, 64), struct.pack(">2I", 97, 65), r"piece 1 of its picture is too small"),
        (b"\0\0\1\1\0\xb4\0\x78", b"\0\0\1\1\0\x50\0\x78", r"4 tiles do not make its picture"),
        (b"\0\0\1\1\0\xb4\0\x78", b"\0\0\xff\xff\0\xb4\0\x78", r"4 tiles do not make its picture"),
        (b"grid", b"iovl", r"in a way that is not read here \(iovl\)\. Save it as JPEG"),
        (b"dimg", b"cdsc", r"the boxes that tell of its picture are not whole"),
        (b"ispe", b"ispx", r"the boxes that tell of its picture are not whole"),
        (b"\1\0\0\0\x44\0\0\5", b"\1\0\0\0\x44\0\xff\xff", r"a table of more than 5000 entries"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(whole, tmp_path, old, new, said):
    content = whole.read_bytes()
    assert old in content
    path = tmp_path / whole.name
    path.write_bytes(content.replace(old, new))
    with pytest.raises(PictureError, match=rf"tiled\.(heic|avif) .*{said}"):
        read_picture(path)


def told(size: tuple[int, int]) -> bytes:
    return struct.pack(">2I", *size)


def test_sizes_are_refused_before_anything_is_decoded(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("perception.face.heif._decoded", lambda *_: pytest.fail("decoded"))
    content = whole.read_bytes()
    grid = b"\0\0\1\1\0\xb4\0\x78"
    large = content.replace(told((96, 64)), told((9_600, 6_400))).replace(
        grid, struct.pack(">4B2H", 0, 0, 1, 1, 19_200, 12_800)
    )
    with pytest.raises(PictureError, match="19200 x 12800 pixels; allowed"):
        read_picture(large)
    single = write_heif(tmp_path / whole.name, [FACE]).read_bytes()
    for size in ((4_000_000_000, 1), (20_000, 20_000)):
        with pytest.raises(PictureError, match=f"{size[0]} x {size[1]} pixels; allowed"):
            read_picture(single.replace(told((192, 128)), told(size)))
    for share in (0.5, 0.9, 0.999):
        with pytest.raises(PictureError, match=r"truncated|not whole"):
            read_picture(content[: int(share * len(content))])


def test_a_picture_larger_than_told_gets_no_room(whole, tmp_path):
    content = write_heif(tmp_path / whole.name, [FACE]).read_bytes()
    with pytest.raises(PictureError, match="cannot be decoded"):
        read_picture(content.replace(told((192, 128)), told((96, 64))))


def test_the_same_data_are_not_used_again_and_again(whole):
    """Many parts that overlap would make gigabytes of a small file."""
    content = bytearray(whole.read_bytes())
    place = content.index(b"\1\0\0\0\x44\0\0\5") + 8
    content[place + 6 : place + 8] = struct.pack(">H", 9)  # of the first item, which takes the next for its parts
    for part in range(9):
        start = place + 8 + 8 * part
        content[start : start + 8] = struct.pack(">2I", 0, len(content) // 2)
    with pytest.raises(PictureError, match="the same data again and again"):
        read_picture(bytes(content))


def test_frames_of_av1_are_counted(tmp_path):
    path = write_heif(tmp_path / "a.avif", [FACE])
    (piece,) = read_layout(path.read_bytes()).pieces
    one = b"".join(piece.parts)
    assert _frames_of_av1(one) == 1 and _frames_of_av1(one * 9) == 9
    assert _frames_of_av1(b"\x30" + one) == 1, "without a length it goes on to the end"
    assert _frames_of_av1(b"\x32\xff") == 1
    many = bytearray(path.read_bytes().replace(one, one * 9))
    places = struct.pack(">4H", 1, 0, 0, 1)
    start = many.index(places) + 12
    many[start : start + 4] = struct.pack(">I", 9 * len(one))
    with pytest.raises(PictureError, match="more than 4 frames in one picture"):
        read_picture(bytes(many))


def test_random_bytes_never_crash(whole):
    rng = np.random.default_rng(0)
    content = np.frombuffer(whole.read_bytes(), np.uint8)
    for most in (len(content), 900):
        for _ in range(100):
            hurt = content.copy()
            hurt[rng.integers(12, most, 4)] = rng.integers(0, 256, 4)
            with suppress(PictureError):
                assert read_picture(hurt.tobytes()).ndim == 3
