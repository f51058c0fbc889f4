"""One battery over every registered part: values, gradients, symmetries, extremes, config."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.objective_oracles import INVARIANT, ORACLES, VARIES, ell
from helpers.pair_batches import Batch, extreme_batch, random_batch
from torch._subclasses.fake_tensor import FakeTensorMode

from trueward.errors import ObjectiveError
from trueward.objectives import NEEDS, Objective, describe_all, objective

PARTS = {part.name: part for part in describe_all()}


@dataclass(frozen=True)
class Case:
    """One part under one setting of its parameters, as an objective of its own."""

    name: str
    params: dict[str, Any]

    @property
    def kind(self) -> str:
        return PARTS[self.name].kind

    @property
    def objective(self) -> Objective:
        companion = {"margin": {"value": 0.0}} if self.name == "triplet" else {}
        return objective({self.name: self.params, **companion})

    def value(self, batch: Batch, gap=None):
        """The part's own value by its oracle."""
        oracle = ORACLES[self.name].value
        if self.kind != "preference":
            return oracle(batch, **self.params)
        return oracle(batch, batch.chosen - batch.rejected if gap is None else gap, **self.params)

    def per_pair(self, batch: Batch, margin=None):
        gap = batch.chosen - batch.rejected
        if self.kind == "preference":
            return self.value(batch, gap)
        if self.kind == "margin":
            return ell(gap - (self.value(batch) if margin is None else margin))
        return ell(gap)

    def penalty(self, batch: Batch) -> float:
        return self.value(batch) if self.kind == "penalty" else 0.0

    def loss(self, batch: Batch, margin=None) -> float:
        return self.per_pair(batch, margin).mean() + self.penalty(batch)

    def run(self, batch: Batch, dtype=torch.float64, weight=None):
        return self.objective(batch.scores(self.objective.needs, dtype, weight))

    def own(self, batch: Batch):
        """The part's own value by the implementation."""
        out = self.run(batch)
        if self.kind == "penalty":
            return out.metrics[f"{self.name}_penalty"].numpy()
        if self.kind == "margin":
            inverse = torch.log(torch.expm1(out.per_pair))  # ℓ⁻¹: gap − m = −inverse
            return inverse.numpy() + batch.chosen - batch.rejected
        return out.per_pair.numpy()


CASES = [
    Case(name, params) for name, o in ORACLES.items() if name in PARTS for params in o.settings
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}{c.params or ''}")
every_part = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


def close(actual, expected, tolerance=1e-11):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_every_registered_part_has_an_oracle_and_every_oracle_a_part():
    assert set(PARTS) == set(ORACLES)


@every_case
@pytest.mark.parametrize("pairs", [1, 2, 7, 33])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
def test_value(case, pairs, dtype, tolerance):
    batch = random_batch(pairs).rounded(dtype)
    out = case.run(batch, dtype)
    assert out.loss.dtype == out.per_pair.dtype == dtype
    close(out.per_pair, case.per_pair(batch), tolerance)
    close(out.loss, case.loss(batch), tolerance)


@every_case
@pytest.mark.parametrize("pairs", [1, 9])
def test_gradient_against_finite_differences_of_the_oracle(case, pairs):
    batch = random_batch(pairs, seed=3)
    margin = case.value(batch) if case.kind == "margin" else None  # carries no gradient
    scores = batch.scores()
    leaves = [t.requires_grad_() for t in (scores.chosen, scores.rejected, scores.foreign)]
    hidden = [t.requires_grad_() for t in (scores.chosen_hidden, scores.rejected_hidden)]
    loss = case.objective(scores).loss
    gradients = torch.autograd.grad(loss, [*leaves, *hidden], allow_unused=True)
    step = 1e-5
    for name, gradient in zip(("chosen", "rejected", "foreign"), gradients, strict=False):
        expected = np.empty(pairs)
        for i in range(pairs):
            up, down = (getattr(batch, name).copy() for _ in range(2))
            up[i] += step
            down[i] -= step
            rise = case.loss(replace(batch, **{name: up}), margin)
            fall = case.loss(replace(batch, **{name: down}), margin)
            expected[i] = (rise - fall) / (2 * step)
        actual = np.zeros(pairs) if gradient is None else gradient.numpy()
        close(actual, expected, 1e-7)
    assert gradients[3:] == (None, None), "hidden states carry no gradient in any part"


@every_case
def test_shift_of_every_reward(case):
    batch = random_batch(12)
    before, after = case.own(batch), case.own(batch.shifted(3.7))
    if ORACLES[case.name].shift == INVARIANT:
        close(after, before, 1e-9)
    else:
        assert ORACLES[case.name].shift == VARIES
        assert np.abs(after - before).max() > 1e-4


