"""Tiny files under the names that the README gives to what people have: corpora, sets of objects, clips."""

from __future__ import annotations

import json
from itertools import count, product
from pathlib import Path

import cv2
import soundfile

from benchmarks.media_files import write_video
from datasets.held_out import is_held_out
from tests.conftest import ROOT
from tests.datasets.test_faces import write_tree
from tests.faces import drawn_face

SAMPLE = ROOT / "assets" / "samples" / "hello.wav"
SHAPES = {"can": '<cylinder radius="0.03" length="0.1"/>', "brick": '<box size="0.05 0.07 0.06"/>'}
SETS = ("packed/train", "packed/test", "pile/train", "pile/test")


def write_all(home: Path) -> None:
    """Write everything that commands of the README read, and the folder that they write figures to."""
    _voices(home)
    _faces(home)
    _objects(home / "OBJECTS")
    (home / "benchmarks" / "results").mkdir(parents=True)
    (home / "assets").symlink_to(ROOT / "assets")


def _voices(home: Path) -> None:
    """Pieces of the sample as RAVDESS, two of whose actors the shipped weights never heard, nEMO and EMO-DB."""
    said, rate = soundfile.read(SAMPLE, dtype="float32")
    number = count()
    paths = [
        Path("RAVDESS", f"Actor_{actor:02}", f"03-01-{emotion:02}-01-{sentence:02}-01-{actor:02}.wav")
        for actor, emotion, sentence in product((1, 11, 2, 3), range(1, 9), (1, 2))
        if actor in (1, 11) or emotion < 5
    ]
    feelings = ("anger", "fear", "happiness", "sadness", "neutral", "surprised")
    paths += [Path("NEMO", f"{who}_{feeling}_{n}.wav") for who, feeling, n in product(("AB1", "CD2"), feelings, "12")]
    paths += [Path("FOLDER", f"{who}a01{code}{take}.wav") for who, code, take in product(("03", "08"), "WFTN", "ab")]
    for path in paths:
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        begins = rate + next(number) * rate // 20
        soundfile.write(home / path, said[begins : begins + 6 * rate // 10], rate)
    soundfile.write(home / "clip.wav", said[rate : 3 * rate], rate)
    (home / "FOLDS.json").write_text(json.dumps({"test_actors": [[1, 11], [2, 3]]}))


def _faces(home: Path) -> None:
    """FER2013 whose PublicTest has faces that YuNet finds, a picture, and a second of video."""
    write_tree(home / "FER2013", 2)
    crop = cv2.cvtColor(drawn_face(320, 240), cv2.COLOR_BGR2GRAY)[:, 40:280]
    for place in (home / "FER2013" / "PublicTest").rglob("*.png"):
        cv2.imwrite(str(place), cv2.resize(crop, (48, 48)))
    cv2.imwrite(str(home / "face.jpg"), drawn_face())
    write_video(home / "me.mp4", [drawn_face(320, 240)] * 10)


def _objects(data: Path) -> None:
    """Two shapes in every set; one of those to train on has a name that training keeps back."""
    kept_back = next(number for number in range(1000, 2000) if is_held_out(f"can_{number}"))
    for number, name in enumerate((*(f"vgn_giga/urdfs/{name}" for name in SETS), "ycb_dev")):
        (data / name).mkdir(parents=True)
        for shape, geometry in SHAPES.items():
            parts = "".join(f"<{part}><geometry>{geometry}</geometry></{part}>" for part in ("visual", "collision"))
            place = data / name / f"{shape}_{number or kept_back}.urdf"
            place.write_text(f'<robot name="x"><link name="x">{parts}</link></robot>')
