import math

import numpy as np
import pytest
from scipy.stats import linregress

from trueward.diagnostics import similar_pair_accuracy
from trueward.errors import DataError, InputError


def test_by_hand():
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


def test_bad_input():
    with pytest.raises(DataError, match="1 chosen rewards, 1 rejected rewards, 2 similarities"):
        similar_pair_accuracy([1.0], [0.0], [0.5, 0.5])
    with pytest.raises(DataError, match="similarities are not finite"):
        similar_pair_accuracy([1.0], [0.0], [math.nan])
    with pytest.raises(InputError, match="at least one bin"):
        similar_pair_accuracy([1.0], [0.0], [0.5], bins=0)
