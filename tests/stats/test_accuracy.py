import math

import numpy as np
import pytest

from trueward.errors import DataError
from trueward.metrics import pair_accuracy, steps_to_accuracy


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
