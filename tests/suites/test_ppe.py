"""PPE against hand-worked values and SciPy."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from trueward.suites import suite


def battle(number, first, second, winner):
    return {
        "question_id": str(number),
        "prompt": f"p {number}",
        "response_1": "a",
        "response_2": "b",
        "model_a": first,
        "model_b": second,
        "winner": winner,
    }


def test_accuracy_leaves_out_battles_that_people_tied():
    rows = [
        battle(0, "x", "y", "model_a"),
        battle(1, "x", "y", "model_b"),
        battle(2, "x", "y", "tie (bothbad)"),
        battle(3, "x", "y", "model_b"),
    ]
    one = suite("ppe")
    scores = [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]
    result = one.judge(one.from_rows(rows, "human"), scores, draws=20)
    assert result.value.value == pytest.approx(2 / 3)
    assert (result.part("accuracy").n, result.part("accuracy").ties) == (3, 1)
    sigmoid = [1 / (1 + math.exp(-g)) for g in (1, 0, 1, -2)]
    won = [1, 0, 0.5, 0]
    brier = np.mean([(s - w) ** 2 for s, w in zip(sigmoid, won, strict=True)])
    assert result.extras["brier"] == pytest.approx(brier)
    assert result.extras["tied_votes"] == 1


def arena(models, each, prefers):
    """Every ordered pair of models meets `each` times; `prefers` says who wins a vote."""
    pairs = [(a, b) for a, b in product(models, models) if a != b] * each
    return [
        battle(n, a, b, "model_a" if prefers(a, b, n) else "model_b")
        for n, (a, b) in enumerate(pairs)
    ]


def test_rewards_that_repeat_the_votes_agree_in_everything():
    rows = arena("wxyz", 40, lambda a, b, n: (a < b) != (n % 5 == 0))
    one = suite("ppe")
    scores = [[1.0, 0.0] if row["winner"] == "model_a" else [0.0, 1.0] for row in rows]
    result = one.judge(one.from_rows(rows, "human"), scores, draws=20)
    assert result.value.value == 1.0
    for name in ("pearson", "kendall", "spearman", "confidence_agreement", "separability"):
        assert result.extras[name] == pytest.approx(1.0), name
    worst = one.judge(one.from_rows(rows, "human"), [s[::-1] for s in scores], draws=20).extras
    for name in ("pearson", "kendall", "spearman", "confidence_agreement"):
        assert worst[name] == pytest.approx(-1.0), name


def test_ranking_against_scipy():
    rng = np.random.default_rng(0)
    rows = arena("uvwxyz", 6, lambda a, b, n: rng.random() < 0.6)
    gaps = rng.normal(size=len(rows))
    one = suite("ppe")
    result = one.judge(one.from_rows(rows, "human"), [[g, 0.0] for g in gaps], draws=20)
    models = sorted("uvwxyz")
    matrices = []
    for won in ([float(r["winner"] == "model_a") for r in rows], list((gaps > 0).astype(float))):
        cells = {pair: [] for pair in product(models, models)}
        for row, w in zip(rows, won, strict=True):
            cells[row["model_a"], row["model_b"]].append(w)
            cells[row["model_b"], row["model_a"]].append(1 - w)
        matrices.append(cells)
    pearson = [
        stats.pearsonr(*([np.mean(m[a, b]) for b in models if b != a] for m in matrices)).statistic
        for a in models
    ]
    totals = [[np.mean([won for b in models for won in m[a, b]]) for a in models] for m in matrices]
    assert result.extras["pearson"] == pytest.approx(np.mean(pearson))
    assert result.extras["kendall"] == pytest.approx(stats.kendalltau(*totals).statistic)
    assert result.extras["spearman"] == pytest.approx(stats.spearmanr(*totals).statistic)


def correctness_row(right, pairs):
    row = {"question_id": 1, "prompt": "p", "scores": right, "sampled_conflict_pairs": pairs}
    return row | {f"response_{k + 1}": f"r{k}" for k in range(len(right))}


def test_correctness_by_hand():
    """Right are the first and the third; scores 3, 1, 2, 2."""
    one = suite("ppe-correctness")
    rows = [correctness_row([True, False, True, False], [[0, 1], [3, 2], [1, 2]])]
    result = one.judge(one.from_rows(rows, "PPE-MATH-Best-of-K"), [[3, 1, 2, 2]], draws=20)
    assert result.value.value == pytest.approx(2 / 3)  # 3 > 1, 2 = 2, 2 > 1
    auc = (1 + 1 + 1 + 0.5) / 4
    assert result.part("auc").estimate.value == pytest.approx(auc)
    assert result.part("best_of_k").estimate.value == 1.0
    assert result.part("accuracy").ties == 1


def test_auc_is_undefined_without_both_kinds():
    one = suite("ppe-correctness")
    rows = [correctness_row([True, True], [])]
    result = one.judge(one.from_rows(rows, "PPE-GPQA-Best-of-K"), [[1, 0]], draws=20)
    assert {"auc", "accuracy"} <= set(result.missing)
    assert result.part("best_of_k").estimate.value == 1.0


def test_auc_against_mann_whitney():
    rng = np.random.default_rng(4)
    right = rng.random(12) < 0.5
    scores = rng.integers(0, 5, 12).astype(float)
    one = suite("ppe-correctness")
    items = one.from_rows([correctness_row(right.tolist(), [])], "PPE-MATH-Best-of-K")
    result = one.judge(items, [scores.tolist()], draws=20)
    u = stats.mannwhitneyu(scores[right], scores[~right]).statistic
    expected = u / (right.sum() * (~right).sum())
    assert result.part("auc").estimate.value == pytest.approx(expected)
