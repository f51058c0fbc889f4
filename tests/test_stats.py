"""Bootstrap, p-values, Holm's correction and the comparison of objectives, against plain loops."""

import math

import numpy as np
import pytest

from trueward.errors import DataError, InputError
from trueward.results import RunResult, Scores
from trueward.stats import bootstrap_mean, bootstrap_p_value, compare, difference, holm


def test_interval_matches_the_normal_approximation():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    result = bootstrap_mean(values.tolist(), [str(i) for i in range(400)], draws=4000)
    half = 1.959964 * values.std() / math.sqrt(400)
    assert result.value == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=0.04 * half * 2)
    assert result.high == pytest.approx(values.mean() + half, abs=0.04 * half * 2)


def test_values_of_one_unit_move_together():
    values = np.random.default_rng(1).normal(size=100)
    once = bootstrap_mean(values.tolist(), [str(i) for i in range(100)])
    repeated = bootstrap_mean(
        np.repeat(values, 9).tolist(), [str(i) for i in range(100) for _ in range(9)]
    )
    assert repeated.low == pytest.approx(once.low)
    assert repeated.high == pytest.approx(once.high)


def test_against_a_plain_loop_with_unequal_units():
    rng = np.random.default_rng(2)
    groups = [rng.normal(k % 3, 1.0, 1 + k % 4) for k in range(30)]
    values = np.concatenate(groups)
    units = [str(k) for k, group in enumerate(groups) for _ in group]
    loop = [
        np.concatenate([groups[k] for k in rng.integers(30, size=30)]).mean() for _ in range(4000)
    ]
    result = bootstrap_mean(values.tolist(), units, draws=4000)
    width = np.ptp(np.quantile(loop, [0.025, 0.975]))
    assert result.low == pytest.approx(np.quantile(loop, 0.025), abs=0.06 * width)
    assert result.high == pytest.approx(np.quantile(loop, 0.975), abs=0.06 * width)


def test_nan_is_skipped():
    result = bootstrap_mean([1.0, math.nan, 3.0, math.nan], ["a", "a", "b", "c"])
    assert result.value == 2.0
    assert (result.low, result.high) == (1.0, 3.0)


def test_all_nan_gives_nan():
    result = bootstrap_mean([math.nan, math.nan], ["a", "b"])
    assert math.isnan(result.value)
    assert math.isnan(result.low)


@pytest.mark.parametrize(("values", "units"), [([], []), ([1.0], ["a", "b"])])
def test_bad_input(values, units):
    with pytest.raises(DataError, match="one unit for each"):
        bootstrap_mean(values, units)


def test_p_value_by_hand():
    assert bootstrap_p_value(np.array([1.0] * 98 + [-1.0])) == pytest.approx(2 * 2 / 100)
    assert bootstrap_p_value(np.array([1.0, -1.0, math.nan])) == 1.0
    assert math.isnan(bootstrap_p_value(np.array([math.nan])))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    adjusted = holm([0.02, math.nan, 0.04])
    assert adjusted[::2] == pytest.approx([0.04, 0.04])
    assert math.isnan(adjusted[1])


def test_what_is_rounding_alone_is_no_difference():
    a = np.array([0.1 + 0.2, 1.0, 0.0, np.nan])
    b = np.array([0.3, 1.0 - 1e-9, 0.0, 1.0])
    gap = difference(a, b)
    assert gap[[0, 2]].tolist() == [0, 0]
    assert np.isnan(gap[3])
    assert gap[1] == pytest.approx(1e-9)


PROMPTS = [f"p{i}" for i in range(60)]


def run(objective, seed, values, units=PROMPTS, metric="tau_in_domain"):
    scores = {metric: Scores([float(v) for v in values], list(units))}
    return RunResult(objective, objective.upper(), seed, 1.0, 10, scores)


def study(rng, shifts, seeds=3, seed_noise=0.05, prompt_noise=0.3):
    """Runs with a shared prompt effect, a seed effect of each objective, and a known shift."""
    prompt = rng.normal(0.4, 0.4, len(PROMPTS))
    return [
        run(
            name, seed, prompt + shift + rng.normal(0, seed_noise) + rng.normal(0, prompt_noise, 60)
        )
        for name, shift in shifts.items()
        for seed in range(seeds)
    ]


def values_of(runs, objective):
    return np.array([r.scores["tau_in_domain"].values for r in runs if r.objective == objective])


def test_against_a_plain_loop_over_prompts_and_seeds():
    runs = study(np.random.default_rng(0), {"bt": 0.0, "bsr": 0.1})
    bt, bsr = values_of(runs, "bt"), values_of(runs, "bsr")
    rng, loop = np.random.default_rng(9), []
    for _ in range(4000):
        s, p = rng.integers(3, size=3), rng.integers(60, size=60)
        loop.append(np.mean([bsr[i][p].mean() - bt[i][p].mean() for i in s]))
    entry = compare(runs, draws=4000).entry("tau_in_domain", "bsr")
    low, high = np.quantile(loop, [0.025, 0.975])
    tolerance = 0.06 * (high - low)
    assert entry.mean.value == pytest.approx(bsr.mean())
    assert entry.difference.estimate.value == pytest.approx((bsr - bt).mean())
    assert entry.difference.estimate.low == pytest.approx(low, abs=tolerance)
    assert entry.difference.estimate.high == pytest.approx(high, abs=tolerance)
    assert entry.difference.seeds_ahead == int((bsr.mean(1) > bt.mean(1)).sum())


