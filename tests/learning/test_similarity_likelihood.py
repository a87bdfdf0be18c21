from __future__ import annotations

import numpy as np
import pytest
import torch

from learning.similarity.likelihood import LAPSE_LOGIT, ChoiceModel, triple_distances, triplet_margin
from learning.trainer import Schedule, Trainer
from policies.taste.choice import Person, Population, choice_probabilities, draw_person
from policies.taste.queries import CANNOT_TELL


def triples(n=40, d=3, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=(n, 3, d)), dtype=torch.float64)


def model_of(person: Person) -> ChoiceModel:
    model = ChoiceModel(1, 3).double()
    with torch.no_grad():
        model.log_tau.fill_(np.log(person.temperature))
        model.lapse.fill_(float(torch.logit(torch.tensor(person.lapse, dtype=torch.float64))))
        doubt = person.cannot_tell / (1 - person.lapse)
        model.doubt.fill_(float(torch.logit(torch.tensor(doubt, dtype=torch.float64))))
        model.margin.fill_(person.indifference_margin)
        model.bias.copy_(torch.tensor([person.position_bias]))
    return model


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_choice_model_of_the_simulation(seed):
    person = draw_person(Population(temperature=1.0), np.random.default_rng(seed))
    found = model_of(person).probabilities(triples(), torch.zeros(40, dtype=torch.long)).detach().numpy()
    expected = choice_probabilities(triple_distances(triples()).numpy(), person)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    estimated = model_of(person).persons()[0]
    assert estimated.temperature == pytest.approx(person.temperature)
    assert estimated.cannot_tell == pytest.approx(person.cannot_tell)


def test_known_parameters_are_found_again():
    truths = [Person(0.5, 0.02, 0.05), Person(2.0, 0.3, 0.05, position_bias=(0.3, 0.0, -0.3))]
    items = triples(3000)
    rng = np.random.default_rng(1)
    parts = []
    for person in truths:
        p = choice_probabilities(triple_distances(items).numpy(), person)
        drawn = (rng.random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1)
        parts.append(np.where(drawn > 2, CANNOT_TELL, drawn))
    choice = torch.tensor(np.concatenate(parts))
    person = torch.arange(2).repeat_interleave(3000)
    model = ChoiceModel(2, 3).double()
    both = items.repeat(2, 1, 1)

    def loss(step, generator):
        return model.penalty() / 6000 - model.log_likelihood(both, person, choice).mean()

    Trainer(model, loss, Schedule(250, 0.1), 0).run()
    first, second = model.persons()
    assert first.temperature == pytest.approx(0.5, abs=0.12)
    assert second.temperature == pytest.approx(2.0, abs=0.5)
    assert first.lapse < 0.06
    assert second.lapse == pytest.approx(0.3, abs=0.08)
    assert second.position_bias[0] - second.position_bias[2] == pytest.approx(0.6, abs=0.3)


def test_few_answers_leave_a_person_near_the_prior():
    model = ChoiceModel(1, 3).double()
    few = triples(1)

    def loss(step, generator):
        return model.penalty() - model.log_likelihood(few, torch.zeros(1, dtype=torch.long), torch.tensor([0])).mean()

    Trainer(model, loss, Schedule(80, 0.05), 0).run()
    assert model.persons()[0].lapse == pytest.approx(0.05, abs=0.03)
    assert float(model.lapse.detach()[0]) != LAPSE_LOGIT


def gradient(lapses: bool) -> float:
    """How hard one answer that is plainly wrong pulls at the items."""
    items = torch.tensor([[[0.0], [0.1], [4.0]]], requires_grad=True)
    model = ChoiceModel(1, 1, lapses=lapses)
    model.log_likelihood(items, torch.zeros(1, dtype=torch.long), torch.tensor([2])).sum().backward()
    assert items.grad is not None
    return float(items.grad.abs().max())


def test_a_careless_answer_does_not_dominate():
    assert gradient(lapses=False) > 1.0
    assert gradient(lapses=True) < 0.01


def test_giving_up_moves_no_item():
    items = triples(4).requires_grad_()
    model = ChoiceModel(1, 3).double()
    choice = torch.full((4,), CANNOT_TELL)
    loss = model.log_likelihood(items, torch.zeros(4, dtype=torch.long), choice).sum()
    loss.backward()
    assert items.grad is not None
    assert float(items.grad.abs().max()) == 0.0
    assert float(model.doubt.grad) > 0


def test_personal_axes_are_weights_that_sum_to_d():
    model = ChoiceModel(2, 3, personal_axes=True)
    torch.testing.assert_close(model.axis_weights(), torch.ones(2, 3))
    with torch.no_grad():
        model.axes[1] = torch.tensor([2.0, 0.0, 0.0])
    assert float(model.axis_weights()[1].detach().sum()) == pytest.approx(3.0)
    p = model.probabilities(triples().float(), torch.ones(40, dtype=torch.long))
    assert not torch.allclose(p, model.probabilities(triples().float(), torch.zeros(40, dtype=torch.long)))


def test_the_published_margin_by_hand():
    item = torch.tensor([[[0.0], [1.0], [3.0]]])
    near_pair = triplet_margin(item, torch.tensor([0]))
    assert float(near_pair) == 0.0  # |0 1|^2 = 1, |0 3|^2 = 9, |1 3|^2 = 4
    far_pair = triplet_margin(item, torch.tensor([1]))  # 9 - 1 + .1 and 9 - 4 + .1
    assert float(far_pair) == pytest.approx(13.2)
    last = triplet_margin(item, torch.tensor([2]))  # 4 - 1 + .1 and 0 (4 - 9 + .1)
    assert float(last) == pytest.approx(3.1)


def test_nearer_is_a_choice_of_two():
    model = ChoiceModel(1, 1, lapses=False)
    item = torch.tensor([[[0.0], [1.0], [2.0]]])
    assert float(model.nearer_log_likelihood(item).exp().detach()) == pytest.approx(1 / (1 + np.exp(-3)))
