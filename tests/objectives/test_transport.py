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

from trueward.errors import ObjectiveError
from trueward.objectives import sinkhorn
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
    plan = sinkhorn(torch.tensor(cost), epsilon, 3000, tolerance=1e-13)
    np.testing.assert_allclose(plan, expected, atol=1e-9)


@pytest.mark.parametrize("pairs", [2, 5, 16])
def test_small_epsilon_reaches_the_exact_cost(pairs):
    cost = random_cost(pairs, seed=1)
    exact = ot.emd2(uniform(pairs), uniform(pairs), cost)
    plan = sinkhorn(torch.tensor(cost), 2e-3, 5000).numpy()
    assert exact - 1e-4 <= (plan * cost).sum() <= exact + 2e-3 * math.log(pairs) + 1e-4


def test_small_epsilon_finds_the_exact_matching():
    cost = random_cost(6, seed=4)
    matching = ot.emd(uniform(6), uniform(6), cost)
    plan = sinkhorn(torch.tensor(cost), 1e-3, 20000)
    np.testing.assert_allclose(plan, matching, atol=2e-3)


@settings(max_examples=60, deadline=None)
@given(unit_costs)
def test_marginals_and_invariance_on_any_cost(cost):
    rows, columns = cost.shape
    cost = torch.tensor(cost)
    plan = sinkhorn(cost, 0.1, 50)
    np.testing.assert_allclose(plan.sum(dim=1), uniform(rows), rtol=1e-12)
    assert column_error(plan) < 0.05
    potentials = torch.linspace(-3, 3, rows)[:, None] + torch.linspace(-2, 2, columns)
    np.testing.assert_allclose(sinkhorn(cost + potentials, 0.1, 50), plan, atol=0.02 / rows)


@pytest.mark.parametrize("spread", [1e2, 1e4])
def test_no_overflow_where_matrix_scaling_underflows(spread):
    cost = torch.tensor(spread * random_cost(8), dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = sinkhorn(cost, 0.01, 30)
    assert plan.isfinite().all()
    np.testing.assert_allclose(plan.sum(dim=1), uniform(8), rtol=0.05)


def test_a_batch_of_thousands():
    cost = torch.tensor(random_cost(1024), dtype=torch.float32)
    plan = sinkhorn(cost, 0.1, 12)
    assert column_error(plan) < 1e-3


def test_too_small_an_epsilon_warns_with_a_remedy_that_works():
    cost = torch.tensor(random_cost(16))
    with pytest.warns(RuntimeWarning, match=r"epsilon=0\.0005 and 50 .* raise epsilon to 0\.02"):
        sinkhorn(cost, 5e-4, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert column_error(sinkhorn(cost, 0.02, 50)) < 0.05
        assert column_error(sinkhorn(cost, 5e-4, 2000)) < 0.05


def test_a_small_epsilon_that_converged_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sinkhorn(torch.zeros(4, 4), 1e-4, 5)


# ratios of spread to ε that take float32, float64 and the log domain
@pytest.mark.parametrize("epsilon", [0.1, 0.01, 0.0015])
@pytest.mark.parametrize("shape", [(3, 8), (8, 3)])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_every_way_of_solving_is_pots(epsilon, shape, dtype, atol):
    cost = random_cost(*shape, seed=2)
    marginals = uniform(shape[0]), uniform(shape[1])
    expected = ot.sinkhorn(*marginals, cost, epsilon, "sinkhorn_log", 50000, 1e-12, warn=False)
    plan = sinkhorn(torch.tensor(cost, dtype=dtype), epsilon, 50000)
    assert plan.dtype == dtype
    np.testing.assert_allclose(plan, expected, atol=atol)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2), (6, 4)])
@pytest.mark.parametrize("value", [0.0, 1.0, -1e6, 1e30, 3e38])
def test_equal_costs_are_the_uniform_plan(shape, value):
    plan = sinkhorn(torch.full(shape, value), 0.1, 50)
    np.testing.assert_allclose(plan, np.full(shape, 1 / (shape[0] * shape[1])), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e6, 1e20, 3e38])
@pytest.mark.parametrize("shape", [(2, 2), (5, 5), (4, 9), (9, 4)])
def test_huge_costs_give_finite_plans_with_exact_rows(scale, shape):
    cost = torch.tensor(scale * (2 * random_cost(*shape) - 1), dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = sinkhorn(cost, 0.1, 50)
    assert plan.isfinite().all()
    np.testing.assert_allclose(plan.sum(dim=1), uniform(shape[0]), rtol=1e-6)


def test_scalings_stay_in_range_up_to_the_last_ratio_that_is_scaled():
    """Float64's bound: the whole spread sits in one column, the worst case for a scaling."""
    cost = np.zeros((5, 5))
    cost[1:, 0] = 1
    epsilon = 1 / 460
    expected = ot.sinkhorn(
        uniform(5), uniform(5), cost, epsilon, "sinkhorn_log", 2000, 1e-14, warn=False
    )
    plan = sinkhorn(torch.tensor(cost), epsilon, 2000)
    np.testing.assert_allclose(plan, expected, atol=1e-6)


def test_it_stops_at_the_tolerance_and_not_before():
    cost = torch.tensor(random_cost(12))
    for tolerance in (1e-2, 1e-5, 1e-9):
        assert column_error(sinkhorn(cost, 0.05, 10000, tolerance=tolerance)) <= tolerance
    loose = column_error(sinkhorn(cost, 0.05, 10000, tolerance=1e-2))
    assert loose > 1e-6


def test_autocast_does_not_lower_the_precision():
    cost = torch.tensor(random_cost(16), dtype=torch.float32)
    expected = sinkhorn(cost, 0.1, 50)
    with torch.autocast("cpu", torch.bfloat16):
        plan = sinkhorn(cost, 0.1, 50)
    assert torch.equal(plan, expected)
    assert sinkhorn(cost.bfloat16(), 0.1, 50).dtype == torch.float32


def test_a_known_spread_gives_the_same_plan_and_leaves_the_cost_alone():
    cost = torch.tensor(random_cost(8))
    before = cost.clone()
    expected = sinkhorn(cost, 0.1, 50)
    np.testing.assert_allclose(sinkhorn(cost, 0.1, 50, spread=2.0), expected, atol=1e-12)
    assert torch.equal(cost, before)


@pytest.mark.parametrize(("epsilon", "iterations"), [(0.0, 50), (-1.0, 50), (0.1, 0)])
def test_settings_without_a_plan_are_refused(epsilon, iterations):
    with pytest.raises(ObjectiveError, match="epsilon above 0 and at least 1 iteration"):
        sinkhorn(torch.zeros(2, 2), epsilon, iterations)
