"""Objectives that must coincide at the ends of their parameters."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.objective_oracles import aplot_cost, cosine, sigmoid
from helpers.pair_batches import random_batch

from trueward.objectives import NEEDS, objective

BATCH = random_batch(11)


def per_pair(spec, batch=BATCH):
    return objective(spec)(batch.scores()).per_pair.numpy()


def loss(spec, batch=BATCH):
    return objective(spec)(batch.scores()).loss.item()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bt", "bsr(weight=0)"),
        ("bt", "centering(weight=0)"),
        ("bt", "contrast(weight=0)"),
        ("bt", "margin(value=0)"),
        ("bt", "margin_column(scale=0)"),
        ("bt", "label_smoothing(epsilon=0)"),
        ("bt", "flip_corrected(epsilon=0)"),
        ("bt", "aplot(kappa=0)"),
        ("hinge(margin=1)", "triplet + margin(value=1)"),
        ("hinge(margin=1.5)", "hinge(margin=0.5) + margin"),
        ("triplet + aplot", "hinge(margin=0) + aplot"),
        ("aplot(omega=1)", "aplot(omega=1, similarity_cost=false)"),
        ("aplot(omega=0)", "aplot(omega=0, reward_cost=false)"),
        ("aplot", "bt + aplot(kappa=11)"),
    ],
)
def test_coincide(one, other):
    np.testing.assert_allclose(per_pair(one), per_pair(other), rtol=1e-12)
    assert loss(one) == pytest.approx(loss(other), rel=1e-12)


def test_certain_target_is_bradley_terry_and_constant_target_is_smoothing():
    certain = replace(BATCH, target=np.ones(11))
    np.testing.assert_allclose(per_pair("soft_target", certain), per_pair("bt"), rtol=1e-12)
    constant = replace(BATCH, target=np.full(11, 0.8))
    smoothed = per_pair("label_smoothing(epsilon=0.2)")
    np.testing.assert_allclose(per_pair("soft_target", constant), smoothed, rtol=1e-12)


def test_half_smoothing_ignores_the_label():
    halves = per_pair("label_smoothing(epsilon=0.5)")
    np.testing.assert_allclose(
        halves, per_pair("label_smoothing(epsilon=0.5)", BATCH.swapped()), rtol=1e-12
    )


def test_flip_corrected_is_unbiased():
    """(1−ε)·loss(label) + ε·loss(flipped label) is the clean loss."""
    spec, rate = "flip_corrected(epsilon=0.3)", 0.3
    expected = (1 - rate) * per_pair(spec) + rate * per_pair(spec, BATCH.swapped())
    np.testing.assert_allclose(expected, per_pair("bt"), rtol=1e-10)


def test_logit_norm_on_the_unit_circle_is_bradley_terry():
    angle = np.linspace(0, 2 * np.pi, 11)
    circle = replace(BATCH, chosen=np.cos(angle), rejected=np.sin(angle))
    np.testing.assert_allclose(per_pair("logit_norm", circle), per_pair("bt", circle), rtol=1e-7)


def test_logit_norm_has_a_floor():
    best = replace(BATCH, chosen=np.full(11, 1e4), rejected=np.full(11, -1e4))
    np.testing.assert_allclose(per_pair("logit_norm", best), 0.2175, atol=1e-3)
    np.testing.assert_allclose(per_pair("logit_norm", best), math.log1p(math.exp(-math.sqrt(2))))


def test_normbt_with_equal_distances_is_bradley_terry():
    equal = replace(BATCH, rejected_hidden=BATCH.chosen_hidden + 0.5)
    np.testing.assert_allclose(per_pair("normbt", equal), per_pair("bt", equal), rtol=1e-5)


def test_bsr_is_centering_for_one_pair_up_to_the_factor_of_four():
    one = BATCH.take([0])
    assert loss("bsr(weight=0.4)", one) == pytest.approx(loss("centering(weight=0.1)", one))


def test_hand_worked_values():
    batch = replace(
        random_batch(2), chosen=np.array([2.0, 0.0]), rejected=np.array([-1.0, 1.0])
    )  # gaps 3 and −1, sum 2, mean reward ½
    assert loss("bt", batch) == pytest.approx((math.log1p(math.exp(-3)) + math.log1p(math.e)) / 2)
    assert loss("hinge", batch) == pytest.approx((0 + 2) / 2)
    added = loss("bsr(weight=0.001)", batch) - loss("bt", batch)
    assert added == pytest.approx(0.001 * 2 * 0.5**2)
    assert loss("centering(weight=1)", batch) - loss("bt", batch) == pytest.approx((1 + 1) / 2)
    ties = replace(batch, chosen=np.zeros(2), rejected=np.zeros(2))
    assert loss("dr", ties) == pytest.approx(3 * math.log(2))


@pytest.mark.parametrize("omega", [0.0, 0.5, 1.0])
def test_large_epsilon_is_the_uniform_plan(omega):
    out = objective({"aplot": {"omega": omega, "epsilon": 1e6}})(BATCH.scores())
    uniform = aplot_cost(BATCH, omega=omega).mean()
    rows = aplot_cost(BATCH, omega=omega).mean(axis=1)
    assert out.metrics["margin_mean"].item() == pytest.approx(uniform, rel=1e-5)
    gap = BATCH.chosen - BATCH.rejected
    np.testing.assert_allclose(
        out.per_pair.numpy(), np.logaddexp(0, -(gap - rows)), rtol=1e-5, atol=1e-9
    )
    assert out.metrics["transport_entropy"].item() == pytest.approx(2 * math.log(11))


def test_margin_of_one_pair_is_its_own_cost():
    one = BATCH.take([3])
    reward = 1 - sigmoid(abs(one.chosen - one.rejected))
    similarity = cosine(one.chosen_hidden, one.rejected_hidden)[0]
    out = objective("aplot")(one.scores())
    assert out.metrics["margin_mean"].item() == pytest.approx((0.9 * reward + 0.1 * similarity)[0])
    assert out.metrics["transport_entropy"].item() == pytest.approx(0, abs=1e-12)


def test_margin_grows_with_similarity_of_rewards():
    """Pairs that the model cannot tell apart ask for more than pairs far apart."""
    near = replace(BATCH, chosen=np.full(11, 0.1), rejected=np.zeros(11))
    far = replace(BATCH, chosen=np.full(11, 5.0), rejected=np.zeros(11))
    margins = [objective("aplot")(b.scores()).metrics["margin_mean"].item() for b in (near, far)]
    assert margins[0] > margins[1] + 0.3


def test_margin_with_the_batch_size_as_kappa_does_not_depend_on_it():
    twice = BATCH.take(np.r_[0:11, 0:11])
    for spec, ratio in (("aplot", 1.0), ("aplot(kappa=1)", 0.5)):
        small, large = (
            objective(spec)(b.scores()).metrics["margin_mean"].item() for b in (BATCH, twice)
        )
        assert large == pytest.approx(ratio * small, rel=1e-6)


def test_similarity_may_come_from_any_tensor_of_any_width():
    wide = random_batch(11, hidden=40)
    other = replace(BATCH, chosen_hidden=wide.chosen_hidden, rejected_hidden=wide.rejected_hidden)
    assert per_pair("aplot", other) != pytest.approx(per_pair("aplot"))


def test_zero_hidden_states_give_finite_results_everywhere():
    scores = replace(
        BATCH, chosen_hidden=np.zeros((11, 5)), rejected_hidden=np.zeros((11, 5))
    ).scores(NEEDS, torch.float32)
    for spec in ("normbt", "aplot"):
        assert objective(spec)(scores).loss.isfinite()
