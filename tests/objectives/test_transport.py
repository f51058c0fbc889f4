"""The plan against POT, matrix scaling, marginals and the exact solution."""

import math
import warnings

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trueward.objectives import sinkhorn_log
from trueward.objectives.transport import column_error

unit_costs = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(float, shape, elements=st.floats(-0.5, 0.5, width=32))
)


def uniform(n):
    return np.full(n, 1 / n)


def random_cost(rows, columns=None, seed=0):
    return np.random.default_rng((seed, rows)).uniform(size=(rows, columns or rows))


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 5), (32, 32), (6, 9), (9, 4)])
@pytest.mark.parametrize("epsilon", [0.03, 0.1, 1.0, 100.0])
def test_plan_is_pots(shape, epsilon):
    cost = random_cost(*shape)
    marginals = uniform(shape[0]), uniform(shape[1])
    expected = ot.sinkhorn(*marginals, cost, epsilon, "sinkhorn_log", 3000, 1e-14, warn=False)
    plan = sinkhorn_log(torch.tensor(cost), epsilon, 3000)
    np.testing.assert_allclose(plan, expected, atol=1e-9)


@pytest.mark.parametrize("pairs", [2, 5, 16])
def test_small_epsilon_reaches_the_exact_cost(pairs):
    cost = random_cost(pairs, seed=1)
    exact = ot.emd2(uniform(pairs), uniform(pairs), cost)
    plan = sinkhorn_log(torch.tensor(cost), 2e-3, 5000).numpy()
    assert exact - 1e-4 <= (plan * cost).sum() <= exact + 2e-3 * math.log(pairs) + 1e-4


def test_small_epsilon_finds_the_exact_matching():
    cost = random_cost(6, seed=4)
    matching = ot.emd(uniform(6), uniform(6), cost)
    plan = sinkhorn_log(torch.tensor(cost), 1e-3, 20000)
    np.testing.assert_allclose(plan, matching, atol=2e-3)


@settings(max_examples=60, deadline=None)
@given(unit_costs)
def test_marginals_and_invariance_on_any_cost(cost):
    rows, columns = cost.shape
    cost = torch.tensor(cost)
    plan = sinkhorn_log(cost, 0.1, 50)
    np.testing.assert_allclose(plan.sum(dim=1), uniform(rows), rtol=1e-12)
    assert column_error(plan) < 0.05
    potentials = torch.linspace(-3, 3, rows)[:, None] + torch.linspace(-2, 2, columns)
    np.testing.assert_allclose(sinkhorn_log(cost + potentials, 0.1, 50), plan, atol=0.02 / rows)


@pytest.mark.parametrize("spread", [1e2, 1e4])
def test_no_overflow_where_matrix_scaling_underflows(spread):
    cost = torch.tensor(spread * random_cost(8), dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = sinkhorn_log(cost, 0.01, 30)
    assert plan.isfinite().all()
    np.testing.assert_allclose(plan.sum(dim=1), uniform(8), rtol=0.05)


def test_a_batch_of_thousands():
    cost = torch.tensor(random_cost(1024), dtype=torch.float32)
    plan = sinkhorn_log(cost, 0.1, 12)
    assert column_error(plan) < 1e-3


def test_too_small_an_epsilon_warns_with_a_remedy_that_works():
    cost = torch.tensor(random_cost(16))
    with pytest.warns(RuntimeWarning, match=r"epsilon=0\.0005 and 50 .* raise epsilon to 0\.02"):
        sinkhorn_log(cost, 5e-4, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert column_error(sinkhorn_log(cost, 0.02, 50)) < 0.05
        assert column_error(sinkhorn_log(cost, 5e-4, 2000)) < 0.05


def test_a_small_epsilon_that_converged_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sinkhorn_log(torch.zeros(4, 4), 1e-4, 5)
