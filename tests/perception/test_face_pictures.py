import io
import struct
import threading
import tracemalloc
import zlib
from contextlib import suppress
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from benchmarks.media_files import write_video
from perception.face.pictures import PictureError, as_bgr, read_picture
from perception.face.predict import find_files, frames_of
from perception.face.videos import read_camera, read_video
from tests.faces import drawn_face


def encoded(ending: str, picture: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(ending, picture, list(options))[1].tobytes()


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares any size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    end = b"\0\0\0\0IEND\xaeB`\x82"
    parts = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, body))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + end


FACE = drawn_face(120, 100)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_any_format_keeps_the_picture(ending, tmp_path):
    path = tmp_path / f"a{ending}"
    path.write_bytes(encoded(ending, FACE))
    for source in (path, str(path), path.read_bytes()):
        picture = read_picture(source)
        assert picture.shape == (100, 120, 3) and picture.dtype == np.uint8
        assert np.abs(picture.astype(int) - FACE).mean() < 6


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit", "16 bit grey", "lossless webp", "grey jpg"])
def test_any_depth_and_channels(kind):
    grey = cv2.cvtColor(FACE, cv2.COLOR_BGR2GRAY)
    content = {
        "grey": encoded(".png", grey),
        "alpha": encoded(".png", np.dstack([FACE, np.full((100, 120), 7, np.uint8)])),
        "16 bit": encoded(".png", FACE.astype(np.uint16) * 257),
        "16 bit grey": encoded(".tiff", grey.astype(np.uint16) * 257),
        "lossless webp": encoded(".webp", FACE, cv2.IMWRITE_WEBP_QUALITY, 101),
        "grey jpg": encoded(".jpg", grey),
    }[kind]
    picture = read_picture(content)
    assert picture.shape == (100, 120, 3)
    wanted = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) if "grey" in kind else FACE
    assert np.abs(picture.astype(int) - wanted).mean() < 3


@pytest.mark.parametrize("mode", ["CMYK", "P", "LA", "1"])
def test_what_other_programs_write(mode):
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(FACE[..., ::-1].copy()).convert(mode).save(out, "JPEG" if mode == "CMYK" else "PNG")
    assert read_picture(out.getvalue()).shape == (100, 120, 3)


def test_one_pixel_is_a_picture():
    assert read_picture(encoded(".png", FACE[:1, :1])).shape == (1, 1, 3)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_files_are_refused(ending, share):
    content = encoded(ending, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    with pytest.raises(PictureError, match=r"truncated|damaged"):
        read_picture(content[: int(share * len(content))])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"plain text", "begins with"),
        (b"\x89PNG\r\n\x1a\n", "tells no size"),
        (b"\xff\xd8\xff", "tells no size"),
        (b"RIFF\0\0\0\0WEBP", "tells no size"),
        (b"II*\0\xff\xff\xff\xff", "tells no size"),
        (b"GIF89a" + b"\0" * 50, "video"),
        (b"%PDF-1.7", "Expected jpeg"),
    ],
)
def test_no_pictures(content, said):
    with pytest.raises(PictureError, match=said):
        read_picture(content)


def test_declared_size_is_refused_before_decoding():
    tracemalloc.start()
    for width, height in ((20_000, 20_000), (4_000_000_000, 1), (0, 5)):
        with pytest.raises(PictureError, match=f"{width} x {height} pixels; allowed"):
            read_picture(png_header(width, height))
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    jpg = bytearray(encoded(".jpg", FACE))
    place = jpg.find(b"\xff\xc0")
    jpg[place + 5 : place + 9] = struct.pack(">HH", 20_000, 20_000)
    with pytest.raises(PictureError, match="20000 x 20000 pixels"):
        read_picture(bytes(jpg))


def test_sizes_are_read_as_the_decoder_reads_them():
    """Each declares a small size to a careless reader, and 30,000 x 30,000 pixels to the decoder."""
    frame = struct.pack(">BHHBBBBBBBBB", 8, 30_000, 30_000, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11) + b"\0"
    large = b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame
    jpg = encoded(".jpg", FACE)
    place = jpg.find(b"\xff\xc0")
    for marker in (0x01, 0xD0, 0xD7):  # without parameters: what follows is no length, but the next marker
        content = jpg[:2] + bytes((0xFF, marker)) + large + jpg[2:place] + jpg[place + 19 :]
        with pytest.raises(PictureError, match="30000 x 30000 pixels"):
            read_picture(content)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(jpg[:2] + large + jpg[2:])

    def tiff(*entries: tuple[int, int, int]) -> bytes:
        packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
        return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + bytes(200)

    with pytest.raises(PictureError, match="30000 x 30000 pixels"):
        read_picture(tiff((256, 4, 30_000), (257, 4, 30_000), (256, 4, 9), (257, 4, 9)))
    with pytest.raises(PictureError, match="30000 x 30000 pixels"):
        read_picture(tiff((256, 4, 9), (257, 4, 9), (322, 4, 30_000), (323, 4, 30_000)))
    with pytest.raises(PictureError, match="tells no size"):
        read_picture(tiff((256, 16, 100), (257, 16, 100)))


