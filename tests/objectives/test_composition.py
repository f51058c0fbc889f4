"""An objective as a value: shapes, state, needs, and parts that misbehave."""

import dataclasses
import pickle
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from helpers.pair_batches import random_batch
from torch import Tensor

from trueward.errors import ObjectiveError
from trueward.objectives import Margin, Part, Penalty, Preference, Term, objective, param, register
from trueward.objectives import part as part_module
from trueward.types import PairScores, PairVector


@pytest.fixture
def scratch_registry(monkeypatch):
    monkeypatch.setattr(part_module, "PARTS", dict(part_module.PARTS))


def test_the_documented_call():
    batch = random_batch(8)
    out = objective("aplot + bsr(weight=1e-3)")(batch.scores(["hidden"]))
    assert out.loss.shape == ()
    assert out.per_pair.shape == (8,)
    assert {"margin_mean", "transport_entropy", "reward_sum"} <= out.metrics.keys()
    total = batch.chosen.sum() + batch.rejected.sum()
    assert out.metrics["reward_sum"].item() == pytest.approx(total)
    assert out.state == {}
    parts = out.metrics["preference_loss"] + out.metrics["bsr_penalty"]
    assert out.loss.item() == pytest.approx(parts.item())


def test_penalties_add_up():
    scores = random_batch(8).scores()
    bare = objective("bt")(scores).loss
    added = sum(objective(p)(scores).loss - bare for p in ("bsr", "centering", "contrast"))
    assert objective("bsr + centering + contrast")(scores).loss.item() == pytest.approx(
        (bare + added).item(), rel=1e-12
    )


def test_needs_are_the_union_of_what_the_parts_need():
    assert objective("bt").needs == frozenset()
    assert objective("soft_target + aplot + contrast").needs == {"target", "hidden", "foreign"}
    assert objective("aplot(similarity_cost=false)").needs == frozenset()
    assert not objective("hinge + margin + centering").batch_level
    assert objective("aplot").batch_level


def test_normbt_state_is_a_value():
    normbt = objective("normbt(momentum=0.75)")
    batches = [random_batch(6, seed=s) for s in range(3)]
    state: Mapping[str, Tensor] = {}
    mean = None
    for batch in batches:
        distance = np.linalg.norm(batch.chosen_hidden - batch.rejected_hidden, axis=1)
        mean = distance.mean() if mean is None else 0.75 * mean + 0.25 * distance.mean()
        gap = batch.chosen - batch.rejected
        expected = mean / (distance + 1e-6) * np.logaddexp(0, -gap)
        before = dict(state)
        out = normbt(batch.scores(["hidden"]), state)
        np.testing.assert_allclose(out.per_pair, expected, rtol=1e-12)
        assert state == before
        assert not any(value.requires_grad for value in out.state.values())
        state = out.state
    again = normbt(batches[2].scores(["hidden"]), before)
    np.testing.assert_array_equal(again.per_pair, out.per_pair)


def test_objectives_are_frozen_hashable_and_picklable():
    whole = objective("triplet + aplot + bsr")
    with pytest.raises(dataclasses.FrozenInstanceError):
        whole.margin = None
    assert pickle.loads(pickle.dumps(whole)) == whole  # noqa: S301
    assert len({whole, objective(str(whole))}) == 1


def test_the_margin_and_normbt_weight_carry_no_gradient():
    scores = random_batch(5).scores()
    tensors = (scores.chosen, scores.rejected, scores.chosen_hidden, scores.rejected_hidden)
    for tensor in tensors:
        tensor.requires_grad_()
    objective("normbt + aplot")(scores).loss.backward()
    assert scores.chosen.grad is not None
    assert scores.chosen_hidden.grad is None
    assert scores.rejected_hidden.grad is None


def test_half_and_mixed_precision_inputs():
    batch = random_batch(5)
    single = batch.scores(["hidden"], torch.float32)
    mixed = dataclasses.replace(
        single,
        chosen_hidden=single.chosen_hidden.half(),
        rejected_hidden=single.rejected_hidden.half(),
    )
    out = objective("aplot")(mixed)
    assert out.loss.dtype == torch.float32
    assert out.loss.item() == pytest.approx(objective("aplot")(single).loss.item(), abs=1e-3)


