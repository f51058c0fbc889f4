"""Pair accuracy, Kendall's τ-b and steps to an accuracy, by hand and by counting pairs."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueward.errors import DataError
from trueward.metrics import kendall_per_prompt, pair_accuracy, steps_to_accuracy


def test_a_tie_is_wrong_and_nan_stays_undefined():
    chosen, rejected = [2.0, 1.0, 0.0, math.nan], [1.0, 1.0, 3.0, 0.0]
    np.testing.assert_array_equal(pair_accuracy(chosen, rejected), [1.0, 0.0, 0.0, math.nan])


def test_unequal_lengths_are_refused():
    with pytest.raises(DataError, match="one chosen and one rejected"):
        pair_accuracy([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 10), (0.7, 30), (0.71, 40)])
def test_steps_to_accuracy_is_the_first_crossing(threshold, expected):
    assert steps_to_accuracy([10, 20, 30, 40], [0.5, 0.6, 0.7, 0.9], threshold) == expected


def test_steps_to_accuracy_never_reached_is_nan():
    assert math.isnan(steps_to_accuracy([10, 20], [0.5, math.nan], 0.8))


def test_steps_and_accuracies_must_pair_up():
    with pytest.raises(DataError, match="one accuracy a step"):
        steps_to_accuracy([1], [0.5, 0.6], 0.5)


def tau_b(x, y):
    """Kendall's τ-b by counting pairs."""
    both = list(combinations(range(len(x)), 2))
    sign = [((x[i] > x[j]) - (x[i] < x[j])) * ((y[i] > y[j]) - (y[i] < y[j])) for i, j in both]
    untied_x = sum(x[i] != x[j] for i, j in both)
    untied_y = sum(y[i] != y[j] for i, j in both)
    return sum(sign) / math.sqrt(untied_x * untied_y)


def test_hand_worked_values():
    rewards = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [1.0, 3.0, 2.0, 4.0]]
    gold = [[0.0, 1.0, 2.0, 3.0]] * 3
    assert kendall_per_prompt(rewards, gold) == pytest.approx([1.0, -1.0, 4 / 6])


def test_undefined_where_a_side_is_constant_single_or_nan():
    rewards = [[1.0, 1.0, 1.0], [1.0], [math.nan, 1.0, 2.0], [0.0, 1.0, 2.0]]
    gold = [[1.0, 2.0, 3.0], [1.0], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]
    assert all(map(math.isnan, kendall_per_prompt(rewards, gold)))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=8))
def test_against_counted_pairs(points):
    x, y = ([float(v) for v in side] for side in zip(*points, strict=True))
    (tau,) = kendall_per_prompt([x], [y])
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert math.isnan(tau)
    else:
        assert tau == pytest.approx(tau_b(x, y), abs=1e-12)


def test_errors_name_the_prompt():
    with pytest.raises(DataError, match="prompt 1 has 1 rewards and 2 gold"):
        kendall_per_prompt([[1.0, 2.0], [1.0]], [[1.0, 2.0], [1.0, 2.0]])
    with pytest.raises(DataError, match="1 prompts and gold scores for 2"):
        kendall_per_prompt([[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]])
