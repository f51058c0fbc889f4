"""PPE: votes of people on battles of models, and right against wrong answers.

Its code was not at hand: the definitions follow its report.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

from trueward.suites.rows import HubTable, RowField
from trueward.suites.suite import (
    Counts,
    Parts,
    PromptValue,
    ScoreLists,
    Suite,
    each,
    mean,
    plain_mean,
)
from trueward.types import Prompt

# Human preference: battles of Chatbot Arena, and the ranking of models they imply

WINNERS = {"model_a": 1.0, "model_b": 0.0}
DRAWS = 500
"""Resamplings of battles behind the models' intervals."""


def read_battle(row: RowField, table: str, number: int) -> Prompt:
    """Return the two models' responses in the row's order, and what the first won."""
    winner = row["winner"].text()
    if winner not in WINNERS and not winner.startswith("tie"):
        row["winner"].fail("'model_a', 'model_b' or 'tie'")
    return Prompt(
        id=row["question_id"].identity(),
        prompt=row["prompt"].conversation(),
        responses=(row["response_1"].reply(), row["response_2"].reply()),
        subset="human",
        labels={
            "won": WINNERS.get(winner, 0.5),
            "models": (row["model_a"].text(), row["model_b"].text()),
        },
    )


def vote_accuracy(prompt: Prompt, scores: Sequence[float]) -> Iterator[PromptValue]:
    """Yield 1 where the winner scores higher; a battle that people tied has no value."""
    first, second = scores
    if prompt.labels["won"] != 0.5:
        right = first > second if prompt.labels["won"] == 1 else second > first
        yield PromptValue("accuracy", float(right), first == second)


def ranking_metrics(prompts: Sequence[Prompt], scores: ScoreLists) -> dict[str, float]:
    """Return how rewards and votes agree on the models; NaN where it is undefined.

    `won` is the share of a battle's vote that its first model won: 1, 0, or 1/2 for a tie; `gap`
    is the first response's reward minus the second's, in logits. A model's score is the mean of
    what it won over its battles, by votes or by rewards (1, 0, 1/2 for equal rewards); its
    interval holds 95 % of the scores of resampled battles.

    - `brier`: mean of (σ(gap) − won)², ties of votes at 1/2; lower is better;
    - `pearson`: correlation of the two win-rate matrices row by row, mean over models;
    - `kendall`, `spearman`: correlation of the two lists of scores;
    - `separability`: share of model pairs whose reward intervals do not overlap;
    - `confidence_agreement`: over the pairs that votes separate, mean of 1 (rewards separate them
      alike), −1 (the other way round) and 0 (not at all).

    Source: Frick et al. (2024), arXiv:2410.14872; the report, not its code.
    """
    names = sorted({name for prompt in prompts for name in prompt.labels["models"]})
    place = {name: number for number, name in enumerate(names)}
    sides = np.array([[place[name] for name in prompt.labels["models"]] for prompt in prompts])
    votes = np.array([prompt.labels["won"] for prompt in prompts])
    gaps = np.array([first - second for first, second in scores])
    rewards = (np.sign(gaps) + 1) / 2
    by_votes, by_rewards = (_intervals(sides, won, len(names)) for won in (votes, rewards))
    separated = _order(by_rewards)
    decided = {pair: order for pair, order in _order(by_votes).items() if order}
    totals = [_scores(sides, won, len(names), np.arange(len(votes))) for won in (votes, rewards)]
    return {
        "brier": float(np.mean((0.5 * (1 + np.tanh(gaps / 2)) - votes) ** 2)),
        "pearson": _row_wise(*(_win_rates(sides, won, len(names)) for won in (votes, rewards))),
        "kendall": _correlation(kendalltau, *totals),
        "spearman": _correlation(spearmanr, *totals),
        "separability": _mean([abs(order) for order in separated.values()]),
        "confidence_agreement": _mean([order * separated[p] for p, order in decided.items()]),
        "models": float(len(names)),
        "tied_votes": float((votes == 0.5).sum()),
    }


