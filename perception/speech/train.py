"""Train the weights that are shipped, with some actors held out so that anybody can check them."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from perception.speech.datasets import load_folds
from perception.speech.encoder import DEFAULT_FOLDER as ENCODER_FOLDER
from perception.speech.evaluate import Data, Figures, judge, load_data
from perception.speech.features import DEFAULT_CACHE
from perception.speech.fitting import FitConfig, fit_calibrated
from perception.speech.model import DEFAULT_FOLDER, HeadEnsemble
from perception.speech.weights import write_folder


@dataclass(frozen=True)
class TrainConfig:
    """Train the ensemble on RAVDESS without the actors of one fold, judge it on them, and write the weights.

    Example: python -m perception.speech train --data ravdess --folds ravdess_folds.json
    """

    data: Path
    """RAVDESS speech folder with Actor_01 ... Actor_24."""
    folds: Path
    """JSON {"test_actors": [[1, 11, 20, 21], ...]}."""
    held_out_fold: int | None = 0
    """The actors of this fold are kept out and judged; None trains on all actors and leaves nothing to check."""
    out: Path = DEFAULT_FOLDER
    """Folder to write: model.safetensors, config.json, CARD.md."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training of the ensemble."""
    seed: int = 0
    """Of all draws; same seed and same machine, same weights."""
    cache: Path = DEFAULT_CACHE
    """Folder that keeps the encoded clips between runs; may be deleted."""
    encoder: Path = ENCODER_FOLDER
    """Folder of the encoder weights."""
    threads: int = 1
    """Processor cores to use."""


@dataclass(frozen=True)
class TrainResult:
    """The trained ensemble, where it lies, and its figures on the held-out actors (None if all were trained on)."""

    head: HeadEnsemble
    folder: Path
    held_out: tuple[int, ...]
    figures: Figures | None


def main(config: TrainConfig) -> TrainResult:
    """Train, judge and write the weights.

    Raises:
        DatasetError, SoundError, WeightsError: data or encoder cannot be used.
    """
    import torch

    torch.set_num_threads(config.threads)
    folds = load_folds(config.folds)
    data = load_data(config.data, folds, config.cache, config.encoder)
    test = np.zeros(len(data.targets), dtype=bool)
    held_out: tuple[int, ...] = ()
    if config.held_out_fold is not None:
        test = folds.test_mask(data.actors, config.held_out_fold)
        held_out = folds.test_actors[config.held_out_fold]
    head = _round_to_half(fit_calibrated(data.table, data.targets, data.actors, ~test, config.fit, config.seed))
    figures = judge(head, data, test) if held_out else None
    result = TrainResult(head, config.out, held_out, figures)
    notes = {
        "data": "RAVDESS speech (CC BY-NC-SA 4.0)",
        "held_out_actors": list(held_out),
        "fit": asdict(config.fit),
        "seed": config.seed,
        "held_out_figures": None if figures is None else asdict(figures),
    }
    write_folder(config.out, head.state_dict(), head.config, notes, card(result, data, config))
    return result


def _round_to_half(head: HeadEnsemble) -> HeadEnsemble:
    """Round the weights to what fp16 keeps, so that the figures are those of the file."""
    head.load_state_dict({name: tensor.half().float() for name, tensor in head.state_dict().items()})
    return head


def card(result: TrainResult, data: Data, config: TrainConfig) -> str:
    """Describe the weights: data, licence, figures, limits."""
    return CARD.format(
        members=result.head.config.members,
        hidden=result.head.config.hidden,
        actors=len(set(data.actors.tolist())) - len(result.held_out),
        held_out=", ".join(map(str, result.held_out)) or "none",
        figures=_figures_text(result),
        fold=config.held_out_fold,
        temperature=result.head.config.temperature,
    )


def _figures_text(result: TrainResult) -> str:
    f = result.figures
    if f is None:
        return "None: all actors were trained on, so no clip of RAVDESS can check these weights."
    return (
        "| judged | UA | ECE |\n|---|---|---|\n"
        f"| whole clips ({f.n}; WA {f.wa:.3f}) | {f.ua:.3f} | {f.ece:.3f} |\n"
        f"| streamed in 3 s windows, last estimate of each clip | {f.ua_window_3s:.3f} | {f.ece_window_3s:.3f} |\n"
        f"| streamed, every estimate from 0.6 s of voice on | {f.ua_every_window:.3f} | {f.ece_every_window:.3f} |\n\n"
        f"Chance is 0.125. {f.unheard} clips had too little voice for the stream. One fold has about "
        "240 clips of four voices: read accuracies as +- 0.06 (perfect confidence would show an ECE of about 0.07 on "
        "so few), and the mean over six folds in `benchmarks/results/speech.json` as the better estimate."
    )


def report(result: TrainResult) -> int:
    """Say where the weights are and how good they are, on stderr."""
    print(f"wrote {result.folder}, temperature {result.head.config.temperature:.3f}", file=sys.stderr)
    print(_figures_text(result), file=sys.stderr)
    return 0


CARD = """# Emotion from the voice: ensemble on Whisper-tiny

- What: {members} networks with one hidden layer of {hidden} on the mean and standard deviation over time of the first
  three layers of the Whisper-tiny encoder; log-probabilities averaged, temperature {temperature:.3f}.
- Labels: neutral, calm, happy, sad, angry, fearful, disgust, surprised.
- Use: `perception.speech.model.SpeechEmotionModel.load()`.
- Made by: `python -m perception.speech train --data RAVDESS --folds FOLDS --held-out-fold {fold}`.

## Data and licence

Trained on the speech part of RAVDESS (Livingstone & Russo 2018, https://zenodo.org/records/1188976), {actors} actors;
actors {held_out} were never used, neither for training nor for the temperature.

RAVDESS is licensed **CC BY-NC-SA 4.0**. These weights were derived from it and are offered under the same terms:
name the source, share alike, and use them for **non-commercial research and education only**. The code of the project
has its own licence; a product needs weights trained on data that allow it.

## Figures on voices that were never met

{figures}

## Limits

- Acted emotion by North American actors, English, two sentences, a studio. Spontaneous speech, other languages, other
  rooms and telephones are harder; do not expect it to work in another language.
- It hears how something is said, not what is said, and not how a person feels inside.
- Confidence is calibrated on RAVDESS voices; elsewhere it is too high. Below about 0.5 treat an estimate as unsure.
- Not for judging people: not for hiring, education, policing, medicine or insurance, and not at work or in school,
  where the EU AI Act forbids inferring emotion.
"""
