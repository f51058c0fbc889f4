import json

import numpy as np
import pytest

from trueward.diagnostics import (
    difference_statistics,
    effective_rank,
    effective_rank_shift,
    norm_shift,
    norm_statistics,
    split_norms,
)
from trueward.errors import DataError


def test_hand_worked_norms():
    statistics = norm_statistics(np.array([[3.0, 4.0], [0.0, 5.0], [6.0, 8.0]]))
    assert statistics.mean == pytest.approx(20 / 3)
    assert statistics.std == pytest.approx(np.sqrt(50 / 9))
    assert statistics.cv == pytest.approx(np.sqrt(50) / 20)
    assert sum(statistics.histogram.counts) == 3
    assert (statistics.histogram.edges[0], statistics.histogram.edges[-1]) == (5.0, 10.0)


def test_difference_by_hand():
    moments = difference_statistics(
        np.array([[1.0, 1.0], [4.0, 5.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    )
    assert (moments.mean, moments.std) == pytest.approx((3.0, 2.0))


def test_shift_is_split_minus_train():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(50, 8))
    shift = norm_shift(norm_statistics(1.5 * train), norm_statistics(train))
    assert shift.relative_mean == pytest.approx(0.5)
    assert shift.mean == pytest.approx(0.5 * np.sqrt((train**2).sum(1)).mean())
    assert shift.cv == pytest.approx(0.0, abs=1e-12)


def test_shift_of_difference_norms():
    train = difference_statistics(np.array([[3.0, 4.0], [0.0, 1.0]]), np.zeros((2, 2)))
    split = difference_statistics(np.array([[6.0, 8.0], [0.0, 10.0]]), np.zeros((2, 2)))
    shift = norm_shift(split, train)
    assert (shift.mean, shift.std, shift.cv) == pytest.approx((7.0, -2.0, -2 / 3))
    assert shift.relative_mean == pytest.approx(7 / 3)
    with pytest.raises(DataError, match="both sides of every pair"):
        difference_statistics(np.zeros((2, 2)), np.zeros((3, 2)))


def test_float16_states_do_not_overflow():
    assert norm_statistics(np.full((2, 64), 6e4, dtype=np.float16)).mean == pytest.approx(
        8 * float(np.float16(6e4))
    )


def test_split_block_is_json_ready():
    rng = np.random.default_rng(1)
    hidden, before = rng.normal(size=(20, 4)), rng.normal(size=(20, 4))
    block = split_norms(hidden, pre_norm=before, chosen=hidden[:10], rejected=hidden[10:])
    assert json.loads(json.dumps(block)) == block
    assert block["pre_norm"]["mean"] == pytest.approx(np.sqrt((before**2).sum(1)).mean())
    assert block["difference"]["mean"] == pytest.approx(
        np.sqrt(((hidden[:10] - hidden[10:]) ** 2).sum(1)).mean()
    )
    assert split_norms(hidden)["difference"] is None


@pytest.mark.parametrize("bad", [np.empty((0, 3)), np.array([[np.nan, 1.0]])])
def test_bad_states(bad):
    with pytest.raises(DataError, match="did not diverge"):
        norm_statistics(bad)
    with pytest.raises(DataError, match="did not diverge"):
        effective_rank(bad)


def test_effective_rank_by_hand():
    # singular values 3 and 1: p = 3/4, 1/4
    expected = (4 / 3) ** 0.75 * 4**0.25
    assert effective_rank(np.array([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])) == pytest.approx(expected)


def test_effective_rank_limits():
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(30, 7)))
    assert effective_rank(q) == pytest.approx(7.0)
    assert effective_rank(np.outer(np.arange(1.0, 9.0), np.ones(5))) == pytest.approx(1.0)
    assert np.isnan(effective_rank(np.zeros((3, 3))))


def test_effective_rank_against_the_gram_matrix_and_its_invariances():
    states = np.random.default_rng(3).normal(size=(40, 6)) * np.array([9, 5, 3, 1, 0.5, 0.1])
    sigma = np.sqrt(np.linalg.eigvalsh(states.T @ states))
    p = sigma / sigma.sum()
    expected = np.exp(-(p * np.log(p)).sum())
    assert effective_rank(states) == pytest.approx(expected)
    assert effective_rank(7.0 * states[::-1]) == pytest.approx(expected)


def test_effective_rank_shift_compares_equal_numbers_of_rows():
    rng = np.random.default_rng(4)
    states = rng.normal(size=(400, 30))
    few = states[:20]
    assert effective_rank(states) > effective_rank(few) + 5
    shift = effective_rank_shift(few, states)
    assert shift.rows == 20
    assert shift.train == pytest.approx(effective_rank(few))
    assert abs(shift.difference) < 1.5
    assert shift.difference == shift.unseen - shift.train
    # folded training states against full unseen ones
    assert effective_rank_shift(few * ([1.0] + [0.0] * 29), states).difference > 10


def test_effective_rank_shift_of_another_model():
    with pytest.raises(DataError, match="same model"):
        effective_rank_shift(np.ones((3, 4)), np.ones((3, 5)))
