import math

import numpy as np
import pytest
from scipy.stats import linregress

from trueward.diagnostics import reward_distributions, similar_pair_accuracy
from trueward.errors import DataError, InputError


def test_by_hand():
    result = reward_distributions(
        [1.0, 10.0, 2.0, 3.0, 20.0, 6.0], ["a", "b", "a", "a", "b", "a"], levels=(0.5, 0.25), bins=2
    )
    assert list(result) == ["a", "b"]
    a, b = result["a"], result["b"]
    assert (a.n, a.mean, a.std) == pytest.approx((4, 3.0, math.sqrt(3.5)))
    assert (b.n, b.mean, b.std) == pytest.approx((2, 15.0, 5.0))
    # 1, 2, 3, 6: a quarter of the way lies at rank 0.75, between 1 and 2
    assert a.quantiles == pytest.approx({0.5: 2.5, 0.25: 1.75})
    # two bins shared by all: [1, 10.5), [10.5, 20]
    assert a.histogram.edges == b.histogram.edges == pytest.approx([1.0, 10.5, 20.0])
    assert (list(a.histogram.counts), list(b.histogram.counts)) == ([4, 0], [1, 1])


def test_counts_are_complete():
    rng = np.random.default_rng(0)
    rewards, sources = rng.normal(size=500), rng.choice(["x", "y", "z"], 500)
    result = reward_distributions(rewards, sources.tolist())
    for name, one in result.items():
        mine = rewards[sources == name]
        assert sum(one.histogram.counts) == one.n == mine.size
        assert one.quantiles[0.05] == pytest.approx(np.percentile(mine, 5))


def test_equal_rewards():
    one = reward_distributions([2.0, 2.0], ["a", "a"])["a"]
    assert (one.std, sum(one.histogram.counts)) == (0.0, 2)


def test_bad_input():
    with pytest.raises(DataError, match="2 rewards and 1 sources"):
        reward_distributions([1.0, 2.0], ["a"])
    with pytest.raises(DataError, match="not finite"):
        reward_distributions([1.0, math.inf], ["a", "b"])
    with pytest.raises(DataError, match="at least one"):
        reward_distributions([], [])
    with pytest.raises(DataError, match="not all numbers"):
        reward_distributions(["x"], ["a"])
    with pytest.raises(InputError, match="levels in"):
        reward_distributions([1.0], ["a"], levels=(1.5,))


def test_similar_pairs_by_hand():
    result = similar_pair_accuracy(
        [1.0, 1.0, 1.0, 0.0, 5.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 6.0, 1.0],
        [0.1, 0.2, 0.3, 0.6, 0.8, 0.7],
        bins=2,
    )
    low, high = result.bins
    assert (low.low, low.high, low.n, low.accuracy) == (0.1, 0.3, 3, 1.0)
    assert (high.low, high.high, high.n, high.accuracy) == (0.6, 0.8, 3, 0.0)  # a tie is wrong
    assert result.accuracy == 0.5
    assert list(result.correct) == [1, 1, 1, 0, 0, 0]


def test_slope_and_bins_against_scipy_and_sorting():
    rng = np.random.default_rng(0)
    similarity = rng.random(100)
    margins = rng.normal(1 - similarity, 0.5)
    result = similar_pair_accuracy(margins, np.zeros(100), similarity)
    assert result.slope == pytest.approx(linregress(similarity, margins > 0).slope)
    assert result.slope < 0
    parts = np.split(np.argsort(similarity), 5)
    assert [b.n for b in result.bins] == [20] * 5
    expected = [(margins[part] > 0).mean() for part in parts]
    assert [b.accuracy for b in result.bins] == pytest.approx(expected)


def test_equal_similarities_stay_together():
    result = similar_pair_accuracy([1.0, 1.0, 0.0, 1.0], [0.0] * 4, [0.5, 0.5, 0.5, 0.9], bins=4)
    assert [b.n for b in result.bins] == [3, 1]
    assert [b.accuracy for b in result.bins] == pytest.approx([2 / 3, 1.0])
    alike = similar_pair_accuracy([1.0, 1.0], [0.0, 2.0], [0.5, 0.5])
    assert math.isnan(alike.slope)
    assert [b.n for b in alike.bins] == [2]


def test_bad_similarities():
    with pytest.raises(DataError, match="1 chosen rewards, 1 rejected rewards, 2 similarities"):
        similar_pair_accuracy([1.0], [0.0], [0.5, 0.5])
    with pytest.raises(DataError, match="similarities are not finite"):
        similar_pair_accuracy([1.0], [0.0], [math.nan])
    with pytest.raises(InputError, match="at least one bin"):
        similar_pair_accuracy([1.0], [0.0], [0.5], bins=0)