def _scores(
    sides: Int[ndarray, "battles 2"],
    won: Float[ndarray, " battles"],
    models: int,
    chosen: Int[ndarray, " chosen"],
) -> Float[ndarray, " models"]:
    """Return the mean of what each model won in the chosen battles; NaN for a model without one."""
    first, second = sides[chosen].T
    sums = np.bincount(first, won[chosen], models) + np.bincount(second, 1 - won[chosen], models)
    counts = np.bincount(first, minlength=models) + np.bincount(second, minlength=models)
    return np.asarray(np.divide(sums, counts, out=np.full(models, math.nan), where=counts > 0))


def _intervals(
    sides: Int[ndarray, "battles 2"], won: Float[ndarray, " battles"], models: int
) -> Float[ndarray, "2 models"]:
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(won), size=len(won)) for _ in range(DRAWS))
    scores = [_scores(sides, won, models, d) for d in drawn]
    return np.asarray(np.nanquantile(scores, [0.025, 0.975], axis=0))


def _order(intervals: Float[ndarray, "2 models"]) -> dict[tuple[int, int], int]:
    """Return for every pair of models 1 (the first lies above), −1 (below) or 0 (they overlap)."""
    low, high = intervals
    return {
        (i, j): int(low[i] > high[j]) - int(high[i] < low[j])
        for i, j in combinations(range(len(low)), 2)
    }


def _win_rates(
    sides: Int[ndarray, "battles 2"], won: Float[ndarray, " battles"], models: int
) -> Float[ndarray, "models models"]:
    """Return a matrix of row i, column j: what i won against j; NaN where they never met."""
    sums, counts = np.zeros((models, models)), np.zeros((models, models))
    for one, other, value in ((*sides.T, won), (*sides.T[::-1], 1 - won)):
        np.add.at(sums, (one, other), value)
        np.add.at(counts, (one, other), 1)
    return np.divide(sums, counts, out=np.full_like(sums, math.nan), where=counts > 0)


def _row_wise(a: Float[ndarray, "models models"], b: Float[ndarray, "models models"]) -> float:
    rows = []
    for x, y in zip(a, b, strict=True):
        met = ~np.isnan(x)
        rows.append(_correlation(pearsonr, x[met], y[met]))
    return _mean([value for value in rows if not math.isnan(value)])


def _correlation(measure, x: Float[ndarray, " n"], y: Float[ndarray, " n"]) -> float:  # type: ignore[no-untyped-def]
    if min(len(np.unique(x)), len(np.unique(y))) < 2:
        return math.nan
    return float(measure(x, y).statistic)


