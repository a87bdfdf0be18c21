"""The choice model of `policies.taste.choice` with what makes each person different learnt beside the embedding.

For person u: log tau_u ~ N(0, .5^2), logit e_u ~ N(logit .05, 1), logit k_u ~ N(logit .05, 1.5^2), position bias
~ N(0, .2^2), log axis weights ~ N(0, .3^2). Partial pooling: a person with few answers stays near the prior. The median
temperature is 1, which sets the scale of the embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from policies.taste.choice import Person
from policies.taste.queries import CANNOT_TELL, PAIRS

LOG_TAU_SIGMA = 0.5
LAPSE_LOGIT, LAPSE_SIGMA = math.log(0.05 / 0.95), 1.0
DOUBT_LOGIT, DOUBT_SIGMA = math.log(0.05 / 0.95), 1.5
MARGIN, MARGIN_SIGMA = 1.0, 0.5
BIAS_SIGMA = 0.2
AXIS_SIGMA = 0.3


def triple_distances(embedded: Tensor, axes: Tensor | None = None) -> Tensor:
    """(N, 3) squared distances in the order of `PAIRS`, of triples (N, 3, d); `axes` (N, d) weigh the dimensions."""
    differences = torch.stack([embedded[:, i] - embedded[:, j] for i, j in PAIRS], dim=1).square()
    return (differences if axes is None else differences * axes[:, None]).sum(dim=2)


class ChoiceModel(nn.Module):
    """Persons as parameters.

    Args:
        people: how many.
        dimensions: d of the embedding.
        personal_axes: whether each person weighs the dimensions of the embedding (Carroll & Chang 1970, INDSCAL).
        lapses: whether answers may be careless; without it this is a softmax over pairs.
    """

    def __init__(self, people: int, dimensions: int, personal_axes: bool = False, lapses: bool = True) -> None:
        super().__init__()
        self.lapses, self.personal_axes = lapses, personal_axes
        self.log_tau = nn.Parameter(torch.zeros(people))
        self.lapse = nn.Parameter(torch.full((people,), LAPSE_LOGIT))
        self.doubt = nn.Parameter(torch.full((people,), DOUBT_LOGIT))
        self.margin = nn.Parameter(torch.full((people,), MARGIN))
        self.bias = nn.Parameter(torch.zeros(people, len(PAIRS)))
        self.axes = nn.Parameter(torch.zeros(people, dimensions))

    def axis_weights(self) -> Tensor:
        """(people, d) >= 0 that sum to d."""
        return self.axes.softmax(dim=1) * self.axes.shape[1]

    def probabilities(self, triples: Tensor, person: Tensor) -> Tensor:
        """(N, 4) of the three pairs and "cannot tell", for embedded triples (N, 3, d) and persons (N,) int."""
        distances = triple_distances(triples, self.axis_weights()[person] if self.personal_axes else None)
        tau = self.log_tau[person].exp()[:, None]
        sure = ((self.bias[person] - distances) / tau).softmax(dim=1)
        if not self.lapses:
            return torch.cat([sure, torch.zeros_like(tau)], dim=1)
        # The answer "cannot tell" says how large a margin was, nothing of which pair was nearer: the embedding would
        # follow whoever gives up often, so its gradient stops here.
        ordered = distances.detach().sort(dim=1).values
        gap = (ordered[:, 1:2] - ordered[:, :1]) / tau
        lapse = self.lapse[person].sigmoid()[:, None]
        doubt = (1 - lapse) * self.doubt[person].sigmoid()[:, None] * (self.margin[person][:, None] - gap).sigmoid()
        return torch.cat([(1 - lapse - doubt) * sure + lapse / len(PAIRS), doubt], dim=1)

    def log_likelihood(self, triples: Tensor, person: Tensor, choice: Tensor) -> Tensor:
        """(N,) natural logarithm of the probability of what was chosen, (N,) int, `CANNOT_TELL` among it."""
        column = torch.where(choice == CANNOT_TELL, len(PAIRS), choice)
        return self.probabilities(triples, person).clamp(min=1e-30).log().gather(1, column[:, None])[:, 0]

    def nearer_log_likelihood(self, triples: Tensor, person: int = 0) -> Tensor:
        """(N,) log probability of "the first is nearer to the second than to the third", for triples (N, 3, d)."""
        near, far = ((triples[:, 0] - triples[:, other]).square().sum(dim=1) for other in (1, 2))
        sure = ((far - near) / self.log_tau[person].exp()).sigmoid()
        lapse = self.lapse[person].sigmoid() if self.lapses else torch.zeros(())
        return ((1 - lapse) * sure + lapse / 2).clamp(min=1e-30).log()

    def penalty(self) -> Tensor:
        """Minus the logarithm of the prior of all persons, without constants."""
        terms = [
            (self.log_tau / LOG_TAU_SIGMA).square().sum(),
            ((self.lapse - LAPSE_LOGIT) / LAPSE_SIGMA).square().sum(),
            ((self.doubt - DOUBT_LOGIT) / DOUBT_SIGMA).square().sum(),
            ((self.margin - MARGIN) / MARGIN_SIGMA).square().sum(),
            (self.bias / BIAS_SIGMA).square().sum(),
            (self.axes / AXIS_SIGMA).square().sum(),
        ]
        return 0.5 * torch.stack(terms).sum()

    @torch.no_grad()
    def persons(self) -> list[Person]:
        """Return each fitted person as the choice model outside takes them (temperature in units of the embedding)."""
        found = []
        for u in range(len(self.log_tau)):
            lapse = float(self.lapse[u].sigmoid()) if self.lapses else 0.0
            doubt = float(self.doubt[u].sigmoid()) * (1 - lapse) if self.lapses else 0.0
            first, second, third = self.bias[u].tolist()
            found.append(
                Person(float(self.log_tau[u].exp()), lapse, doubt, float(self.margin[u]), (first, second, third))
            )
        return found


def triplet_margin(triples: Tensor, choice: Tensor, margin: float = 0.1) -> Tensor:
    """(N,) loss as published: both of the chosen pair are nearer to each other than to the third, by a margin.

    triplet(P1, P2, N) + triplet(P2, P1, N) with squared distances (Bobu et al. 2023, eq. 2). Answers `CANNOT_TELL` have
    no place in it: leave them out before.
    """
    order = torch.tensor([[0, 1, 2], [0, 2, 1], [1, 2, 0]])[choice]
    first, second, third = triples.gather(1, order[..., None].expand_as(triples)).unbind(dim=1)
    near = (first - second).square().sum(dim=1)
    return functional.relu(near - (first - third).square().sum(dim=1) + margin) + functional.relu(
        near - (second - third).square().sum(dim=1) + margin
    )
