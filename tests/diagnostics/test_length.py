import math

import numpy as np
import pytest
from scipy.stats import rankdata

from trueward.diagnostics import accuracy_when_shorter_chosen, length_correlation
from trueward.errors import DataError


def test_prompt_effect_is_removed():
    # within each prompt the reward falls with length; between prompts it rises
    lengths = [10, 20, 110, 120, 210, 220]
    rewards = [2.0, 1.0, 12.0, 11.0, 22.0, 21.0]
    result = length_correlation(rewards, lengths, ["a", "a", "b", "b", "c", "c"])
    assert result.pearson > 0.98
    assert result.pearson_within == pytest.approx(-1.0)
    assert result.spearman_within == pytest.approx(-1.0)


def test_against_numpy():
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 90, 80)
    rewards = 0.03 * lengths + rng.normal(size=80)
    prompts = np.repeat(np.arange(20), 4)
    result = length_correlation(rewards, lengths, [f"p{i}" for i in prompts])

    def centre(values):
        return values - values.reshape(20, 4).mean(1).repeat(4)

    a, b = centre(rewards), centre(lengths.astype(float))
    assert result.pearson == pytest.approx(np.corrcoef(rewards, lengths)[0, 1])
    assert result.spearman == pytest.approx(np.corrcoef(rankdata(rewards), rankdata(lengths))[0, 1])
    assert result.pearson_within == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert result.spearman_within == pytest.approx(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def test_constant_sides_are_undefined():
    rewards = [0.1, 0.1, 0.1, 0.7, 0.7, 0.7]
    result = length_correlation(rewards, [1, 2, 3, 1, 2, 3], list("aaabbb"))
    assert math.isnan(result.pearson_within)
    assert math.isnan(length_correlation([1.0, 2.0], [5, 5], ["a", "b"]).pearson)


def test_accuracy_on_pairs_whose_chosen_side_is_shorter():
    result = accuracy_when_shorter_chosen(
        [1.0, 1.0, 0.0, 9.0, 2.0], [0.0, 1.0, 1.0, 0.0, 1.0], [3, 3, 3, 8, 5], [5, 5, 5, 2, 6]
    )
    assert result.pairs == 4
    assert result.accuracy == pytest.approx(0.5)


def test_without_such_pairs_the_accuracy_is_undefined():
    result = accuracy_when_shorter_chosen([1.0], [0.0], [5], [5])
    assert math.isnan(result.accuracy)
    assert result.pairs == 0


def test_unequal_lengths_are_refused():
    with pytest.raises(DataError, match="got 1 rewards, 2 lengths; give one of each"):
        length_correlation([1.0], [1, 2], ["a", "a"])
    with pytest.raises(DataError, match="1 rewards and lengths and 2 prompts"):
        length_correlation([1.0], [1], ["a", "a"])
    with pytest.raises(DataError, match="1 chosen lengths, 2 rejected lengths"):
        accuracy_when_shorter_chosen([1.0], [0.0], [1], [1, 2])


def test_numbers_that_are_none_are_refused():
    with pytest.raises(DataError, match="1 of 2 rewards are not finite, the first in row 1"):
        length_correlation([1.0, math.nan], [1, 2], ["a", "a"])
    with pytest.raises(DataError, match="at least one; got shape"):
        accuracy_when_shorter_chosen([], [], [], [])
