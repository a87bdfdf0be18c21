"""The expressive parts: neck, head, ears and tail, which are seen and never simulated.

The walking body carries these parts as a lumped mass; what one sees is posed by forward kinematics on top of it, so
that training and showing share one physics (five live joints more would cost a third of its speed).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.spatial.transform import Rotation

from geometry.transforms import transform
from robots.face import FACES, FaceParameters
from robots.shapes import Link, Shape


@dataclass(frozen=True)
class Posture:
    """Where neck, head, ears and tail go; angles in rad, wag in Hz.

    `neck_pitch` and `head_pitch` positive: nose down. `head_roll` tilts the head. `ears` 0 is upright, +1 rad folded
    back, negative forward. `tail_pitch` positive: tail up. The tail wags `wag_rad` to each side, `wag_hz` times
    a second.
    """

    neck_pitch: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    head_roll: float = 0.0
    ears: float = 0.0
    tail_pitch: float = 0.5
    wag_rad: float = 0.15
    wag_hz: float = 0.8

    def vector(self) -> np.ndarray:
        """(8,) the fields in order."""
        return np.array([getattr(self, item.name) for item in fields(self)])


POSTURES: dict[str, Posture] = {
    "neutral": Posture(),
    "attentive": Posture(neck_pitch=-0.10, head_roll=0.30, ears=-0.25, tail_pitch=0.6, wag_rad=0.10, wag_hz=1.0),
    "joyful": Posture(-0.25, 0, -0.15, 0, -0.1, tail_pitch=1.0, wag_rad=0.70, wag_hz=3.2),
    "content": Posture(0.0, 0, 0.05, 0, 0.3, tail_pitch=0.5, wag_rad=0.35, wag_hz=1.0),
    "concerned": Posture(0.35, 0, 0.20, 0.10, 0.6, tail_pitch=-0.1, wag_rad=0.15, wag_hz=0.9),
    "submissive": Posture(0.50, 0.6, 0.25, 0, 1.0, tail_pitch=-0.7, wag_rad=0.05, wag_hz=0.6),
    "protective": Posture(-0.15, 0, -0.05, 0, -0.3, tail_pitch=0.8, wag_rad=0.03, wag_hz=0.5),
    "startled": Posture(-0.35, 0, -0.10, 0, -0.4, tail_pitch=0.9, wag_rad=0.0, wag_hz=0.5),
    "disgusted": Posture(-0.15, 0.7, 0.10, -0.10, 0.7, tail_pitch=0.0, wag_rad=0.03, wag_hz=0.5),
    "puzzled": Posture(-0.10, 0, 0.0, -0.38, -0.2, tail_pitch=0.4, wag_rad=0.10, wag_hz=0.8),
}


_SHELL, _ACCENT, _DARK = "#e8e2d6", "#e08a3c", "#22252a"


def expressive_links() -> tuple[Link, ...]:
    """Neck, head with its screen, two ears, and a tail of two parts (6 links), each in the frame of its joint."""
    neck = Link("neck", (Shape("capsule", (0.038, 0.07), (0.025, 0, 0.045), (0, 0.216, 0, 0.976), color=_DARK),))
    head = Link(
        "head",
        (
            Shape("box", (0.12, 0.15, 0.115), (0.045, 0, 0.03), color=_SHELL),
            Shape("box", (0.008, 0.128, 0.092), (0.108, 0, 0.032), color=_DARK, material="screen"),
            Shape("box", (0.055, 0.062, 0.03), (0.12, 0, -0.022), color=_SHELL),
            Shape("sphere", (0.013,), (0.15, 0, -0.010), color=_DARK, material="rubber"),
        ),
    )
    ears = tuple(
        Link(f"ear_{side}", (Shape("capsule", (0.016, 0.055), (-0.005, 0, 0.035), color=_ACCENT, material="ear"),))
        for side in ("right", "left")
    )
    tail = Link("tail", (Shape("capsule", (0.014, 0.09), (-0.05, 0, 0.0), (0, 0.7071, 0, 0.7071), _ACCENT, "tail"),))
    tip = Link("tail_tip", (Shape("capsule", (0.011, 0.07), (-0.04, 0, 0.0), (0, 0.7071, 0, 0.7071), _SHELL, "tail"),))
    return (neck, head, *ears, tail, tip)


def _joint(position: tuple[float, float, float], axes: str, angles: tuple[float, ...]) -> np.ndarray:
    return transform(Rotation.from_euler(axes, angles).as_matrix(), position)


class ExpressiveBody:
    """Animates neck, head, ears and tail, and says where they are.

    Joints follow their posture as critically damped springs: eased in and out, the ears a little after the head and the
    tail last, never all at once. A slow breath and rare ear flicks go on always, so that the dog never looks dead.
    """

    # Natural frequency of each field of Posture, rad/s: the head leads, ears and tail overlap behind it.
    speeds = np.array([9.0, 8.0, 9.0, 8.0, 7.0, 5.5, 5.0, 5.0])

    def __init__(self, trunk_size_m: tuple[float, float, float], rng: np.random.Generator) -> None:
        self._front = (trunk_size_m[0] / 2 - 0.02, 0.0, trunk_size_m[2] / 2 - 0.01)
        self._back = (-trunk_size_m[0] / 2 - 0.01, 0.0, trunk_size_m[2] / 2 - 0.02)
        self.reset(rng)

    def reset(self, rng: np.random.Generator) -> None:
        """Go back to the neutral posture at once; `rng` decides when to blink and flick from here on."""
        self._rng = rng
        self._mouth = 0.0
        self.joints = POSTURES["neutral"].vector()
        self._rates = np.zeros(8)
        self._time = 0.0
        self._wag = 0.0
        self._flick = 0.0
        self._blink = 0.0
        self.face = FACES["neutral"]

    def step(self, dt_s: float, posture: Posture, face: FaceParameters, gaze_yaw: float, mouth: float) -> None:
        """Advance by `dt_s`; `gaze_yaw` rad turns the head, `mouth` 0..1 opens it (a sound is being made)."""
        target = posture.vector()
        target[1] = np.clip(target[1] + gaze_yaw, -0.9, 0.9)
        pull = self.speeds**2 * (target - self.joints) - 2 * self.speeds * self._rates
        self._rates = self._rates + pull * dt_s
        self.joints = self.joints + self._rates * dt_s
        self._time += dt_s
        self._wag += 2 * np.pi * self.joints[7] * dt_s
        self._flick = 1.0 if self._rng.random() < 0.15 * dt_s else self._flick * np.exp(-dt_s / 0.12)
        self._blink = 1.0 if self._rng.random() < 0.25 * dt_s else self._blink * np.exp(-dt_s / 0.09)
        self.face = self.face.toward(face, 1.0 - np.exp(-dt_s / 0.18))
        self._mouth = mouth

    @property
    def shown_face(self) -> FaceParameters:
        """The face with blinking and the mouth's movement laid over it."""
        return replace(
            self.face,
            eye_open=self.face.eye_open * (1.0 - 0.95 * float(self._blink > 0.3)),
            mouth_open=max(self.face.mouth_open, self._mouth),
        )

    def link_poses(self, trunk_pose: np.ndarray) -> np.ndarray:
        """(6, 7) position in m and quat_xyzw of neck, head, ears, tail and its tip, given the trunk's (7,) pose."""
        neck_pitch, yaw, head_pitch, roll, ears, tail_pitch, wag_rad, _ = self.joints
        breath = 0.025 * np.sin(2 * np.pi * 0.3 * self._time)
        T_world_trunk = transform(Rotation.from_quat(trunk_pose[3:]).as_matrix(), trunk_pose[:3])
        neck = T_world_trunk @ _joint(self._front, "y", (neck_pitch + breath,))
        head = neck @ _joint((0.055, 0, 0.10), "ZYX", (yaw, head_pitch - 0.6 * breath, roll))
        flick = 0.5 * self._flick
        ear_frames = [
            head @ _joint((0.02, -0.062, 0.085), "XY", (0.25, -ears - 0.1 + flick)),
            head @ _joint((0.02, 0.062, 0.085), "XY", (-0.25, -ears - 0.1)),
        ]
        wag = wag_rad * np.sin(self._wag)
        tail = T_world_trunk @ _joint(self._back, "ZY", (wag, tail_pitch))
        tip = tail @ _joint((-0.105, 0, 0), "ZY", (1.2 * wag_rad * np.sin(self._wag - 0.7), 0.35))
        frames = np.stack([neck, head, *ear_frames, tail, tip])
        return np.hstack([frames[:, :3, 3], Rotation.from_matrix(frames[:, :3, :3]).as_quat()])
