"""The style task: clips of the dog coming up to a person who feels something, in ways that differ in twelve numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from control.dog import ClockedLegs
from control.style import ExpressiveStyle
from envs.trajectories import style_measures
from envs.trajectories.style_clip import CHANNELS, EMOTIONS, PICTURE_FPS, LegsFactory, draw_spec, film
from envs.trajectories.style_library import make_clips, pack, spec_at, walked
from envs.trajectories.task import Animation, Trajectories
from robots.expression import expressive_links
from robots.quadruped import QuadrupedSpec, quadruped_links

_CAMERA = {"eye": [4.0, 1.15, 1.25], "target": [0.0, 1.15, 0.2], "fov_deg": 34.0}
_COMES_FROM_RAD, _ASLANT_RAD = np.pi / 2, 0.25


@dataclass(eq=False)
class StyleTask:
    """Clips of 2.9 s (36 frames of `style_clip.CHANNELS`), walked by the dog's own gait in PyBullet.

    The person stands at the origin. `extras` hold the condition (`emotion`, index into `style_clip.EMOTIONS`), the
    commanded `style` (N, 12) in [0, 1] (`control.style.STYLE_NAMES`), and the nuisances `gait`, `clock`, `heading`,
    `side` and `seed`: all that it takes to walk a clip again.

    Attributes:
        library: clips that are there already (`style_library.load_clips`): `generate` draws from these. Without, each
            is walked anew, about 15 a second and process.
        workers: processes that walk.
        legs: what walks; clips are shown on the same legs.
    """

    library: Trajectories | None = None
    workers: int = 1
    legs: LegsFactory = ClockedLegs
    name: str = "style"
    feature_names: tuple[str, ...] = style_measures.FEATURES
    emotions: tuple[str, ...] = EMOTIONS
    channels: tuple[str, ...] = CHANNELS

    def generate(self, n: int, rng: np.random.Generator) -> Trajectories:
        """Return `n` clips: of the library, without repetition and all where it has fewer, or walked.

        Raises:
            ValueError: `n` is below 1.
            RuntimeError: the legs do not walk.
        """
        if n < 1:
            raise ValueError(f"{n} clips were asked for: ask for 1 or more")
        if self.library is not None:
            count = len(self.library)
            return self.library.take(rng.permutation(count)[: min(n, count)])
        return pack(list(make_clips(range(n), int(rng.integers(2**62)), self.workers, self.legs)))

    def perform(self, styles: np.ndarray, emotions: np.ndarray, rng: np.random.Generator) -> Trajectories:
        """Walk styles (N, 12) in [0, 1] for persons who feel `emotions` (N,), with nuisances drawn from `rng`.

        Raises:
            ValueError: something is no style, no index of an emotion, or of another length.
            RuntimeError: the dog fell.
        """
        styles, emotions = np.atleast_2d(styles), np.atleast_1d(emotions)
        if len(styles) != len(emotions) or len(styles) == 0:
            raise ValueError(
                f"{len(styles)} styles came with {len(emotions)} emotions: give one for each, and at least one"
            )
        if emotions.min() < 0 or emotions.max() >= len(EMOTIONS):
            raise ValueError(f"an emotion is an index from 0 to {len(EMOTIONS) - 1}; got {emotions}")
        clips = []
        for vector, emotion in zip(styles, emotions, strict=True):
            spec = draw_spec(rng, int(emotion), ExpressiveStyle.from_vector(vector))
            states = walked(spec, self.legs)
            if states is None:
                raise RuntimeError(
                    f"the dog fell in the style {np.round(vector, 3).tolist()}: these legs do not carry it"
                )
            clips.append((spec, states))
        return pack(clips)

    def features(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 4) in [0, 1]: arousal, valence, dominance and closeness, measured; see `style_measures`."""
        return style_measures.features(trajectories.states)

    def encode(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 36, 17) float32: channels of about zero mean and unit size."""
        return style_measures.encode(trajectories.states)

    def descriptors(self, trajectories: Trajectories) -> np.ndarray:
        """(N, 68) float32: mean, log spread, log mean change and log mean change of that, of each channel."""
        return style_measures.descriptors(trajectories.states)

    def render(self, trajectories: Trajectories, index: int) -> Animation:
        """Walk the clip at `index` again, with all 19 links; face, ears, tail and voice keep still.

        The world is turned about the person until the dog comes across the picture, a little aslant: the heading is
        nothing that is to be judged, and from beside one sees a gait best.

        Raises:
            ValueError: the trajectories were not made by this task.
            IndexError: there is no such clip.
        """
        trajectories.check_index(index)
        spec = spec_at(trajectories, index)
        turn = _COMES_FROM_RAD + _ASLANT_RAD * float(np.sin(spec.heading)) - spec.heading
        return Animation("dog", PICTURE_FPS, _turned(film(spec, self.legs), turn), scene())


def scene() -> dict[str, Any]:
    """Describe what stands still, in the form of the page of the simulation: links, the person, the camera."""
    links = (*quadruped_links(QuadrupedSpec()), *expressive_links())
    return {
        "kind": "dog",
        "links": [link.as_json() for link in links],
        "screen_link": "head",
        "person": {"position": [0.0, 0.0, 0.0], "yaw_rad": _COMES_FROM_RAD},
        "camera": {name: list(value) if isinstance(value, list) else value for name, value in _CAMERA.items()},
        "here": {},
    }


def _turned(poses: np.ndarray, angle: float) -> np.ndarray:
    """Turn poses (frames, links, 7) about the vertical through the origin by `angle`, rad."""
    turn = Rotation.from_euler("z", angle)
    flat = poses.reshape(-1, 7)
    quats = (turn * Rotation.from_quat(flat[:, 3:])).as_quat()
    return np.hstack([turn.apply(flat[:, :3]), quats]).reshape(poses.shape).astype(np.float32)
