import math

import numpy as np
import pytest
from scipy.optimize import curve_fit, minimize_scalar

from trueward.diagnostics import BestOfNFit, RLFit, best_of_n_kl, fit_best_of_n, fit_rl
from trueward.errors import DataError

NS = [1, 2, 4, 8, 16, 32, 64, 128]


def test_best_of_n_is_recovered():
    d = np.sqrt(best_of_n_kl(NS))
    fit = fit_best_of_n(NS, 5 + d * (1.2 - 0.4 * d), start=5.0)
    assert (fit.alpha, fit.beta, fit.r_squared) == pytest.approx((1.2, 0.4, 1.0))
    assert fit.rmse == pytest.approx(0, abs=1e-12)
    assert fit.points == 7
    assert (fit.peak_d, fit.peak_gain) == pytest.approx((1.5, 0.9))
    assert math.log(fit.peak_n) - 1 + 1 / fit.peak_n == pytest.approx(2.25)


def test_rl_is_recovered():
    kl = np.array([0.0, 1.0, 4.0, 9.0, 25.0, 100.0])
    d = np.sqrt(kl)
    fit = fit_rl(kl, -1 + d * (0.9 - 0.3 * np.log(np.maximum(d, 1e-300))), start=-1.0)
    assert (fit.alpha, fit.beta, fit.r_squared) == pytest.approx((0.9, 0.3, 1.0))
    assert fit.peak_d == pytest.approx(math.exp(2))
    assert fit.peak_gain == pytest.approx(0.3 * math.exp(2))
    best = minimize_scalar(lambda at: -fit.gain(at), bounds=(0.1, 50), method="bounded")
    assert (best.x, -best.fun) == pytest.approx((fit.peak_d, fit.peak_gain), rel=1e-4)
    assert fit.gain(0.0) == 0


def test_a_hand_worked_line():
    # d = 1, 2 and R = 1, 1 by d(α − β log d): α = 1, 2(1 − β log 2) = 1, so β = 1/(2 log 2)
    fit = fit_rl([1.0, 4.0], [3.0, 3.0], start=2.0)
    assert (fit.alpha, fit.beta) == pytest.approx((1.0, 0.5 / math.log(2)))
    assert math.isnan(fit.r_squared)


def test_noisy_points_against_scipy():
    rng = np.random.default_rng(0)
    d = np.sqrt(best_of_n_kl(NS))
    gold = d * (1 - 0.3 * d) + rng.normal(0, 0.05, len(NS))
    fit = fit_best_of_n(NS, gold, start=0.0)
    (alpha, beta), _ = curve_fit(lambda x, a, b: x * (a - b * x), d[1:], gold[1:])
    assert (fit.alpha, fit.beta) == pytest.approx((alpha, beta), rel=1e-5)
    residual = gold[1:] - d[1:] * (alpha - beta * d[1:])
    assert fit.rmse == pytest.approx(np.sqrt((residual**2).mean()))
    assert fit.r_squared == pytest.approx(1 - (residual**2).mean() / gold[1:].var())
    (alpha, beta), _ = curve_fit(lambda x, a, b: x * (a - b * np.log(x)), d[1:], gold[1:])
    other = fit_rl(d**2, gold, start=0.0)
    assert (other.alpha, other.beta) == pytest.approx((alpha, beta), rel=1e-5)


@pytest.mark.parametrize(
    ("alpha", "beta", "reach", "d", "gain", "n"),
    [
        (1.0, 0.0, 2.0, math.inf, math.inf, math.inf),
        (1.0, -0.2, 2.0, math.inf, math.inf, math.inf),
        (0.0, -0.2, 2.0, math.inf, math.inf, math.inf),
        # −d + 0.2 d² is below 0 up to d = 5
        (-1.0, -0.2, 4.9, 0.0, 0.0, 1.0),
        (-1.0, -0.2, 5.1, math.inf, math.inf, math.inf),
        (-1.0, 0.0, 2.0, 0.0, 0.0, 1.0),
        (-1.0, 0.5, 2.0, 0.0, 0.0, 1.0),
        (0.0, 0.5, 2.0, 0.0, 0.0, 1.0),
        (0.0, 0.0, 2.0, 0.0, 0.0, 1.0),
    ],
)
def test_best_of_n_without_an_inner_peak(alpha, beta, reach, d, gain, n):
    fit = BestOfNFit(alpha, beta, r_squared=1.0, rmse=0.0, points=3, reach=reach)
    assert (fit.peak_d, fit.peak_gain, fit.peak_n) == (d, gain, n)


@pytest.mark.parametrize(
    ("alpha", "beta", "reach", "d", "gain"),
    [
        (1.0, 0.0, 2.0, math.inf, math.inf),
        (-1.0, 0.0, 2.0, 0.0, 0.0),
        (0.0, 0.0, 2.0, 0.0, 0.0),
        # d(α + 0.2 log d) falls first whatever α, and is 0 again at d = exp(−α/0.2)
        (1.0, -0.2, 2.0, math.inf, math.inf),
        (1.0, -0.2, 0.9 * math.exp(-5), 0.0, 0.0),
        (-0.2, -0.2, 2.7, 0.0, 0.0),
        (-0.2, -0.2, 2.8, math.inf, math.inf),
        (-0.5, 0.5, 2.0, math.exp(-2), 0.5 * math.exp(-2)),
        (1.0, 1e-4, 2.0, math.inf, math.inf),  # beyond what a float holds
    ],
)
def test_rl_peaks(alpha, beta, reach, d, gain):
    fit = RLFit(alpha, beta, r_squared=1.0, rmse=0.0, points=3, reach=reach)
    assert (fit.peak_d, fit.peak_gain) == pytest.approx((d, gain))


def test_gold_that_falls_from_the_first_size_is_best_there():
    # means of {3, 2, 1, 0} and {3, 2, 1, 1} by brute force: 1.625, 0.917, 0.5
    fit = fit_best_of_n([1, 2, 4], [1.625, 11 / 12, 0.5], start=1.625)
    assert (fit.alpha < 0, fit.beta < 0) == (True, True)
    assert fit.reach == pytest.approx(math.sqrt(math.log(4) - 0.75))
    assert (fit.peak_d, fit.peak_gain, fit.peak_n) == (0, 0, 1)


@pytest.mark.parametrize("level", [1.0, -1e6, 0.0])
def test_rounding_is_no_gain(level):
    dusty = level * (1 + np.array([0, 1, 2, -1]) * 2.2e-16)
    fit = fit_best_of_n([1, 2, 4, 8], dusty, start=level)
    assert (fit.alpha, fit.beta, fit.peak_n) == (0, 0, 1)
    assert math.isnan(fit.r_squared)
    rl = fit_rl([0.0, 1.0, 2.0, 4.0], dusty, start=level)
    assert (rl.alpha, rl.beta, rl.peak_d) == (0, 0, 0)


def test_bad_input():
    with pytest.raises(DataError, match="two or more different distances above 0, got 1"):
        fit_best_of_n([1, 4], [0.0, 1.0], start=0.0)
    with pytest.raises(DataError, match="3 distances, 2 gold scores"):
        fit_best_of_n([1, 2, 4], [0.0, 1.0], start=0.0)
    with pytest.raises(DataError, match=r"KL is never below 0, got -0\.5 in row 1"):
        fit_rl([1.0, -0.5], [0.0, 1.0], start=0.0)
    with pytest.raises(DataError, match="starting policy are not finite"):
        fit_rl([1.0, 2.0], [0.0, 1.0], start=math.nan)
