"""Training of the ensemble on pooled features, and its temperature on speakers kept out of the training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from perception.emotion import LABELS, fit_temperature
from perception.speech.features import CLEAN, SPED, WINDOW, FeatureTable
from perception.speech.model import HeadConfig, HeadEnsemble


@dataclass(frozen=True)
class FitConfig:
    """How the ensemble is trained; the values were chosen by cross-validation over the training actors of fold 0."""

    hidden: int = 128
    """Hidden units of each member."""
    members: int = 5
    """Networks in the ensemble: more are better calibrated and cost training time only."""
    epochs: int = 60
    """Passes over the clips; each pass draws one version of each clip for each member."""
    batch: int = 64
    """Clips in a step."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule of AdamW."""
    weight_decay: float = 0.05
    """Of AdamW, on all weights."""
    dropout: float = 0.5
    """On hidden units; half of it on the inputs."""
    label_smoothing: float = 0.1
    """Share of the target spread over all labels."""
    window_share: float = 0.5
    """Share of draws that are random windows of 1 to 3 s instead of whole utterances."""
    inner_groups: int = 4
    """Groups of training actors that take turns as validation speakers for the temperature."""


class Sampler:
    """Draws one version of each clip: windows with the configured share, else the utterance at a random speed."""

    def __init__(self, table: FeatureTable, clips: np.ndarray, window_share: float) -> None:
        self._features = torch.from_numpy(table.features)
        self.clips = np.flatnonzero(clips)
        self._whole = _rows_by_clip(table, self.clips, (CLEAN, SPED))
        self._windows = _rows_by_clip(table, self.clips, (WINDOW,))
        self._share = window_share

    def draw(self, members: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One pass: row numbers and clip numbers, each (members, C), in random order for each member."""
        order = np.argsort(rng.random((members, len(self.clips))), axis=1)
        whole = self._whole[order, rng.integers(self._whole.shape[1], size=order.shape)]
        windows = self._windows[order, rng.integers(self._windows.shape[1], size=order.shape)]
        rows = np.where(rng.random(order.shape) < self._share, windows, whole)
        return rows, self.clips[order]

    def features(self, rows: np.ndarray) -> Tensor:
        """Features (..., inputs) float32 of row numbers (...)."""
        return self._features[torch.from_numpy(rows)].float()

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (inputs,) over the whole utterances."""
        whole = self.features(self._whole.ravel())
        return whole.mean(dim=0), whole.std(dim=0).clamp(min=1e-3)


def _rows_by_clip(table: FeatureTable, clips: np.ndarray, kinds: tuple[int, ...]) -> np.ndarray:
    rows = np.flatnonzero(np.isin(table.kinds, kinds))
    counts = np.bincount(table.clip[rows], minlength=int(table.clip.max()) + 1)
    return rows[np.isin(table.clip[rows], clips)].reshape(len(clips), int(counts[clips[0]]))


def fit_ensemble(
    table: FeatureTable, targets: np.ndarray, clips: np.ndarray, config: FitConfig, seed: int
) -> HeadEnsemble:
    """Train an ensemble on the clips in a mask.

    Args:
        table: versions of all clips.
        targets: (C,) index of the emotion of each clip.
        clips: (C,) bool, which clips may be used.
        config: how to train.
        seed: same seed, same machine, same weights.

    Returns:
        The ensemble in evaluation mode, temperature 1.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    sampler = Sampler(table, clips, config.window_share)
    head = HeadEnsemble(HeadConfig(table.features.shape[1], config.hidden, config.members), config.dropout)
    head.initialise(generator)
    head.mean, head.scale = sampler.moments()
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    steps = -(-len(sampler.clips) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=steps * config.epochs, pct_start=0.1
    )
    goal = torch.from_numpy(targets)
    head.train()
    # Dropout has no generator argument; the fork keeps the caller's random numbers as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(config.epochs):
            rows, drawn = sampler.draw(config.members, rng)
            for start in range(0, rows.shape[1], config.batch):
                part = slice(start, start + config.batch)
                logits = head(sampler.features(rows[:, part]))
                wanted = goal[torch.from_numpy(drawn[:, part])]
                loss = functional.cross_entropy(
                    logits.reshape(-1, len(LABELS)), wanted.reshape(-1), label_smoothing=config.label_smoothing
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
    return head.eval()


@torch.inference_mode()
def log_probabilities(head: HeadEnsemble, table: FeatureTable, rows: np.ndarray) -> np.ndarray:
    """Log-probabilities (K, 8) of rows (K,) of the table, before the temperature."""
    out: np.ndarray = head.log_probabilities(torch.from_numpy(table.features[rows]).float()).numpy()
    return out


def actor_groups(actors: np.ndarray, groups: int) -> list[np.ndarray]:
    """Split distinct actors into groups, women and men dealt out in turn (RAVDESS: even and odd numbers)."""
    distinct = sorted(set(actors.tolist()), key=lambda actor: (actor % 2, actor))
    return [np.array(distinct[start::groups]) for start in range(groups)]


def fit_calibrated(
    table: FeatureTable, targets: np.ndarray, actors: np.ndarray, clips: np.ndarray, config: FitConfig, seed: int
) -> HeadEnsemble:
    """Train on all clips in the mask, with the temperature found by cross-validation over the actors among them.

    Each group of actors is judged by an ensemble that was trained without them; the temperature is fitted on all these
    judgements together (utterances and stream windows do not differ enough to need two). Nothing outside the mask is
    looked at.
    """
    logits, truth = cross_validate(table, targets, actors, clips, config, seed)
    temperature = fit_temperature(truth, logits)
    head = fit_ensemble(table, targets, clips, config, seed)
    head.config = replace(head.config, temperature=temperature)
    return head


def cross_validate(
    table: FeatureTable, targets: np.ndarray, actors: np.ndarray, clips: np.ndarray, config: FitConfig, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Judge each utterance in the mask by an ensemble without its actor: log-probabilities (K, 8) and truth (K,)."""
    logits, truth = [], []
    for number, group in enumerate(actor_groups(actors[clips], config.inner_groups)):
        out = np.isin(actors, group)
        head = fit_ensemble(table, targets, clips & ~out, config, seed + 1 + number)
        rows = table.rows(clips & out, CLEAN)
        logits.append(log_probabilities(head, table, rows))
        truth.append(targets[table.clip[rows]])
    return np.concatenate(logits), np.concatenate(truth)