def _mean(values: Sequence[int | float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


PPE = Suite(
    name="ppe",
    measures="accuracy on human votes, and whether models rank as people rank them (from the "
    "report, not from its code)",
    primary="accuracy",
    tie_rule="a tie of rewards is wrong; battles that people tied count in the ranking only",
    local_format="rows `question_id, prompt, response_1, response_2, model_a, model_b, winner`",
    citation="Frick et al. (2024), How to Evaluate Reward Models for RLHF, arXiv:2410.14872",
    origin="lmarena-ai/PPE-Human-Preference-V1",
    licence="prompts CC-BY-4.0, responses under their models' terms",
    read_prompt=read_battle,
    values=each(vote_accuracy),
    parts=lambda counts: {"accuracy": mean("accuracy", counts)},
    keys=("question_id",),
    tables=(HubTable("lmarena-ai/PPE-Human-Preference-V1", "test", "human"),),
    extras=ranking_metrics,
)


# Correctness: can the rewards tell right answers from wrong ones to the same question?

SETS = ("MMLU-Pro", "MATH", "GPQA", "MBPP-Plus", "IFEval")
METRICS = ("accuracy", "auc", "best_of_k")


def read_answers(row: RowField, table: str, number: int) -> Prompt:
    """Return K responses, which of them are right, and the pairs drawn from right and wrong."""
    subset = next((name for name in SETS if name in table), None)
    if subset is None:
        row.fail("rows of a table whose name has " + ", ".join(SETS))
    right = [one.flag() for one in row["scores"].items()]
    if len(right) < 2:
        row["scores"].fail("at least two responses")
    pairs = [tuple(pair.numbers()) for pair in row["sampled_conflict_pairs"].items()]
    ordered = [_ordered(pair, right) for pair in pairs]
    if None in ordered:
        row["sampled_conflict_pairs"].fail("pairs of a right and a wrong response's place")
    own = [row["question_id"].identity()]
    if row.has("model_name"):
        own.append(row["model_name"].identity())
    return Prompt(
        id="/".join([subset, *own]),
        prompt=row["prompt"].conversation(),
        responses=tuple(row[f"response_{k + 1}"].reply() for k in range(len(right))),
        subset=subset,
        labels={"right": right, "pairs": ordered},
    )


def _ordered(pair: tuple[float, ...], right: list[bool]) -> tuple[int, int] | None:
    """Return the places of the right and the wrong response; None if there are no such two."""
    places = [int(place) for place in pair if place in range(len(right))]
    if len(pair) != 2 or len(places) != 2 or right[places[0]] == right[places[1]]:
        return None
    one, other = places
    return (one, other) if right[one] else (other, one)


def graded(prompt: Prompt, scores: Sequence[float]) -> Iterator[PromptValue]:
    """Yield accuracy on the drawn pairs (a tie is wrong), ROC AUC, and whether the top is right."""
    right, pairs = prompt.labels["right"], prompt.labels["pairs"]
    won = [scores[good] > scores[bad] for good, bad in pairs]
    tied = any(scores[good] == scores[bad] for good, bad in pairs)
    share = sum(won) / len(won) if won else math.nan
    yield PromptValue(f"{prompt.subset}/accuracy", share, tied)
    equal = len(set(scores)) < len(scores)
    yield PromptValue(f"{prompt.subset}/auc", roc_auc(scores, right), equal)
    top = [good for good, score in zip(right, scores, strict=True) if score == max(scores)]
    yield PromptValue(f"{prompt.subset}/best_of_k", sum(top) / len(top), len(top) > 1)


def roc_auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Return P(right > wrong) + ½ P(equal) over right and wrong pairs; NaN without both."""
    mask = np.asarray(right, dtype=bool)
    positive, negative = int(mask.sum()), int((~mask).sum())
    if not positive or not negative:
        return math.nan
    ranks = rankdata(scores)[mask].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def means_over_sets(counts: Counts) -> Parts:
    """Return each metric's mean over the sets, and each set."""
    cells = {
        f"{name}/{metric}": mean(f"{name}/{metric}", counts) for name in SETS for metric in METRICS
    }
    overall = {metric: plain_mean(cells[f"{name}/{metric}"] for name in SETS) for metric in METRICS}
    return {**overall, **cells}


PPE_CORRECTNESS = Suite(
    name="ppe-correctness",
    measures="right against wrong answers to benchmark questions: accuracy, ROC AUC, best of K "
    "(from the report, not from its code)",
    primary="accuracy",
    tie_rule="a tie is wrong in accuracy, half right in AUC; best of K takes the mean over the top",
    local_format="rows `question_id, prompt, response_1 … response_K, scores[K]`, "
    "`sampled_conflict_pairs` and perhaps `model_name`, a file a set: `PPE-MATH-Best-of-K.jsonl`",
    citation="Frick et al. (2024), How to Evaluate Reward Models for RLHF, arXiv:2410.14872",
    origin="lmarena-ai/PPE-MMLU-Pro-Best-of-K and its siblings",
    licence="not stated; mind that of each source benchmark",
    read_prompt=read_answers,
    values=each(graded),
    parts=means_over_sets,
    keys=("question_id",),
    tables=tuple(
        HubTable(f"lmarena-ai/PPE-{name}-Best-of-K", "train", f"PPE-{name}-Best-of-K")
        for name in SETS
    ),
)