@every_case
def test_swap_of_every_pair(case):
    batch = random_batch(12, seed=1)
    stated = ORACLES[case.name].swap
    change = case.own(batch.swapped()) - case.own(batch)
    if stated == INVARIANT:
        close(change, 0, 1e-9)
    elif stated == VARIES:
        assert np.abs(change).max() > 1e-3
    elif stated == "total":
        close(change.sum(), 0, 1e-6)
        assert np.abs(change).max() > 1e-4
    else:
        close(change, stated(batch, batch.chosen - batch.rejected, **case.params), 1e-9)


@every_case
def test_permutation_of_the_batch(case):
    batch = random_batch(12)
    order = np.random.default_rng(5).permutation(12)
    out, permuted = case.run(batch), case.run(batch.take(order))
    close(permuted.per_pair, out.per_pair.numpy()[order], 1e-9)
    close(permuted.loss, out.loss, 1e-9)


@every_case
def test_batch_level_is_stated_truly(case):
    batch = random_batch(12)
    together = case.own(batch)
    alone = np.array([case.own(batch.take([i])) for i in range(12)]).squeeze()
    difference = (alone.mean() if case.kind == "penalty" else alone) - together
    if PARTS[case.name].batch_level:
        assert np.abs(difference).max() > 1e-4
    else:
        close(difference, 0, 1e-9)


@every_case
def test_weights_weigh_the_preference_part_alone(case):
    batch = random_batch(9)
    weight = np.random.default_rng(2).uniform(0, 3, size=9)
    weight[4] = 0
    expected = (weight * case.per_pair(batch)).sum() / weight.sum() + case.penalty(batch)
    close(case.run(batch, weight=weight).loss, expected)
    close(case.run(batch, weight=10 * weight).loss, expected)
    close(case.run(batch, weight=0 * weight).loss, case.penalty(batch))


@every_case
def test_extreme_rewards_in_float32(case):
    batch = extreme_batch().rounded(torch.float32)
    scores = batch.scores(case.objective.needs, torch.float32)
    leaves = [scores.chosen.requires_grad_(), scores.rejected.requires_grad_()]
    out = case.objective(scores)
    close(out.per_pair.detach(), case.per_pair(batch), 1e-4)
    np.testing.assert_allclose(out.loss.item(), case.loss(batch), rtol=1e-5)
    for gradient in torch.autograd.grad(out.loss, leaves):
        assert gradient.isfinite().all()


@every_case
def test_bfloat16_under_autocast_is_computed_in_float32(case):
    batch = random_batch(17).rounded(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = case.run(batch, torch.bfloat16)
    assert out.loss.dtype == out.per_pair.dtype == torch.float32
    close(out.per_pair, case.per_pair(batch), 2e-5)
    close(out.loss, case.loss(batch), 2e-5)


@every_case
def test_metrics_are_detached_scalars(case):
    scores = random_batch(6).scores()
    scores.chosen.requires_grad_()
    for name, metric in case.objective(scores).metrics.items():
        assert metric.ndim == 0, name
        assert not metric.requires_grad, name


@every_case
def test_nothing_waits_for_the_device(case, monkeypatch):
    """A fake tensor has no value to read, so any synchronisation raises."""
    monkeypatch.setattr("trueward.objectives.transport._on_host", lambda tensor: False)
    with FakeTensorMode():
        scores = random_batch(6).scores(case.objective.needs)
        scores.chosen.requires_grad_()
        out = case.objective(scores)
        case.objective(scores, out.state).loss.backward()


@every_case
def test_config_round_trip(case):
    whole = case.objective
    assert objective(str(whole)) == whole
    assert objective(whole.to_dict()) == whole
    assert objective(yaml.safe_load(yaml.safe_dump(whole.to_dict()))) == whole
    as_text = {name: {k: str(v) for k, v in p.items()} for name, p in whole.to_dict().items()}
    assert objective(as_text) == whole
    assert whole.to_dict()[case.name].items() >= case.params.items()


@every_part
def test_a_missing_need_is_an_error_that_names_it(part):
    whole = Case(part.name, {}).objective
    assert whole.needs == set(part.needs)
    for need in part.needs:
        scores = random_batch(3).scores([n for n in NEEDS if n != need])
        with pytest.raises(ObjectiveError, match=f"{part.name}.*needs.*{NEEDS[need][0]}"):
            whole(scores)


@every_part
def test_every_part_describes_itself(part):
    for text in (part.summary, part.equation, part.choose_when, part.paper):
        assert text.strip()
        assert "\n" not in text
    assert len(part.summary) <= 100
    assert all(p.meaning and p.default is not None for p in part.parameters)
