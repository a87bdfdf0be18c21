"""Make the samples: a voice of eSpeak NG or a drawn face for each feeling, a video of both, and a voice to get to know.

The settings were searched for until the shipped networks read the feeling: the samples show what the dog does about it,
and say nothing of how well people are read. No person's voice or face is in them. Needs espeak-ng (apt-get install).

python tools/samples.py
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import soundfile
import soxr
from scipy.signal import butter, sosfilt

SAMPLES = Path(__file__).resolve().parents[1] / "assets" / "samples"
RATE_HZ, FRAMES_HZ, SIDE = 16000, 10, 240
SKIN, HAIR, WHITE, LIPS, INSIDE = (150, 175, 215), (40, 50, 70), (245, 245, 245), (60, 60, 150), (50, 40, 110)
"""Colours, BGR."""


class Voice(NamedTuple):
    """Say `text` with a voice of eSpeak, at `speed` words a minute and `pitch` 0..99 that varies by `prosody`.

    It is played `faster` by a factor, damped above `low_pass_hz` where that is not 0, and its peak is `peak`.
    """

    text: str
    voice: str
    speed: int
    pitch: int
    prosody: str = "x-high"
    faster: float = 1.0
    low_pass_hz: float = 0.0
    peak: float = 0.6

    def samples(self) -> np.ndarray:
        """Speak: (N,) float32 at 16 kHz."""
        told = f"<speak><prosody range='{self.prosody}'>{self.text}</prosody></speak>"
        line = ["espeak-ng", "-m", "-v", self.voice, "-s", str(self.speed), "-p", str(self.pitch), "--stdout", told]
        said, rate = soundfile.read(io.BytesIO(subprocess.run(line, capture_output=True, check=True).stdout))
        said = soxr.resample(said, rate * self.faster, RATE_HZ)
        if self.low_pass_hz:
            said = sosfilt(butter(1, self.low_pass_hz, fs=RATE_HZ, output="sos"), said)
        return np.asarray(self.peak * said / np.abs(said).max(), np.float32)


class Look(NamedTuple):
    """How a face is drawn: corners of the mouth and brows up or down, mouth and eyes open, teeth shown or not."""

    mouth_curve: float
    mouth_open: float
    brow_slope: float
    brow_up: float
    eyes: float
    teeth: bool = False


VOICES = {
    "calm": Voice(
        "Everything is all right. We have all the time in the world. Just breathe, slowly.",
        "en-us+Alicia", 96, 89, "high", 1.08, peak=0.1),
    "sad": Voice(
        "I miss her so much. I do not know what to do without her. I feel so alone.",
        "en-gb-x-gbclan+travis", 212, 91, "x-low", 0.92, 1000.0, 0.1),
    "angry": Voice(
        "Stop that right now! I told you, leave it alone! Get out of here, now!",
        "en-gb-scotland+boris", 150, 60, "x-low"),
    "fearful": Voice(
        "What was that? Somebody is at the door! Please, do not leave me here alone!",
        "en-029+UniRobot", 165, 44),
}  # fmt: skip
TALK = {
    "1": Voice("The post comes at ten, and the shop opens at noon.", "en-us", 150, 50, "medium", peak=0.3),
    "2": Voice("There are four chairs and a table in the room.", "en-us", 150, 50, "medium", peak=0.3),
}
"""What `enrol voice --neutral` is tried with; nothing was searched for."""
FACES = {
    "neutral": Look(-0.31, 0.2, 0.21, -1.61, 0.4, teeth=True),
    "happy": Look(0.66, 0.33, -0.66, 12.0, 0.82, teeth=True),
    "surprised": Look(-0.14, 1.12, 0.0, 3.1, 1.18),
    "disgust": Look(-0.61, 0.35, 0.94, 6.58, 0.58),
}


def draw(look: Look) -> np.ndarray:
    """Draw a face, BGR (240, 240, 3) uint8."""
    picture = np.full((SIDE, SIDE, 3), 170, np.uint8)
    scale = SIDE / 200

    def at(x: float, y: float) -> tuple[int, int]:
        return int(SIDE // 2 + x * scale), int(SIDE // 2 + y * scale)

    def size(*values: float) -> tuple[int, ...]:
        return tuple(max(1, int(value * scale)) for value in values)

    cv2.ellipse(picture, at(0, -22), size(66, 70), 0, 0, 360, HAIR, -1)
    cv2.ellipse(picture, at(0, 0), size(55, 72), 0, 0, 360, SKIN, -1)
    for side in (-1, 1):
        cv2.ellipse(picture, at(24 * side, -18), size(12, 7 * look.eyes), 0, 0, 360, WHITE, -1)
        cv2.circle(picture, at(24 * side, -18), size(min(6, 6 * look.eyes + 1))[0], (40, 40, 30), -1)
        inner = at(12 * side, -32 - look.brow_up + 8 * look.brow_slope)
        outer = at(38 * side, -34 - look.brow_up - 6 * look.brow_slope)
        cv2.line(picture, inner, outer, (40, 50, 60), size(5)[0], cv2.LINE_AA)
    cv2.ellipse(picture, at(0, 8), size(8, 14), 0, 0, 180, (90, 110, 150), size(3)[0])
    across = np.linspace(-1, 1, 41)
    wide = 26 if look.mouth_open <= 0.8 or look.mouth_curve > 0 else 15.6
    middle = 36 - 14 * look.mouth_curve * (across**2 - 0.5)
    upper = middle - 5 * look.mouth_open * (1 - across**2)
    lower = middle + (2 + 24 * look.mouth_open) * np.sqrt(1 - across**2)

    def band(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        edge = [*zip(wide * across, above, strict=True), *zip(wide * across[::-1], below[::-1], strict=True)]
        return np.array([at(*place) for place in edge], np.int32)

    cv2.fillPoly(picture, [band(upper, lower)], INSIDE, cv2.LINE_AA)
    if look.teeth:
        cv2.fillPoly(picture, [band(upper, upper + np.minimum(6, (lower - upper) / 2))], (240, 240, 240), cv2.LINE_AA)
    cv2.polylines(picture, [band(upper, lower)], True, LIPS, size(2)[0], cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 1.5 * scale)


def film(path: Path, voice: np.ndarray, pictures: list[np.ndarray]) -> None:
    """Write pictures as a video at 10 Hz with a voice under them."""
    with av.open(str(path), "w") as file:
        video, audio = file.add_stream("libx264", rate=FRAMES_HZ), file.add_stream("aac", rate=RATE_HZ)
        video.width, video.height, video.pix_fmt, audio.layout = SIDE, SIDE, "yuv420p", "mono"
        for picture in pictures:
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode(None))
        for start in range(0, len(voice), 1024):
            block = av.AudioFrame.from_ndarray(voice[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts = RATE_HZ, start
            file.mux(audio.encode(block))
        file.mux(audio.encode(None))


def main() -> None:
    """Write all of them."""
    for name, voice in VOICES.items():
        soundfile.write(SAMPLES / f"{name}.flac", voice.samples(), RATE_HZ, "PCM_16")
    for name, voice in TALK.items():
        soundfile.write(SAMPLES / "talk" / f"{name}.flac", voice.samples(), RATE_HZ, "PCM_16")
    for name, look in FACES.items():
        cv2.imwrite(str(SAMPLES / f"{name}.png"), draw(look))
    nobody, smile = np.full((SIDE, SIDE, 3), 170, np.uint8), draw(FACES["happy"])
    film(SAMPLES / "sad_then_happy.mp4", VOICES["sad"].samples(), [nobody] * 80 + [smile] * 60)


if __name__ == "__main__":
    main()
