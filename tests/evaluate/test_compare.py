"""Holm over every model and suite at once, against the definition."""

from dataclasses import replace

import numpy as np
import pytest

from trueward.evaluate import compare_models
from trueward.suites import Compared, compare_suites, suite

PAIRS, LISTS = suite("pairs"), suite("best-of-n")


def judged(one, wins, scorer):
    right = [text if one is PAIRS else [text] for text in ("a", "b")]
    rows = [
        {"prompt": f"p {n}", "chosen": right[0], "rejected": right[1]} for n in range(len(wins))
    ]
    scores = [[1.0, 0.0] if won else [0.0, 1.0] for won in wins]
    return one.judge(one.from_rows(rows, "t"), scores, scorer=scorer, draws=50)


def results(rates, count=120):
    rng = np.random.default_rng(5)
    return {
        name: [judged(one, rng.random(count) < rate, name) for one in (PAIRS, LISTS)]
        for name, rate in rates.items()
    }


def holm(values):
    """p₍ₖ₎ becomes max over j ≤ k of (m − j + 1)·p₍ⱼ₎, at most 1."""
    order = np.argsort(values, kind="stable")
    scaled = np.asarray(values)[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return adjusted


def test_all_comparisons_are_one_family():
    given = results({"first": 0.5, "good": 0.9, "near": 0.62, "same": 0.5})
    found = compare_models(given).differences
    assert [(one.scorer, one.suite) for one in found] == [
        (name, one.name) for name in ("good", "near", "same") for one in (PAIRS, LISTS)
    ]
    assert all(one.baseline == "first" for one in found)
    assert np.allclose([one.p_holm for one in found], holm([one.p_value for one in found]))
    for one in found:
        survives = one.p_holm < 0.05 and (one.estimate.low > 0 or one.estimate.high < 0)
        assert one.significant_holm == survives
    assert [one.significant_holm for one in found[:2]] == [True, True]
    alone = compare_suites(given["near"], given["first"])
    assert found[2].estimate == alone[0].estimate
    assert found[2].p_holm >= alone[0].p_holm


def test_a_large_family_can_still_find_something():
    """With 2,000 draws the smallest p-value, 0.001, times 60 would never be below 0.05."""
    rates = {"first": 0.1, **{f"m{n}": 0.9 for n in range(30)}}
    found = compare_models(results(rates, count=40)).differences
    assert len(found) == 60
    assert all(one.significant_holm for one in found)


def test_one_model_has_nothing_to_be_compared_with():
    assert compare_models(results({"only": 0.5})) == Compared((), ())


def test_a_suite_without_its_primary_metric_is_left_out():
    llmbar = suite("llmbar")
    rows = [{"input": f"p {n}", "output_1": "a", "output_2": "b", "label": 1} for n in range(9)]
    items = llmbar.from_rows(rows, "Natural")
    given = {}
    for name in ("x", "y"):
        natural = llmbar.judge(items, [[1.0, 0.0]] * 9, scorer=name, draws=20)
        given[name] = [natural, judged(PAIRS, [True, False] * 10, name)]
    found = compare_models(given)
    assert [one.suite for one in found.differences] == ["pairs"]
    assert found.differences[0].estimate.value == pytest.approx(0)
    (reason,) = found.left_out
    assert reason.startswith("suite comparison: 'llmbar' by 'y' has no 'Adversarial': its data is")


def test_a_suite_that_cannot_be_paired_does_not_take_others_with_it():
    given = results({"first": 0.2, "other": 0.9, "third": 0.5}, count=60)
    pairs, lists = given["other"]
    given["first"][0] = replace(given["first"][0], data="sha256:a")
    given["other"] = [replace(pairs, data="sha256:b"), lists, replace(lists, suite="more")]
    found = compare_models(given)
    assert [(one.scorer, one.suite) for one in found.differences] == [
        ("other", "best-of-n"),
        ("third", "pairs"),
        ("third", "best-of-n"),
    ]
    assert found.left_out == (
        "suite comparison: 'more': 'first', with which others are compared, was not judged on it",
        "suite comparison: 'pairs' was judged on different data by 'other' (sha256:b) and 'first' "
        "(sha256:a); judge both on the same",
    )