def test_a_png_chunk_that_is_not_there_gets_no_room():
    png = encoded(".png", FACE)
    declared = struct.pack(">I", 2_000_000_000)
    tracemalloc.start()
    for hollow in (png[:33] + declared + b"tEXt" + png[33:], png[:-12] + declared + png[-8:]):
        with pytest.raises(PictureError, match="truncated"):
            read_picture(hollow)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_endless_scans_are_refused():
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    jpg = encoded(".jpg", FACE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    with pytest.raises(PictureError, match="allowed are 100"):
        read_picture(jpg[:-2] + scan * 1000 + jpg[-2:])
    assert read_picture(jpg).shape == FACE.shape


def test_what_lies_behind_a_picture_counts_for_nothing(rng):
    for options in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]):
        photo = cv2.imencode(".jpg", drawn_face(), options)[1].tobytes()
        film = rng.integers(0, 256, 9_000_000, np.uint8).tobytes()
        assert film.count(b"\xff\xda") > 100
        assert np.array_equal(read_picture(photo + film), read_picture(photo))


def test_scans_behind_a_false_end_are_counted():
    photo = cv2.imencode(".jpg", drawn_face(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    start = photo.index(b"\xff\xda")
    scans = photo[start:-2]
    comment = b"\xff\xfe\x00\x06\xff\xd9\xff\xd9"  # an end inside a comment is none
    with pytest.raises(PictureError, match=r"scans; allowed are 100"):
        read_picture(photo[:start] + comment + 40 * scans + b"\xff\xd9")


def test_paths_that_are_no_picture(tmp_path):
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match="is missing"):
        read_picture(tmp_path / "a.png")


def test_random_bytes_never_crash():
    rng = np.random.default_rng(0)
    for ending in (".jpg", ".png", ".webp", ".tiff", ".bmp"):
        whole = np.frombuffer(encoded(ending, FACE[:40, :40]), np.uint8)
        for _ in range(20):
            hurt = whole.copy()
            hurt[rng.integers(4, len(hurt), 8)] = rng.integers(0, 256, 8)
            with suppress(PictureError):
                assert read_picture(hurt.tobytes()).ndim == 3


@pytest.mark.parametrize(
    "array",
    [
        FACE,
        FACE[..., 0],
        FACE[..., :1],
        np.dstack([FACE, FACE[..., :1]]),
        FACE.astype(np.uint16) * 257,
        FACE / 255.0,
        (FACE / 255.0).astype(np.float32),
        FACE > 128,
        FACE[::2, ::-1],
    ],
)
def test_arrays(array):
    before = array.copy()
    out = as_bgr(array)
    assert out.dtype == np.uint8 and out.shape == (*array.shape[:2], 3)
    assert np.array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 4, 2)), "shape"),
        (np.zeros(4), "shape"),
        (np.zeros((2, 4, 4, 3)), "shape"),
        (np.zeros((0, 5, 3), np.uint8), "5 x 0 pixels"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4, 3), np.inf), "NaN or infinity"),
        (np.full((4, 4, 3), 255.0), "Divide by 255"),
        (np.zeros((4, 4, 3), np.int64), "type int64"),
        (np.array([["a"]]), "type"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)), "20000 x 20000"),
    ],
)
def test_arrays_that_are_no_picture(array, said):
    with pytest.raises(PictureError, match=said):
        as_bgr(array)


def test_video_frames_and_times(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.full((48, 64, 3), 10 * i, np.uint8) for i in range(10)])
    frames = list(read_video(path))
    assert [frame.number for frame in frames] == list(range(10))
    assert np.allclose([frame.time_s for frame in frames], np.arange(10) / 25, atol=1e-3)
    assert all(frame.picture.shape == (48, 64, 3) for frame in frames)
    assert np.allclose([frame.picture.mean() for frame in frames], np.arange(10) * 10, atol=6)


def test_an_animated_gif_is_a_video(tmp_path):
    path = write_video(tmp_path / "a.gif", [np.full((32, 32, 3), v, np.uint8) for v in (0, 120, 250)], codec="gif")
    assert len(list(read_video(path))) == 3
    with pytest.raises(PictureError, match="video"):
        read_picture(path)


def test_large_frames_are_scaled_down(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.zeros((1440, 2560, 3), np.uint8)])
    assert next(iter(read_video(path))).picture.shape == (720, 1280, 3)


