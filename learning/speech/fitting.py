"""Training of the ensemble on pooled features, and its temperature on speakers kept out of the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from datasets.voices import DatasetError
from learning.metrics import fit_temperature
from learning.speech.features import CLEAN, SPED, STREAM, WINDOW, FeatureTable
from learning.speech.judging import ClipLogits, judge_clips
from learning.trainer import seeded
from perception.emotion import LABELS
from perception.speech.model import HeadConfig, HeadEnsemble
from perception.weights import MOST_SIZE


@dataclass(frozen=True)
class FitConfig:
    """Settings of the training of the ensemble.

    The values were chosen by cross-validation over the training actors of fold 0. Those actors are the test actors of
    folds 1 to 5, so the figures of these folds, and the mean over all six, are of voices that took part in the choice.
    Only fold 0 is untouched by any choice.
    """

    hidden: int = 128
    """Hidden units of each member."""
    members: int = 4
    """Networks in the ensemble: more are better calibrated and cost training time only."""
    epochs: int = 40
    """Passes over the clips; each pass draws one version of each clip."""
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

    def __post_init__(self) -> None:
        sizes = (self.hidden, self.members, self.epochs, self.batch)
        shares = (self.dropout, self.label_smoothing, self.window_share, self.weight_decay)
        fits = all(1 <= size <= MOST_SIZE for size in sizes) and self.inner_groups >= 2
        if not fits or not all(0.0 <= share <= 1.0 for share in shares) or not 0.0 < self.learning_rate <= 1.0:
            raise ValueError(
                f"{self} came; hidden, members, epochs and batch must be 1 to {MOST_SIZE}, inner_groups at least 2, "
                "dropout, label_smoothing, window_share and weight_decay within 0 to 1, and learning_rate more than 0, "
                "at most 1."
            )


class Sampler:
    """Draws one version of each clip: windows with the configured share, else the utterance at a random speed."""

    def __init__(self, table: FeatureTable, clips: np.ndarray, window_share: float) -> None:
        self.clips = np.flatnonzero(clips)
        self._share = window_share
        whole = _rows_by_clip(table, self.clips, (CLEAN, SPED))
        windows = _rows_by_clip(table, self.clips, (WINDOW,))
        self._wholes = whole.shape[1]
        self._windows = windows.shape[1]
        # Clip by clip, the wholes before the windows: (C, V, inputs) in float32, converted once and not in each step.
        self.rows = np.concatenate([whole, windows], axis=1)
        self.features = torch.from_numpy(table.features[self.rows]).float()

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Plan one pass in random order: places (C,) in `clips`, and which version (C,) of each to take."""
        order = rng.permutation(len(self.clips))
        whole = rng.integers(self._wholes, size=len(order))
        window = self._wholes + rng.integers(self._windows, size=len(order))
        return order, np.where(rng.random(len(order)) < self._share, window, whole)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (inputs,) over the whole utterances."""
        whole = self.features[:, : self._wholes].flatten(0, 1)
        return whole.mean(dim=0), whole.std(dim=0).clamp(min=1e-3)


def _rows_by_clip(table: FeatureTable, clips: np.ndarray, kinds: tuple[int, ...]) -> np.ndarray:
    rows = np.flatnonzero(np.isin(table.kinds, kinds))
    counts = np.bincount(table.clip[rows], minlength=int(table.clip.max()) + 1)
    return rows[np.isin(table.clip[rows], clips)].reshape(len(clips), int(counts[clips[0]]))


Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits (members, B, 8) and the numbers (B,) of their clips -> what is made small."""


