"""Random rooms with a dog and people in them, and how the stream does there: one trial after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.sound.rooms import (
    HEAD_M,
    POSE_S,
    Room,
    Source,
    diffuse_noise,
    record,
    record_moving,
    speech_like,
    white_noise,
)
from geometry.transforms import wrap
from perception.command import search_files
from perception.sound.array import RATE_HZ, HeadPose, MicArray, SoundInputError
from perception.sound.doa import DoaEstimate, DoaStream
from perception.sound.spatial_spectrum import FRAME, HIGH_HZ, HOP, HOP_S, LOW_HZ

LEVEL = 0.05  # RMS of the voice at the array: -26 dB of full scale
SECONDS = 3.0  # of synthetic speech and of noise
MOST_CLIP_S = 5.0  # longer recordings are cut
ACTIVE_DB = 20.0  # a hop is spoken when the voice is within this of its loudest hop
NEAR_RAD = math.radians(20.0)  # a direction further than this from every source is a false alarm
WALL_M = 0.5  # nobody stands closer to a wall
CHUNK = 1_024  # samples in a push: what sound cards deliver


@dataclass(frozen=True)
class Condition:
    """One line of the table."""

    name: str
    rt60_s: float = 0.0
    snr_db: float = 20.0
    noise: str = "white"
    """white: of the microphones; diffuse: from everywhere; gusts: from everywhere, in bursts; none."""
    sources: int = 1
    moving: bool = False


CONDITIONS = (
    Condition("no echo, 20 dB"),
    Condition("RT60 0.3 s, 20 dB", 0.3),
    Condition("RT60 0.3 s, 5 dB", 0.3, 5.0),
    Condition("RT60 0.3 s, 5 dB diffuse", 0.3, 5.0, "diffuse"),
    Condition("RT60 0.6 s, 20 dB", 0.6),
    Condition("RT60 0.6 s, 5 dB", 0.6, 5.0),
    Condition("RT60 0.6 s, 5 dB diffuse", 0.6, 5.0, "diffuse"),
    Condition("moving, RT60 0.3 s, 20 dB", 0.3, moving=True),
    Condition("moving, RT60 0.3 s, 5 dB", 0.3, 5.0, moving=True),
    Condition("moving, RT60 0.6 s, 20 dB", 0.6, moving=True),
    Condition("two voices, RT60 0.3 s, 20 dB", 0.3, sources=2),
    Condition("silence", noise="none", sources=0),
    Condition("white noise only", sources=0),
    Condition("diffuse noise only", noise="diffuse", sources=0),
    Condition("gusts of diffuse noise", noise="gusts", sources=0),
)


class Scene(NamedTuple):
    """Sound at the array and the truth about it.

    Attributes:
        samples: (mics, n) at 16 kHz.
        poses: of the head, one every 50 ms from time 0.
        places_m: (S, 2) of the sources.
        spoken: (S, hops) bool, whether each source speaks in a hop.
    """

    samples: np.ndarray
    poses: tuple[HeadPose, ...]
    places_m: np.ndarray
    spoken: np.ndarray


class Outcome(NamedTuple):
    """Of one trial.

    Attributes:
        errors_rad: of the direction nearest to each source, in every spoken hop that has one within 90 degrees.
        confidences: of the same directions.
        detected: of (spoken hop, source) pairs, how many have a direction within 20 degrees.
        spoken: how many such pairs there are.
        false_hops: hops with a direction further than 20 degrees from every source, spoken or not.
        hops: all hops.
        compute_s: processor time of the stream.
        baseline_rad: error of NormMUSIC over the whole sound; NaN where it was not run.
    """

    errors_rad: np.ndarray
    confidences: np.ndarray
    detected: int
    spoken: int
    false_hops: int
    hops: int
    compute_s: float
    baseline_rad: float


def speech_files(folder: Path) -> list[Path]:
    """Find the recordings in a folder and its subfolders, sorted.

    Raises:
        SoundInputError: there is no such folder, or no recordings in it.
    """
    if not folder.is_dir():
        raise SoundInputError(f"{folder} is no folder; expected one with speech as wav or flac. Check the path.")
    files = search_files([folder], (".wav", ".flac")).files
    if not files:
        raise SoundInputError(f"{folder} holds no wav or flac; expected recordings of speech. Name another folder.")
    return files


def draw_speech(files: Sequence[Path], rng: np.random.Generator) -> np.ndarray:
    """One recording (n,) of RMS 1, or synthetic speech where there are no files.

    Raises:
        SoundError: the recording cannot be read.
        SoundInputError: it is silent or shorter than half a second.
    """
    if not files:
        return speech_like(SECONDS, rng)
    from perception.speech.audio import read_sound

    path = files[int(rng.integers(len(files)))]
    samples = read_sound(path).samples[: round(MOST_CLIP_S * RATE_HZ)].astype(np.float64)
    level = float(np.sqrt(np.mean(samples**2)))
    if len(samples) < RATE_HZ // 2 or level < 1e-5:
        raise SoundInputError(
            f"{path} lasts {len(samples) / RATE_HZ:.2f} s at RMS {level:.1g}; expected half a second of speech or "
            "more. Take it out of the folder."
        )
    return samples / level


def draw_scene(condition: Condition, array: MicArray, files: Sequence[Path], rng: np.random.Generator) -> Scene:
    """Draw a room, a dog, people and what they say, and simulate it."""
    if condition.sources == 0:
        samples = round(SECONDS * RATE_HZ)
        poses = (HeadPose(),) * (math.ceil(SECONDS / POSE_S) + 1)
        return Scene(
            _noise(condition, array, samples, rng), poses, np.zeros((0, 2)), np.zeros((0, samples // HOP), bool)
        )
    sounds = [draw_speech(files, rng) for _ in range(condition.sources)]
    length = min(len(sound) for sound in sounds)
    x, y, z = rng.uniform((4.5, 4.0, 2.4), (7.0, 6.0, 3.2)).tolist()
    room = Room((x, y, z), condition.rt60_s)
    while True:
        poses = _draw_path(length / RATE_HZ, condition.moving, room, rng)
        places = _draw_places(poses, condition.sources, rng)
        if _inside(np.concatenate([places[:, :2], [pose[:2] for pose in poses]]), room):
            break
    heard = []
    for sound, place in zip(sounds, places, strict=True):
        source = Source(sound[:length], place)
        one = record_moving(room, array, poses, source) if condition.moving else record(room, array, poses[0], source)
        heard.append(one * LEVEL / max(float(np.sqrt(np.mean(one**2))), 1e-12))
    noise = _noise(condition, array, length, rng) * 10.0 ** (-condition.snr_db / 20.0)
    return Scene(np.sum(heard, axis=0) + noise, poses, places[:, :2], np.stack([_spoken(one) for one in heard]))


def _noise(condition: Condition, array: MicArray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(mics, samples) of the RMS of a voice."""
    if condition.noise == "none":
        return np.zeros((array.mics, samples))
    make = white_noise if condition.noise == "white" else diffuse_noise
    noise = LEVEL * make(array, samples, rng)
    if condition.noise == "gusts":
        gusts = 0.1 + np.clip(rng.normal(size=samples // HOP + 2), 0.0, None)
        noise = noise * np.interp(np.arange(samples) / HOP, np.arange(len(gusts)), gusts)
    return noise


def _draw_path(seconds: float, moving: bool, room: Room, rng: np.random.Generator) -> tuple[HeadPose, ...]:
    """Poses every 50 ms; a moving dog walks up to 0.5 m/s and turns up to 60 degrees a second, to and fro."""
    steps = math.ceil(seconds / POSE_S) + 1
    x, y = rng.uniform((WALL_M, WALL_M), (room.size_m[0] - WALL_M, room.size_m[1] - WALL_M))
    start = rng.uniform(-np.pi, np.pi)
    if not moving:
        return (HeadPose(float(x), float(y), float(start)),) * steps
    times = np.arange(steps) * POSE_S
    rate = rng.uniform(np.radians(25.0), np.radians(60.0)) * rng.choice([-1.0, 1.0])
    turn = rate * np.cos(2.0 * np.pi * times / rng.uniform(3.0, 8.0) + rng.uniform(0.0, 1.0))
    heading = start + np.cumsum(turn) * POSE_S
    speed = rng.uniform(0.2, 0.5)
    xs, ys = x + np.cumsum(speed * np.cos(heading)) * POSE_S, y + np.cumsum(speed * np.sin(heading)) * POSE_S
    return tuple(HeadPose(*map(float, row)) for row in zip(xs, ys, wrap(heading), strict=True))


def _draw_places(poses: Sequence[HeadPose], sources: int, rng: np.random.Generator) -> np.ndarray:
    """Mouths (S, 3) m, 1.6 to 2.4 m from the middle of the path, sitting to standing; two at least 45 degrees apart."""
    middle = poses[len(poses) // 2]
    azimuth = rng.uniform(-np.pi, np.pi)
    azimuths = azimuth + np.array([0.0, rng.choice([-1.0, 1.0]) * rng.uniform(np.radians(45.0), np.pi)])[:sources]
    far = rng.uniform(1.6, 2.4, sources)
    heights = rng.uniform(HEAD_M + 0.6, HEAD_M + 1.3, sources)
    return np.column_stack([middle.x_m + far * np.cos(azimuths), middle.y_m + far * np.sin(azimuths), heights])


def _inside(places_m: np.ndarray, room: Room) -> bool:
    return bool(((places_m > WALL_M) & (places_m < np.array(room.size_m[:2]) - WALL_M)).all())


def _spoken(heard: np.ndarray) -> np.ndarray:
    """Hops (n // HOP,) in which a voice, heard without noise (mics, n), is loud enough to be asked for."""
    power = np.mean(heard[:, : heard.shape[1] // HOP * HOP].reshape(len(heard), -1, HOP) ** 2, axis=(0, 2))
    spoken: np.ndarray = power > power.max(initial=0.0) * 10.0 ** (-ACTIVE_DB / 10.0)
    return spoken


def pose_at(poses: Sequence[HeadPose], time_s: float) -> HeadPose:
    """The pose at a time, between those every 50 ms."""
    at = min(max(time_s / POSE_S, 0.0), len(poses) - 1.0)
    low = min(int(at), len(poses) - 2)
    a, b, share = poses[low], poses[low + 1], at - low
    turn = wrap(b.heading_rad - a.heading_rad)
    return HeadPose(a.x_m + share * (b.x_m - a.x_m), a.y_m + share * (b.y_m - a.y_m), a.heading_rad + share * turn)


def listen(scene: Scene, stream: DoaStream) -> tuple[list[DoaEstimate], float]:
    """Push a scene through a fresh stream as a sound card would; return directions and processor seconds."""
    stream.reset()
    out, spent = [], 0.0
    for start in range(0, scene.samples.shape[1], CHUNK):
        block = scene.samples[:, start : start + CHUNK]
        pose = pose_at(scene.poses, (start + block.shape[1]) / RATE_HZ)
        began = time.process_time()
        out += stream.push(block, pose)
        spent += time.process_time() - began
    return out, spent


def judge(scene: Scene, directions: Sequence[DoaEstimate], compute_s: float, baseline_rad: float) -> Outcome:
    """Compare directions with the truth, hop by hop."""
    hops = scene.spoken.shape[1]
    by_hop: dict[int, list[DoaEstimate]] = {}
    for direction in directions:
        by_hop.setdefault(round(direction.time_s / HOP_S) - 1, []).append(direction)
    errors, confidences, detected, false_hops = [], [], 0, 0
    for hop in range(hops):
        found = by_hop.get(hop, [])
        # What a hop reports is the direction at its end.
        pose = pose_at(scene.poses, (hop + 1) * HOP_S)
        truth = [math.atan2(y - pose.y_m, x - pose.x_m) for x, y in scene.places_m]
        gaps = np.abs(wrap(np.array([d.azimuth_rad for d in found])[:, None] - np.array(truth)[None]))
        false_hops += bool(found) and (not truth or bool((gaps.min(axis=1) > NEAR_RAD).any()))
        for number in np.flatnonzero(scene.spoken[:, hop]) if found else []:
            best = int(np.argmin(gaps[:, number]))
            detected += bool(gaps[best, number] <= NEAR_RAD)
            # Of two voices, the one that was not found is a miss, not an error of the other's direction.
            if len(truth) == 1 or gaps[best, number] <= NEAR_RAD:
                errors.append(gaps[best, number])
                confidences.append(found[best].confidence)
    return Outcome(
        np.array(errors),
        np.array(confidences),
        detected,
        int(scene.spoken.sum()),
        false_hops,
        hops,
        compute_s,
        baseline_rad,
    )


def norm_music(scene: Scene, array: MicArray) -> float:
    """Error in rad of pyroomacoustics' NormMUSIC, told that there is one source, over the whole of a static scene."""
    import pyroomacoustics as pra

    frames = np.lib.stride_tricks.sliding_window_view(scene.samples, FRAME, axis=1)[:, :: FRAME // 4]
    spectra = np.fft.rfft(frames * np.hanning(FRAME + 1)[:FRAME], axis=-1).transpose(0, 2, 1)
    method = pra.doa.NormMUSIC(array.positions.T, RATE_HZ, FRAME, num_src=1, n_grid=360)
    method.locate_sources(spectra, freq_range=[LOW_HZ, HIGH_HZ])
    pose = scene.poses[0]
    x, y = scene.places_m[0]
    truth = math.atan2(y - pose.y_m, x - pose.x_m) - pose.heading_rad
    return float(np.abs(wrap(method.azimuth_recon[0] - truth)))


def run_trial(condition: Condition, files: Sequence[Path], seed: Sequence[int]) -> Outcome:
    """Draw a scene from a seed, listen, and judge."""
    rng, stream = np.random.default_rng(seed), DoaStream()
    scene = draw_scene(condition, stream.array, files, rng)
    directions, compute_s = listen(scene, stream)
    static = condition.sources == 1 and not condition.moving
    return judge(scene, directions, compute_s, norm_music(scene, stream.array) if static else math.nan)
