import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueward.errors import DataError
from trueward.metrics import kendall_per_prompt


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
