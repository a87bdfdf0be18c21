"""From answers to an embedding: the default likelihood, and the loss of the paper."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from envs.trajectories.task import Trajectories, TrajectoryTask
from learning.similarity.encoders import DEEPSETS, LINEAR, PUBLISHED, Encoder, EncoderConfig
from learning.similarity.inputs import inputs_of
from learning.similarity.likelihood import ChoiceModel, triplet_margin
from learning.trainer import Loss, Schedule, Trainer, batches
from policies.taste.choice import Person
from policies.taste.queries import CANNOT_TELL, Answers
from policies.taste.representation import Representation

Objective = Literal["choice", "paper"]
WARM_STEPS = 100
"""Steps of a refit that begins with what was known one answer ago."""


@dataclass(frozen=True)
class SimilarityConfig:
    """How an embedding is learnt from answers.

    Attributes:
        encoder: its shape.
        objective: 'choice', the likelihood of answers; or 'paper', the two-sided triplet margin.
        schedule: of the training.
        batch: answers in a step.
        spread: of the embedding at the beginning, root mean squared distance from its mean.
        margin: of the objective 'paper'.
        decay: prior of the weights: this times their sum of squares, once for all answers.
        sparsity: prior for few inputs: this times the group lasso over them, once for all answers.
        lapses: whether the likelihood allows for careless answers.
        personal_axes: whether each person weighs the dimensions differently.
    """

    encoder: EncoderConfig = LINEAR
    objective: Objective = "choice"
    schedule: Schedule = field(default_factory=lambda: Schedule(200, 3e-2))
    batch: int = 1024
    spread: float = 1.5
    margin: float = 0.1
    decay: float = 0.0
    sparsity: float = 6.0
    lapses: bool = True
    personal_axes: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1 or self.spread <= 0 or self.margin <= 0 or min(self.decay, self.sparsity) < 0:
            raise ValueError(
                f"batch {self.batch}, spread {self.spread}, margin {self.margin}, decay {self.decay} and sparsity "
                f"{self.sparsity} came; allowed are at least 1, above 0, above 0, at least 0 and at least 0"
            )


ON_DESCRIPTORS = SimilarityConfig()
"""A sparse linear map of motion descriptors; sparsity, schedule and the size of batches chosen on validation seeds."""
ON_WAYPOINTS = SimilarityConfig(DEEPSETS, schedule=Schedule(400), batch=128, sparsity=0.0)
"""A network over each waypoint."""
ON_RELATIONS = SimilarityConfig(
    EncoderConfig("deepsets", "relations", DEEPSETS.hidden),
    schedule=Schedule(500, 1.5e-2),
    batch=64,
    sparsity=10.0,
    lapses=False,
)
"""A network over what an arm's waypoint says of its surroundings. Without lapses: on validation seeds they cost a
quarter of what 300 clean answers tell, and with 15 % wrong ones they gain nothing."""
PAPER = SimilarityConfig(PUBLISHED, "paper", Schedule(3000, 4e-3, final=1.0, warmup=0.0), batch=64, sparsity=0.0)
"""Bobu et al. 2023, appendix: 1024-1024-6, Adam 4e-3, 3,000 steps of 64, margin 0.1."""


@dataclass(frozen=True)
class Similarity:
    """A model fitted to answers.

    Attributes:
        representation: the map, as it runs without torch.
        persons: what was learnt of each person who answered; none by the objective 'paper'.
        axes: (people, d) how each weighs the dimensions; ones unless asked for.
        bits: mean -log2 probability of the answers that it was fitted to; nan by the objective 'paper'.
        seconds: the fit took.
        encoder: to go on from.
        model: of the persons, to go on from.
    """

    representation: Representation
    persons: tuple[Person, ...]
    axes: np.ndarray
    bits: float
    seconds: float
    encoder: Encoder = field(repr=False)
    model: ChoiceModel = field(repr=False)
    task: TrajectoryTask | None = None

    def embed(self, trajectories: Trajectories) -> np.ndarray:
        """(N, d) of trajectories of the task that it was fitted on.

        Raises:
            ValueError: it was fitted on bare inputs: use `representation.embed` on such.
        """
        if self.task is None:
            raise ValueError("this was fitted on bare inputs: use representation.embed on inputs of that kind")
        return self.representation.embed(inputs_of(self.task, trajectories, self.representation.inputs))

    def bits_of(self, inputs: np.ndarray, answers: Answers) -> float:
        """Mean -log2 probability of answers about items with these inputs; uniform guessing has log2 3."""
        positions = torch.as_tensor(self.representation.embed(inputs), dtype=torch.float32)
        with torch.no_grad():
            found = self.model.log_likelihood(
                positions[torch.as_tensor(answers.items)],
                torch.as_tensor(answers.person),
                torch.as_tensor(answers.choice),
            )
        return float(-found.mean() / np.log(2))


def fit_similarity(
    task: TrajectoryTask,
    trajectories: Trajectories,
    answers: Answers,
    config: SimilarityConfig | None = None,
    seed: int = 0,
    warm: Similarity | None = None,
) -> Similarity:
    """Learn an embedding of a task's trajectories from answers about them; see `fit_inputs`."""
    config = config or SimilarityConfig()
    inputs = inputs_of(task, trajectories, config.encoder.inputs)
    found = fit_inputs(inputs, answers, config, seed, warm)
    return Similarity(**{**vars(found), "task": task})


