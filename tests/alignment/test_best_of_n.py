"""Curves, fits and peaks against brute force over all subsets and against hand-worked numbers."""

import math
from itertools import combinations

import numpy as np
import pytest

from trueward.alignment import ScoredPrompts, best_of_n_curves, best_of_n_document
from trueward.errors import DataError, InputError
from trueward.files import plain
from trueward.stats import bootstrap_mean


def scored(rows=6, samples=7, seed=0, models=("a", "b"), gold=True):
    rng = np.random.default_rng(seed)
    truth = tuple(rng.normal(size=samples) for _ in range(rows))
    proxies = {m: tuple(g + rng.normal(size=samples) for g in truth) for m in models}
    names = tuple(f"p{row}" for row in range(rows))
    return ScoredPrompts(names, proxies, truth if gold else None)


def brute_force(proxy, gold, n):
    """The mean over all subsets of n of the gold of the one that the proxy puts first."""
    chosen = [max(subset, key=lambda i: proxy[i]) for subset in combinations(range(len(gold)), n)]
    return float(np.mean([gold[i] for i in chosen]))


def test_every_point_is_the_mean_over_all_subsets():
    data = scored()
    result = best_of_n_curves(data, [2, 3, 7], draws=50)
    assert result.ns == (1, 2, 3, 7)
    assert result.kl == pytest.approx([0, math.log(2) - 1 / 2, math.log(3) - 2 / 3, 1.0887672920])
    for curve in result.curves:
        rewards = data.proxies[curve.label]
        for i, n in enumerate(result.ns):
            gold = [brute_force(r, g, n) for r, g in zip(rewards, data.gold, strict=True)]
            own = [brute_force(r, r, n) for r in rewards]
            assert curve.gold[i].value == pytest.approx(np.mean(gold))
            assert curve.proxy[i].value == pytest.approx(np.mean(own))
            expected = bootstrap_mean(gold, data.prompts, draws=50)
            assert (curve.gold[i].low, curve.gold[i].high) == pytest.approx(
                (expected.low, expected.high)
            )


def test_rows_of_one_prompt_are_resampled_together():
    once = scored(rows=4)
    again = ScoredPrompts(
        once.prompts * 3, {m: r * 3 for m, r in once.proxies.items()}, once.gold * 3
    )
    first, second = (best_of_n_curves(data, [2, 4], draws=200) for data in (once, again))
    assert (second.prompts, second.rows) == (4, 12)
    for a, b in zip(first.curves, second.curves, strict=True):
        for bound in ("low", "high"):
            expected = [getattr(one, bound) for one in a.gold]
            assert [getattr(one, bound) for one in b.gold] == pytest.approx(expected)


def test_differences_are_paired_and_corrected():
    data = scored(rows=30)
    same = ScoredPrompts(
        data.prompts, {"a": data.proxies["a"], "copy": data.proxies["a"]}, data.gold
    )
    gaps = best_of_n_curves(same, [1, 2, 4], draws=100).differences
    assert [gap.n for gap in gaps] == [2, 4]
    assert all((g.estimate.value, g.estimate.low, g.estimate.high) == (0, 0, 0) for g in gaps)
    assert all(gap.p_holm == 1 for gap in gaps)
    oracle = ScoredPrompts(data.prompts, {"noise": data.proxies["a"], "gold": data.gold}, data.gold)
    gaps = best_of_n_curves(oracle, [2, 4], draws=400).differences
    assert all(gap.estimate.low > 0 and gap.p_holm < 0.05 for gap in gaps)
    assert all(gap.baseline == "noise" for gap in gaps)


def peaked(peak, rows, noise=0.0):
    """Rows of 8 samples whose proxy order makes gold rise and fall again as n grows."""
    rng = np.random.default_rng(1)
    proxy = tuple(np.arange(8.0) for _ in range(rows))
    shape = np.array([0.0, 1, 2, 3, 4, 3, 1, peak])
    return ScoredPrompts(
        tuple(f"p{i}" for i in range(rows)),
        {"m": proxy},
        tuple(shape + noise * rng.normal(size=8) for _ in range(rows)),
    )


def test_the_peak_is_that_of_the_least_squares_fit_on_every_draw():
    data = peaked(-2.0, rows=12, noise=1.0)
    sizes = [1, 2, 3, 4, 6, 8]
    result = best_of_n_curves(data, sizes, draws=60, seed=5)
    rows = np.array([[brute_force(np.arange(8), g, n) for n in sizes] for g in data.gold])
    kl = np.log(sizes) - 1 + 1 / np.array(sizes)

    def peak(means):
        d = np.sqrt(kl[1:])
        alpha, beta = np.linalg.lstsq(np.c_[d, -(d**2)], means[1:] - means[0], rcond=None)[0]
        return (alpha / (2 * beta)) ** 2  # the KL there

    (curve,) = result.curves
    n = curve.peak.n
    assert math.log(n) - (n - 1) / n == pytest.approx(peak(rows.mean(axis=0)))
    drawn = np.random.default_rng(5).integers(12, size=(60, 12))
    kls = np.sort([peak(rows[chosen].mean(axis=0)) for chosen in drawn])
    low, high = kls[math.ceil(60 * 0.025) - 1], kls[math.ceil(60 * 0.975) - 1]
    for found, expected in ((curve.peak.low, low), (curve.peak.high, high)):
        assert math.log(found) - (found - 1) / found == pytest.approx(expected)
    assert curve.best.n == sizes[int(rows.mean(axis=0).argmax())]
    assert curve.best.low <= curve.best.n <= curve.best.high


