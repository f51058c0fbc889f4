import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from trueward.diagnostics import calibration, calibration_after_temperature, fit_temperature
from trueward.errors import DataError, InputError


def brute_force_ece(margins, bins):
    predictions = []
    for m in margins:
        p = 1 / (1 + math.exp(-m))
        predictions += [(p, 1), (1 - p, 0)]
    total = 0.0
    for b in range(bins):
        inside = [
            (p, won)
            for p, won in predictions
            if b / bins <= p < (b + 1) / bins or (b == bins - 1 and p == 1)
        ]
        if inside:
            total += abs(sum(won for _, won in inside) - sum(p for p, _ in inside))
    return total / len(predictions)


def test_by_hand():
    log3 = math.log(3)  # p = 3/4, once right and once wrong
    result = calibration([log3, -log3], bins=2)
    assert result.brier == pytest.approx((1 / 16 + 9 / 16) / 2)
    assert result.nll == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    # both bins hold two predictions and one win: |1/2 - 3/4| and |1/2 - 1/4|
    assert result.ece == pytest.approx(1 / 4)
    low, high = result.table
    assert (low.low, low.high, low.n, low.confidence, low.wins) == pytest.approx(
        (0, 0.5, 2, 0.25, 0.5)
    )
    assert (high.n, high.confidence, high.wins) == pytest.approx((2, 0.75, 0.5))


def test_against_brute_force():
    margins = np.random.default_rng(0).normal(0.5, 2.0, 300)
    result = calibration(margins)
    p = 1 / (1 + np.exp(-margins))
    both, won = np.concatenate([p, 1 - p]), np.repeat([1.0, 0.0], 300)
    assert result.ece == pytest.approx(brute_force_ece(margins, 20))
    assert result.brier == pytest.approx(((both - won) ** 2).mean())
    assert result.nll == pytest.approx(-np.log(np.where(won == 1, both, 1 - both)).mean())
    assert len(result.table) == 20
    assert sum(b.n for b in result.table) == 600
    assert result.pairs == 300


def test_a_calibrated_model_is_found_calibrated():
    rng = np.random.default_rng(1)
    logits = np.abs(rng.normal(0, 2, 40_000))
    margins = np.where(rng.random(40_000) < expit(logits), logits, -logits)
    assert calibration(margins).ece < 0.01
    assert calibration(5 * margins).ece > 0.1
    assert fit_temperature(5 * margins) == pytest.approx(5, rel=0.05)


def test_extremes():
    sure = calibration([800.0, 900.0])
    assert (sure.ece, sure.brier, sure.nll) == (0.0, 0.0, 0.0)
    assert calibration([-800.0]).nll == 800.0
    undecided = calibration([0.0, 0.0])
    assert (undecided.ece, undecided.brier) == (0.0, 0.25)
    assert undecided.nll == pytest.approx(math.log(2))
    assert calibration([3.0, -1.0], temperature=math.inf).nll == pytest.approx(math.log(2))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_temperature_by_hand(scale):
    # three right and one wrong by the same margin: σ(m/T) must be 3/4
    margins = np.array([1.0, 1.0, 1.0, -1.0]) * scale
    assert fit_temperature(margins) == pytest.approx(scale / math.log(3), rel=1e-6)


def test_temperature_against_the_root_of_the_gradient():
    margins = np.random.default_rng(2).normal(0.3, 1.7, 200)
    inverse = brentq(lambda a: (margins * expit(-a * margins)).sum(), 1e-9, 100)
    assert fit_temperature(margins) == pytest.approx(1 / inverse, rel=1e-6)


def test_temperature_at_its_limits():
    assert fit_temperature([1.0, -1.0]) == math.inf
    assert fit_temperature([1.0, -3.0]) == math.inf
    with pytest.raises(DataError, match="all 2 pairs are ranked right"):
        fit_temperature([1.0, 0.0])


def test_after_a_temperature_from_other_prompts():
    other = [2.0, 2.0, 2.0, -2.0]
    result = calibration_after_temperature([2.0, -1.0], ["a", "b"], other, list("cdef"))
    assert result.temperature == pytest.approx(2 / math.log(3), rel=1e-6)
    expected = -(np.log(3 / 4) + np.log(1 / (1 + 3**0.5))) / 2
    assert result.nll == pytest.approx(expected, rel=1e-6)


def test_bad_input():
    with pytest.raises(DataError, match="1 prompts are both judged and fitted on, such as 'b'"):
        calibration_after_temperature([1.0, 2.0], ["a", "b"], [1.0, -0.5], ["b", "c"])
    with pytest.raises(DataError, match="2 fit margins and 1 fit prompts"):
        calibration_after_temperature([1.0], ["a"], [1.0, -0.5], ["b"])
    with pytest.raises(DataError, match="not finite"):
        calibration([math.nan])
    with pytest.raises(DataError, match="at least one"):
        fit_temperature([])
    with pytest.raises(InputError, match="temperature above 0"):
        calibration([1.0], temperature=0.0)
