"""What `benchmarks.fuzz` damages and who reads it: small examples of every kind of file, made here, and a reader."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

_FRAMES = 60
_SETTINGS = {
    "seed": "0",
    "require_id": "false",
    "watch": "1.0",
    "platform": "none",
    "database": "",
    "url": "",
    "trials": "9",
}
_WEIGHTS = Path(__file__).resolve().parents[1] / "assets" / "weights"


@dataclass(frozen=True)
class Kind:
    """A kind of file: how examples are made, by name, and how one is read.

    `read` takes the damaged file; the other files of its folder are `beside` it, whole.
    """

    make: Callable[[], Mapping[str, bytes]]
    read: Callable[[Path], object]
    beside: Callable[[], Mapping[str, bytes]] = dict


def _tone() -> np.ndarray:
    return (0.3 * np.sin(np.arange(4_800) * 0.17)).astype(np.float32)


def _sounds() -> dict[str, bytes]:
    import soundfile

    made = {}
    for ending, form, subtype in (
        ("wav", "WAV", "PCM_16"), ("float.wav", "WAV", "FLOAT"), ("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"),
        ("mp3", "MP3", "MPEG_LAYER_III"), ("aiff", "AIFF", "PCM_16"), ("au", "AU", "PCM_16"),
    ):  # fmt: skip
        file = io.BytesIO()
        soundfile.write(file, _tone(), 16_000, format=form, subtype=subtype)
        made[f"tone.{ending}"] = file.getvalue()
    return made | {f"tone.{ending}": _encoded(ending, sound=codec) for ending, codec in (("m4a", "aac"),)}


def _videos() -> dict[str, bytes]:
    codecs = {"avi": "mjpeg", "mp4": "mpeg4", "mkv": "mpeg4", "webm": "libvpx", "mov": "mjpeg"}
    return {f"clip.{ending}": _encoded(ending, picture=codec) for ending, codec in codecs.items()}


def _encoded(ending: str, picture: str = "", sound: str = "") -> bytes:
    """A file as FFmpeg writes it: six frames of 64 x 48 pixels, or a tone."""
    import av

    form = {"mkv": "matroska", "m4a": "ipod"}.get(ending, ending)
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        if picture:
            stream = container.add_stream(picture, rate=10, width=64, height=48)
            stream.pix_fmt = "yuvj420p" if picture == "mjpeg" else "yuv420p"
            frames = [av.VideoFrame.from_ndarray(_drawing(number)[:48], "bgr24") for number in range(6)]
        else:
            stream = container.add_stream(sound, rate=16_000, layout="mono")
            frames = [av.AudioFrame.from_ndarray(part[None], "fltp", "mono") for part in _tone().reshape(-1, 960)]
            for frame in frames:
                frame.sample_rate = 16_000
        for frame in (*frames, None):
            container.mux(stream.encode(frame))
    return file.getvalue()


def _drawing(number: int = 0) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return np.stack([4 * x, 4 * y, (x * y + 40 * number) % 256], axis=-1).astype(np.uint8)


def _pictures() -> dict[str, bytes]:
    import cv2

    from benchmarks.media_files import write_heif

    endings = ("png", "jpg", "bmp", "webp", "tiff")
    made = {f"drawing.{ending}": cv2.imencode(f".{ending}", _drawing())[1].tobytes() for ending in endings}
    with TemporaryDirectory() as place:
        for ending in ("heic", "avif"):
            path = write_heif(Path(place) / f"drawing.{ending}", [_drawing(0), _drawing(1)], 2, (128, 64))
            made[path.name] = path.read_bytes()
    return made


def _clouds() -> dict[str, bytes]:
    points = np.random.default_rng(0).normal(0.0, 0.05, (120, 3)).astype(np.float32)
    colours = np.zeros((120, 3), np.uint8)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, points)
    np.savez_compressed(npz, points=points, colours=colours)
    fields = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 120\nHEIGHT 1\nPOINTS 120\n"
    ply = "element vertex 120\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    rows = "".join(f"{x:.4f} {y:.4f} {z:.4f}\n" for x, y, z in points)
    return {
        "cloud.npy": npy.getvalue(),
        "cloud.npz": npz.getvalue(),
        "text.pcd": f"VERSION .7\n{fields}DATA ascii\n{rows}".encode(),
        "binary.pcd": f"VERSION .7\n{fields}DATA binary\n".encode() + points.tobytes(),
        "text.ply": f"ply\nformat ascii 1.0\n{ply}{rows}".encode(),
        "binary.ply": f"ply\nformat binary_little_endian 1.0\n{ply}".encode() + points.tobytes(),
        "cloud.xyz": rows.encode(),
        "cloud.csv": f"x,y,z\n{rows.replace(' ', ',')}".encode(),
    }


def _meshes() -> dict[str, bytes]:
    import trimesh

    box, ball = trimesh.creation.box((0.06, 0.05, 0.1)), trimesh.creation.icosphere(subdivisions=2, radius=0.04)
    made = {}
    for ending in ("obj", "stl", "ply", "off", "glb"):
        for name, mesh in (("box", box), ("ball", ball)):
            content = mesh.export(file_type=ending)
            made[f"{name}.{ending}"] = content.encode() if isinstance(content, str) else content
    return made


def _urdfs() -> dict[str, bytes]:
    body = (
        '<?xml version="1.0"?>\n<robot name="cup"><link name="cup">\n<inertial><mass value="0.1"/></inertial>\n'
        '<visual><origin xyz="0 0 0.01" rpy="0 0 1.57"/><geometry>{looks}</geometry></visual>\n'
        "<collision><geometry>{touched}</geometry></collision>\n</link></robot>\n"
    )
    shapes = {
        "box": '<box size="0.05 0.06 0.1"/>', "can": '<cylinder radius="0.03" length="0.1"/>',
        "ball": '<sphere radius="0.04"/>', "mesh": '<mesh filename="box.obj" scale="1 1 1"/>',
    }  # fmt: skip
    return {
        f"{looks}_{touched}.urdf": body.format(looks=shapes[looks], touched=shapes[touched]).encode()
        for looks in shapes
        for touched in shapes
    }


def _weights() -> dict[str, bytes]:
    """Weights and config of small networks that are shipped, under the name of their folder, and a voice."""
    from safetensors.numpy import save

    made = {
        f"{folder}/{name}": (_WEIGHTS / folder / name).read_bytes()
        for folder in ("gait", "taste", "speech_presence")
        for name in ("model.safetensors", "config.json")
    }
    voice = {"neutral": np.ones(2_304, np.float32), "neutral_count": np.array([3], np.int64)}
    return made | {"voice/voice.safetensors": save(voice)}


def _behaviours() -> dict[str, bytes]:
    from policies.behaviour import DEFAULT_TABLE

    return {"behaviour.toml": DEFAULT_TABLE.read_bytes()}


def _studies() -> dict[str, bytes]:
    from apps.study import init
    from apps.study.instruments import SHIPPED
    from evaluation.study.plan import TEMPLATE

    settings = init.TEMPLATE.read_text("utf-8")
    filled = re.sub("@([a-z_]+)@", lambda found: _SETTINGS.get(found[1], found[1]), settings)
    made = {"study.toml": filled.encode(), "analysis.toml": TEMPLATE.read_bytes()}
    return made | {path.name: path.read_bytes() for path in SHIPPED.glob("*.toml")}


def _networks() -> dict[str, bytes]:
    from perception.face.detector import DEFAULT_WEIGHTS

    return {"detector.onnx": DEFAULT_WEIGHTS.read_bytes()}


def _rows() -> dict[str, bytes]:
    lines = [{"settings": {"seed": 0}}, *({"key": [n, "can"], "row": {"lifted": n % 2 == 0}} for n in range(20))]
    answers = {"neutral": [0, 1, 2, "first"], "notes": {"rate": 16_000, "labels": ["a", "b"]}}
    return {
        "rows.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode(),
        "any.json": json.dumps(answers, indent=1).encode(),
    }


def _read_sound(path: Path) -> object:
    from perception.speech.audio import read_sound

    return read_sound(path)


def _read_picture(path: Path) -> object:
    from perception.face.pictures import read_picture

    return read_picture(path)


def _read_video(path: Path) -> object:
    from perception.face.videos import read_video

    return sum(1 for _ in islice(read_video(path), _FRAMES))


def _read_cloud(path: Path) -> object:
    from geometry.cloud_files import read_cloud

    return read_cloud(path)


def _read_mesh(path: Path) -> object:
    from geometry.mesh_files import load_collision

    return load_collision(path)


def _read_urdf(path: Path) -> object:
    from geometry.urdf import read_urdf

    return read_urdf(path)


def _read_weights(path: Path) -> None:
    """Load what the folder says and let it work once; what comes of it must be finite."""
    from perception.speech.speaker import Speaker
    from perception.speech.speech_detector import SpeechDetector
    from policies.locomotion.actor import Actor
    from policies.taste.representation import Representation

    folder = path.parent
    if folder.name == "gait":
        found = Actor.load(folder)(np.ones((1, 95)))
    elif folder.name == "taste":
        found = Representation.load(folder).embed(np.ones((1, 68)))
    elif folder.name == "voice":
        found = Speaker.load(path).offset(np.zeros(2_304), np.zeros(2_304), 3)
    else:
        found = np.asarray(SpeechDetector.load(folder).probability(np.ones(2_304, np.float32)))
    assert np.isfinite(found).all(), f"{found} came of it"


def _read_behaviour(path: Path) -> object:
    from apps.gui.messages import scene_message
    from policies.behaviour import BehaviourTable

    return json.dumps(scene_message([], BehaviourTable.load(path), (1.0, 0.0), []))


def _read_study(path: Path) -> object:
    from apps.study.config import load_config
    from apps.study.instruments import load_instrument
    from evaluation.study.plan import load_plan

    load = {"study.toml": load_config, "analysis.toml": load_plan}.get(path.name, load_instrument)
    return load(path)


def _read_network(path: Path) -> object:
    from perception.face.detector import FaceDetector

    return FaceDetector(path).detect(_drawing())


def _read_rows(path: Path) -> object:
    from evaluation.results import ResultsStore
    from geometry.files import read_json

    return read_json(path) if path.suffix == ".json" else ResultsStore(path, {"seed": 0}, resume=True)


def _box() -> dict[str, bytes]:
    return {"box.obj": _meshes()["box.obj"]}


KINDS = {
    "sound": Kind(_sounds, _read_sound),
    "picture": Kind(_pictures, _read_picture),
    "video": Kind(_videos, _read_video),
    "cloud": Kind(_clouds, _read_cloud),
    "mesh": Kind(_meshes, _read_mesh),
    "URDF": Kind(_urdfs, _read_urdf, beside=_box),
    "weights": Kind(_weights, _read_weights, beside=_weights),
    "behaviour table": Kind(_behaviours, _read_behaviour),
    "study": Kind(_studies, _read_study),
    "ONNX": Kind(_networks, _read_network),
    "rows": Kind(_rows, _read_rows),
}
"""By the name that tables give them."""