def test_gold_that_rises_for_good_has_no_peak():
    data = scored(rows=20)
    rising = tuple(np.exp(3 * np.sort(np.random.default_rng(3).random(7))) for _ in range(20))
    data = ScoredPrompts(data.prompts, {"m": rising}, rising)
    result = best_of_n_curves(data, [1, 2, 4, 7], draws=40)
    (curve,) = result.curves
    assert curve.fit.beta < 0
    assert math.isinf(curve.peak.n)
    assert math.isinf(curve.peak.high)
    assert curve.best.n == 7
    found = plain(best_of_n_document(result, data, {}))
    assert found["curves"][0]["peak"]["n"] is None
    assert "fit peaks beyond" in " ".join(found["notices"])


def ordered(*golds):
    """Rows whose proxy puts gold in the order given, lowest first."""
    proxy = tuple(np.arange(float(len(gold))) for gold in golds)
    names = tuple(f"p{i}" for i in range(len(golds)))
    return ScoredPrompts(names, {"m": proxy}, tuple(np.array(g, dtype=float) for g in golds))


def test_gold_that_falls_is_best_at_one():
    result = best_of_n_curves(ordered([3, 2, 1, 0], [3, 2, 1, 1]), draws=50)
    (curve,) = result.curves
    # means of 6/4 and 7/4; pairs (2·3 + 1·2)/6... by hand: 4/6 and 7/6; the top one: 0 and 1
    assert [one.value for one in curve.gold] == pytest.approx([13 / 8, 11 / 12, 1 / 2])
    for peak in (curve.peak, curve.best):
        assert (peak.n, peak.low, peak.high, peak.beyond) == (1, 1, 1, 0)
    assert "beyond" not in " ".join(best_of_n_document(result, ordered([3, 2]), {})["notices"])


@pytest.mark.parametrize("levels", [(1.0, 1.0, 1.0), (0.1, 0.7, 3e5)])
def test_constant_gold_has_no_made_up_peak(levels):
    golds = [[level] * samples for level, samples in zip(levels, (7, 12, 30), strict=True)]
    (curve,) = best_of_n_curves(ordered(*golds), [1, 2, 3, 7], draws=50).curves
    assert (curve.fit.alpha, curve.fit.beta) == (0, 0)
    for peak in (curve.peak, curve.best):
        assert (peak.n, peak.low, peak.high) == (1, 1, 1)


def test_one_prompt_has_no_intervals():
    data = scored(rows=1)
    data = ScoredPrompts(("p",) * 3, {m: r * 3 for m, r in data.proxies.items()}, data.gold * 3)
    result = best_of_n_curves(data, [1, 2, 4], draws=50)
    (curve, _) = result.curves
    bounds = [(e.low, e.high) for e in (*curve.proxy, *curve.gold, curve.peak, curve.best)]
    assert np.isnan(bounds).all()
    assert all(math.isnan(gap.p_holm) for gap in result.differences)
    assert math.isfinite(curve.gold[2].value)
    found = plain(best_of_n_document(result, data, {}))
    assert found["notices"][0].startswith("one prompt, so there are no intervals")


def test_without_gold_only_the_reward_is_shown():
    result = best_of_n_curves(scored(gold=False), draws=10)
    assert result.ns == (1, 2, 4)
    assert all((c.gold, c.fit, c.peak, c.best) == (None,) * 4 for c in result.curves)
    assert result.differences == ()


def test_too_few_sizes_have_no_fit():
    (curve, _) = best_of_n_curves(scored(), [1, 2], draws=10).curves
    assert (curve.fit, curve.peak) == (None, None)
    assert curve.best.n in (1, 2)


@pytest.mark.parametrize("ns", [[0, 1], [8], [], [-1]])
def test_sizes_beyond_the_samples_are_refused(ns):
    with pytest.raises(InputError, match=r"sizes from 1 to 7.*\(row 0\)"):
        best_of_n_curves(scored(), ns)


def test_models_must_have_the_same_samples():
    data = scored()
    fewer = ScoredPrompts(
        data.prompts, {"a": data.proxies["a"], "b": data.proxies["b"][::-1][:5]}, data.gold
    )
    with pytest.raises(DataError, match="b has rewards of other responses"):
        best_of_n_curves(fewer, [1])