def fit_ensemble(
    table: FeatureTable,
    targets: np.ndarray,
    clips: np.ndarray,
    config: FitConfig,
    seed: int,
    loss: Loss | None = None,
) -> HeadEnsemble:
    """Train an ensemble on the clips in a mask.

    Args:
        table: versions of all clips.
        targets: (C,) index of the emotion of each clip.
        clips: (C,) bool, which clips may be used.
        config: how to train.
        seed: same seed, same machine, same weights.
        loss: instead of cross-entropy with smoothed labels, every clip alike.

    Returns:
        The ensemble in evaluation mode, temperature 1.
    """
    loss = loss or cross_entropy(targets, config.label_smoothing)
    rng = np.random.default_rng(seed)
    sampler = Sampler(table, clips, config.window_share)
    head = HeadEnsemble(HeadConfig(table.features.shape[1], config.hidden, config.members), config.dropout)
    head.initialise(torch.Generator().manual_seed(seed))
    head.mean, head.scale = sampler.moments()
    neutral = table.rows(clips & (targets == LABELS.index("neutral")), CLEAN)
    heard = torch.from_numpy(table.features[neutral]).float()
    head.neutral_mean = heard.mean(dim=0) if len(neutral) else head.mean
    optimizer = torch.optim.AdamW(head.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True)
    steps = config.epochs * -(-len(sampler.clips) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, pct_start=0.1)
    numbers = torch.from_numpy(sampler.clips)
    head.train()
    with seeded(seed):
        for _ in range(config.epochs):
            order, version = map(torch.from_numpy, sampler.draw(rng))
            for part in torch.arange(len(order)).split(config.batch):
                value = loss(head(sampler.features[order[part], version[part]]), numbers[order[part]])
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
                schedule.step()
    return head.eval()


def cross_entropy(targets: np.ndarray, label_smoothing: float) -> Loss:
    """Cross-entropy for targets (C,), mean over clips and members."""
    wanted = torch.from_numpy(targets)

    def loss(logits: Tensor, clips: Tensor) -> Tensor:
        goal = wanted[clips].repeat(len(logits))
        return functional.cross_entropy(logits.flatten(0, 1), goal, label_smoothing=label_smoothing)

    return loss


def actor_groups(actors: np.ndarray, groups: int) -> list[np.ndarray]:
    """Split distinct actors into groups, women and men dealt out in turn (RAVDESS: even and odd numbers).

    Raises:
        DatasetError: there are fewer actors than groups.
    """
    distinct = sorted(set(actors.tolist()), key=lambda actor: (actor % 2, actor))
    if not 2 <= groups <= len(distinct):
        raise DatasetError(
            f"{groups} validation groups of {len(distinct)} training actors were asked for; allowed are 2 up to the "
            "number of actors. Change --fit.inner-groups or use more actors."
        )
    return [np.array(distinct[start::groups]) for start in range(groups)]


def fit_calibrated(
    table: FeatureTable, targets: np.ndarray, actors: np.ndarray, clips: np.ndarray, config: FitConfig, seed: int
) -> HeadEnsemble:
    """Train on all clips in the mask, with the temperatures found by cross-validation over the actors among them.

    Each group of actors is judged by an ensemble that was trained without them; the temperatures of whole utterances
    and of the stream are fitted on all these judgements together. Nothing outside the mask is looked at.
    """
    whole, stream = cross_validate(table, targets, actors, clips, config, seed)
    head = fit_ensemble(table, targets, clips, config, seed)
    head.config = replace(
        head.config,
        temperature=fit_temperature(targets[whole.clips], whole.logits),
        window_temperature=fit_temperature(targets[stream.clips], stream.logits),
    )
    return head


def cross_validate(
    table: FeatureTable, targets: np.ndarray, actors: np.ndarray, clips: np.ndarray, config: FitConfig, seed: int
) -> tuple[ClipLogits, ClipLogits]:
    """Judge each clip in the mask, whole and streamed, by an ensemble that was trained without its actor."""
    whole, stream = [], []
    for number, group in enumerate(actor_groups(actors[clips], config.inner_groups)):
        out = np.isin(actors, group)
        head = fit_ensemble(table, targets, clips & ~out, config, seed + 1 + number)
        whole.append(judge_clips(head, table, clips & out))
        stream.append(judge_clips(head, table, clips & out, STREAM))
    return ClipLogits.join(whole), ClipLogits.join(stream)