def test_both_sides_of_a_difference_share_their_draws():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 60))
    runs = [run("bt", s, values[s]) for s in (0, 1)]
    runs += [run("up", s, values[s] + 0.01) for s in (0, 1)]
    gap = compare(runs).entry("tau_in_domain", "up").difference
    assert gap.estimate.low == pytest.approx(0.01)
    assert gap.estimate.high == pytest.approx(0.01)
    assert gap.significant
    assert gap.significant_holm
    assert gap.seeds_ahead == 2


def test_only_real_differences_are_marked():
    rng = np.random.default_rng(2)
    shifts = {"bt": 0.0, "same": 0.0, "better": 0.4, "worse": -0.4}
    comparison = compare(study(rng, shifts))
    marks = {
        name: comparison.entry("tau_in_domain", name).difference for name in shifts if name != "bt"
    }
    assert comparison.entry("tau_in_domain", "bt").difference is None
    assert marks["better"].significant_holm
    assert marks["better"].estimate.low > 0
    assert marks["worse"].significant_holm
    assert marks["worse"].estimate.high < 0
    assert not marks["same"].significant


def test_false_alarms_are_near_the_nominal_rate_for_prompts_of_one_seed():
    rng, alarms = np.random.default_rng(3), 0
    for trial in range(300):
        runs = study(rng, {"bt": 0.0, "bsr": 0.0}, seeds=1, seed_noise=0.0)
        gap = compare(runs, draws=400, seed=trial).entry("tau_in_domain", "bsr").difference
        alarms += gap.significant
    assert 0.02 <= alarms / 300 <= 0.09


def test_holm_covers_the_objectives_of_a_metric():
    runs = study(np.random.default_rng(4), {"bt": 0.0, "a": 0.06, "b": 0.08, "c": 0.0})
    differences = [compare(runs).entry("tau_in_domain", n).difference for n in "abc"]
    smallest = min(differences, key=lambda d: d.p_value)
    assert smallest.p_holm == pytest.approx(min(1.0, 3 * smallest.p_value))
    assert all(d.p_holm >= d.p_value for d in differences)


def test_one_seed_resamples_prompts_only_and_says_so():
    runs = study(np.random.default_rng(5), {"bt": 0.0, "bsr": 0.0}, seeds=1)
    comparison = compare(runs)
    values = values_of(runs, "bt")[0]
    half = 1.959964 * values.std() / math.sqrt(60)
    mean = comparison.entry("tau_in_domain", "bt").mean
    assert comparison.resampled == "prompts"
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.08)
    assert compare(study(np.random.default_rng(5), {"bt": 0.0})).resampled == "prompts and seeds"


def test_seeds_weigh_alike_and_nan_is_skipped_and_counted():
    units = ["a", "b", "c", "d"]
    runs = [
        run("bt", 0, [1.0, math.nan, math.nan, math.nan], units),
        run("bt", 1, [0.0, 0.0, 0.0, 1.0], units),
    ]
    entry = compare(runs).entry("tau_in_domain", "bt")
    assert entry.mean.value == pytest.approx((1.0 + 0.25) / 2)
    assert (entry.values, entry.undefined) == (8, 3)


def test_an_objective_with_nothing_defined_is_not_significant():
    runs = [run("bt", 0, np.arange(60)), run("flat", 0, [math.nan] * 60)]
    entry = compare(runs).entry("tau_in_domain", "flat")
    assert math.isnan(entry.mean.value)
    assert not entry.difference.significant
    assert not entry.difference.significant_holm


def test_seeds_may_have_prompts_of_their_own():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(2, 30))
    runs = [run("bt", s, values[s], [f"{s}-{i}" for i in range(30)]) for s in (0, 1)]
    assert compare(runs).entry("tau_in_domain", "bt").mean.value == pytest.approx(values.mean())


def test_declared_metrics_come_first_in_their_order():
    scores = {
        name: Scores([1.0, 0.0], ["a", "b"])
        for name in ("own", "tau_in_domain", "accuracy_in_domain")
    }
    comparison = compare([RunResult("bt", "BT", 0, 1.0, 1, scores)])
    assert comparison.metrics == ("accuracy_in_domain", "tau_in_domain", "own")


def test_runs_that_do_not_fit_together_are_refused():
    bt, bsr = run("bt", 0, np.arange(60)), run("bsr", 0, np.arange(60))
    with pytest.raises(InputError, match="baseline 'bt' is not among"):
        compare([bsr])
    with pytest.raises(InputError, match="'bsr' has no run with seed 1"):
        compare([bt, bsr, run("bt", 1, np.arange(60))])
    with pytest.raises(InputError, match="two runs share"):
        compare([bt, bt])
    with pytest.raises(InputError, match="different prompts"):
        compare([bt, run("bsr", 0, np.arange(3), ["x", "y", "z"])])
    with pytest.raises(InputError, match="'bsr' seed 0 has no values of 'tau_in_domain'"):
        compare([bt, run("bsr", 0, np.arange(60), metric="other")])