def forged(**changes) -> PairScores:
    """Scores of wrong shape, past the checks that only tests switch on."""
    scores = random_batch(4).scores()
    for name, value in changes.items():
        object.__setattr__(scores, name, value)
    return scores


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": torch.zeros(4, 1)}, r"got shapes \(4, 1\) and \(4,\)"),
        ({"rejected": torch.zeros(3)}, r"got shapes \(4,\) and \(3,\)"),
        ({"chosen": torch.zeros(0), "rejected": torch.zeros(0)}, "at least one pair"),
        ({"foreign": torch.zeros(4, 1)}, r"foreign has shape \(4, 1\)"),
        ({"weight": torch.ones(5)}, r"weight has shape \(5,\)"),
        ({"target": torch.ones(())}, r"target has shape \(\)"),
        ({"chosen_hidden": torch.ones(4)}, r"chosen_hidden has shape \(4,\)"),
    ],
)
def test_wrong_shapes_are_errors_rather_than_broadcasts(changes, message):
    with pytest.raises(ObjectiveError, match=message):
        objective("bt")(forged(**changes))


def test_registering_and_replacing(scratch_registry):
    def define():
        @register("scratch")
        class Scratch(Penalty):
            """Nothing."""

            size: float = param(2.0, "how much")

            def __call__(self, batch, state):
                return Term(batch.chosen.new_tensor(self.size))

        return Scratch

    first, second = define(), define()
    assert first is not second
    whole = objective("scratch(size=3)")
    assert whole.penalties == (second(3.0),)
    assert str(whole) == "scratch(size=3.0)"


@pytest.mark.parametrize("name", ["bt", "two words", ""])
def test_a_bad_or_taken_name_is_refused(scratch_registry, name):
    with pytest.raises(ObjectiveError, match="register"):

        @register(name)
        class Scratch(Penalty):
            """Nothing."""


def test_a_class_of_no_kind_is_refused(scratch_registry):
    with pytest.raises(ObjectiveError, match="must subclass Preference, Margin or Penalty"):

        @register("scratch")
        class Scratch(Part):
            """Nothing."""


def test_an_undocumented_part_and_an_unknown_need_are_refused(scratch_registry):
    with pytest.raises(ObjectiveError, match="needs a docstring"):

        @register("scratch")
        class Bare(Penalty):
            pass

    with pytest.raises(ObjectiveError, match=r"needs \['hiden'\]"):

        @register("scratch")
        class Misspelt(Penalty):
            """Nothing."""

            needs = frozenset({"hiden"})


def test_parts_that_return_the_wrong_shape_are_named(scratch_registry):
    @register("one_number")
    class OneNumber(Preference):
        """A mean where values are due."""

        def __call__(self, gap: PairVector, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
            return Term(gap.mean())

    @register("column")
    class Column(Margin):
        """A column where a vector is due."""

        def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
            return Term(batch.chosen[:, None])

    @register("vector")
    class Vector(Penalty):
        """A vector where a number is due."""

        def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
            return Term(batch.chosen)

    @register("needy")
    class Needy(Penalty):
        """A parameter without a default."""

        size: float

        def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
            return Term(batch.chosen.new_tensor(self.size))

    scores = random_batch(4).scores()
    for name, message in (
        ("one_number", r"preference 'one_number' must return one value a pair, shape \(4,\)"),
        ("column", r"margin 'column' .* returned \(4, 1\)"),
        ("vector", r"penalty 'vector' must return a scalar"),
    ):
        with pytest.raises(ObjectiveError, match=message):
            objective(name)(scores)
    with pytest.raises(ObjectiveError, match=r"needy needs size; write needy\(size=...\)"):
        objective("needy")
    assert str(objective("needy(size=2)")) == "needy(size=2.0)"