def test_pixels_that_are_wider_than_high_are_stretched(tmp_path):
    """As HDV stores 16:9 in 1440 x 1080."""
    wide = drawn_face(480, 270)
    stored = cv2.resize(wide, (360, 270), interpolation=cv2.INTER_AREA)
    with av.open(str(tmp_path / "hdv.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 360, 270, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in (*stream.encode(av.VideoFrame.from_ndarray(stored, format="bgr24")), *stream.encode(None)):
            file.mux(packet)
    picture = next(iter(read_video(tmp_path / "hdv.mp4"))).picture
    assert picture.shape == (270, 480, 3)
    assert np.abs(picture.astype(int) - wide).mean() < 8


def test_a_time_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    write_video(tmp_path / "film.mp4", [drawn_face()]).rename(tmp_path / "2024-05-01T12:30:00.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(read_video("2024-05-01T12:30:00.mp4"))) == 1


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_rotation_and_mirroring_of_telephones_are_applied(tmp_path, turns, mirrored):
    """A picture is mirrored left to right, then turned by so many quarters clockwise; x goes right and y down."""
    corners = np.zeros((48, 64, 3), np.uint8)
    corners[:24, :32], corners[:24, 32:], corners[24:, :32] = 220, 150, 70
    quarter = np.array([[0, 1], [-1, 0]])  # row vectors: x goes down, y goes left
    wanted_matrix = np.diag([-1 if mirrored else 1, 1]) @ np.linalg.matrix_power(quarter, turns)
    (a, b), (c, d) = (wanted_matrix * 0x10000).tolist()
    path = write_video(tmp_path / "a.mp4", [corners] * 2)
    content = path.read_bytes()
    level = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    track = content.find(b"tkhd")
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content[:track] + content[track:].replace(level, turned, 1))
    picture = next(iter(read_video(path))).picture
    wanted = np.rot90(corners[:, ::-1] if mirrored else corners, -turns)
    assert picture.shape == wanted.shape
    assert np.abs(picture.astype(int) - wanted).mean() < 8


@pytest.mark.parametrize("ending", [".3gp", ".MTS", ".ogv", ""])
def test_content_and_not_the_ending_tells_a_video(tmp_path, ending):
    kinds = {".MTS": ("ts", "mpeg2video"), ".ogv": ("ogv", "libvpx")}
    kind, codec = kinds.get(ending, ("mp4", "mpeg4"))
    frames = list(np.random.default_rng(0).integers(0, 255, (5, 48, 64, 3), np.uint8))
    made = write_video(tmp_path / f"made.{kind}", frames, codec=codec)
    path = made.rename(tmp_path / f"clip{ending}")
    assert find_files([tmp_path]).files == [path]
    assert len(list(frames_of(path))) == 5


def test_a_video_of_packets_without_frames_is_given_up(tmp_path):
    import av

    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25, width=32, height=32)
        stream.pix_fmt = "yuv420p"
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            file.mux(packet)
        for time in range(1, 3000):
            empty = av.Packet(b"\0")
            empty.stream, empty.pts, empty.dts, empty.time_base = stream, time, time, stream.codec_context.time_base
            file.mux(empty)
    with pytest.raises(PictureError, match=r"a\.mkv .*(packets in a row|after 1 frames)"):
        list(read_video(path))


def test_a_video_is_decoded_no_further_than_somebody_waits(tmp_path):
    path, stop = write_video(tmp_path / "a.avi", [np.zeros((32, 32, 3), np.uint8)] * 9), threading.Event()
    frames = read_video(path, stop=stop)
    assert next(frames).number == 0
    stop.set()
    with pytest.raises(PictureError, match=r"nobody waits for .*a\.avi any more"):
        list(frames)


def test_a_video_that_breaks_off_gives_what_it_has(tmp_path):
    rng = np.random.default_rng(0)
    whole = write_video(tmp_path / "a.ts", [rng.integers(0, 255, (96, 96, 3), np.uint8) for _ in range(20)])
    half = tmp_path / "half.ts"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 0 < sum(1 for _ in read_video(half)) < 20
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(write_video(tmp_path / "b.mp4", [np.zeros((32, 32, 3), np.uint8)] * 5).read_bytes()[:300])
    with pytest.raises(PictureError, match=r"no picture track|cannot be read as a video"):
        list(read_video(cut))


@pytest.mark.parametrize(("content", "said"), [(b"", "empty"), (b"text" * 100, "cannot be read as a video")])
def test_no_videos(tmp_path, content, said):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=said):
        list(read_video(path))
    with pytest.raises(PictureError, match="missing"):
        list(read_video(tmp_path / "b.mp4"))
    with pytest.raises(PictureError, match="a folder"):
        list(read_video(tmp_path))


def test_a_codec_that_nobody_knows_is_told(tmp_path):
    path = write_video(tmp_path / "a.avi", [np.zeros((32, 32, 3), np.uint8)] * 3, codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"zzzz"))
    with pytest.raises(PictureError, match=r"a\.avi is coded in a way that is not known"):
        list(read_video(path))


def test_a_sound_is_no_video(tmp_path):
    import av

    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    with pytest.raises(PictureError, match="no picture track"):
        list(read_video(path))


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("avi", "is a video with no frames in it"),
        ("mkv", "cannot be read as a video after 0 frames"),
        ("mp4", "has no picture track"),
    ],
)
def test_a_video_of_no_frames(tmp_path, ending, said):
    import av

    empty = tmp_path / f"none.{ending}"
    with av.open(str(empty), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        file.start_encoding()
    with pytest.raises(PictureError, match=rf"none\.{ending} {said}"):
        list(read_video(empty))


def test_no_camera():
    with pytest.raises(PictureError, match="camera 99 cannot be opened"):
        next(read_camera(99))