def fit_inputs(
    inputs: np.ndarray,
    answers: Answers,
    config: SimilarityConfig,
    seed: int = 0,
    warm: Similarity | None = None,
    nearer: np.ndarray | None = None,
) -> Similarity:
    """Learn an embedding of items from answers about them.

    Args:
        inputs: (M, ...) of all items that the answers can name, as the encoder takes them.
        answers: what people said.
        config: how.
        seed: of the first weights and the batches.
        warm: an earlier fit to go on from, of the same shape; new people may have come since.
        nearer: (N, 3) items a, b, c with "a is nearer to b than to c", what queries of another kind told of the first
            person; the objective 'choice' alone takes them.

    Raises:
        ValueError: an answer names an item that is not there, or none is left to learn from.
    """
    began = time.perf_counter()
    torch.set_num_threads(1)
    if config.objective == "paper":
        answers = answers.take(answers.choice != CANNOT_TELL)
    if not len(answers):
        raise ValueError("no answers came that tell which pair is nearest; at least one is needed")
    if not 0 <= answers.items.min() <= answers.items.max() < len(inputs):
        raise ValueError(f"items {answers.items.min()} to {answers.items.max()} came; there are {len(inputs)}")
    encoder, model = _modules(inputs, answers, config, seed, warm)
    prepared = encoder.prepare(inputs)
    if warm is None and config.objective == "choice":
        encoder.rescale(prepared, config.spread)
    both = torch.nn.ModuleList([encoder, model])
    Trainer(both, _loss(encoder, model, prepared, answers, config, nearer), config.schedule, seed).run()
    representation = encoder.representation({"answers": len(answers), "objective": config.objective})
    choice = config.objective == "choice"
    found = Similarity(
        representation=representation,
        persons=tuple(model.persons()) if choice else (),
        axes=model.axis_weights().detach().numpy(),
        bits=float("nan"),
        seconds=time.perf_counter() - began,
        encoder=encoder,
        model=model,
    )
    return Similarity(**{**vars(found), "bits": found.bits_of(inputs, answers)}) if choice else found


def refit(
    known: Similarity, inputs: np.ndarray, answers: Answers, config: SimilarityConfig, seed: int = 0
) -> Similarity:
    """Go on from an earlier fit after a few answers more, in `WARM_STEPS` steps at a third of the learning rate.

    Quick enough to be done between two answers, with the encoders of `ON_DESCRIPTORS` and `ON_WAYPOINTS`. The arguments
    are those of `fit_inputs`.
    """
    steps = min(WARM_STEPS, config.schedule.steps)
    schedule = replace(config.schedule, steps=steps, learning_rate=config.schedule.learning_rate / 3)
    return fit_inputs(inputs, answers, replace(config, schedule=schedule), seed, known)


def _modules(
    inputs: np.ndarray, answers: Answers, config: SimilarityConfig, seed: int, warm: Similarity | None
) -> tuple[Encoder, ChoiceModel]:
    people = len(answers.people)
    encoder = Encoder(config.encoder, inputs, torch.Generator().manual_seed(seed))
    model = ChoiceModel(people, config.encoder.dimensions, config.personal_axes, config.lapses)
    if warm is not None:
        encoder.load_state_dict(warm.encoder.state_dict())
        known = warm.model.state_dict()
        with torch.no_grad():
            for name, values in model.named_parameters():
                values[: len(known[name])] = known[name][:people]
    return encoder, model


def _loss(
    encoder: Encoder,
    model: ChoiceModel,
    prepared: torch.Tensor,
    answers: Answers,
    config: SimilarityConfig,
    nearer: np.ndarray | None,
) -> Loss:
    items, choice, person = (torch.as_tensor(a) for a in (answers.items, answers.choice, answers.person))
    ordered = torch.zeros(0, 3, dtype=torch.long) if nearer is None else torch.as_tensor(nearer)
    n = len(answers) + len(ordered)

    def loss(step: int, generator: torch.Generator) -> torch.Tensor:
        some = batches(len(answers), config.batch, generator)
        asked = torch.cat([items[some], ordered[batches(len(ordered), config.batch, generator)]])
        triples = encoder(prepared[asked.flatten()]).unflatten(0, (len(asked), 3))
        prior = encoder.prior(config.decay, config.sparsity) / n
        if config.objective == "paper":
            return prior + triplet_margin(triples, choice[some], config.margin).mean()
        likely = model.log_likelihood(triples[: len(some)], person[some], choice[some]).mean()
        if len(ordered):
            likely_nearer = model.nearer_log_likelihood(triples[len(some) :]).mean()
            likely = (likely * len(answers) + likely_nearer * len(ordered)) / n
        return prior + model.penalty() / n - likely

    return loss
