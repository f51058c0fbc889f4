"""PPE, human preference: battles of Chatbot Arena, and the ranking of models they imply.

Its code was not at hand: the definitions follow its report.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import kendalltau, pearsonr, spearmanr

from trueward.suites.rows import HubTable, RowField
from trueward.suites.suite import PromptValue, ScoreLists, Suite, each, mean
from trueward.types import Prompt

WINNERS = {"model_a": 1.0, "model_b": 0.0}
DRAWS = 500
"""Resamplings of battles behind the models' intervals."""


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
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


def accuracy(prompt: Prompt, scores: Sequence[float]) -> Iterator[PromptValue]:
    """Yield 1 where the winner scores higher; a battle that people tied has no value."""
    first, second = scores
    if prompt.labels["won"] != 0.5:
        right = first > second if prompt.labels["won"] == 1 else second > first
        yield PromptValue("accuracy", float(right), first == second)


def extras(prompts: Sequence[Prompt], scores: ScoreLists) -> dict[str, float]:
    """Return the Brier score and how the models rank; see `ranking_metrics`."""
    return ranking_metrics(
        [
            Battle(prompt.labels["models"], prompt.labels["won"], first - second)
            for prompt, (first, second) in zip(prompts, scores, strict=True)
        ]
    )


SUITE = Suite(
    name="ppe",
    measures="accuracy on human votes, and whether models rank as people rank them (from the "
    "report, not from its code)",
    primary="accuracy",
    tie_rule="a tie of rewards is wrong; battles that people tied count in the ranking only",
    local_format="rows `question_id, prompt, response_1, response_2, model_a, model_b, winner`",
    citation="Frick et al. (2024), How to Evaluate Reward Models for RLHF, arXiv:2410.14872",
    origin="lmarena-ai/PPE-Human-Preference-V1",
    licence="prompts CC-BY-4.0, responses under their models' terms",
    read_prompt=read_prompt,
    values=each(accuracy),
    parts=lambda counts: {"accuracy": mean("accuracy", counts)},
    keys=("question_id",),
    tables=(HubTable("lmarena-ai/PPE-Human-Preference-V1", "test", "human"),),
    extras=extras,
)


class Battle(NamedTuple):
    """Two models' responses to one prompt."""

    models: tuple[str, str]
    won: float
    """Share of the vote that the first won: 1, 0, or 1/2 for a tie."""
    gap: float
    """Reward of the first minus that of the second, in logits."""


def ranking_metrics(battles: Sequence[Battle]) -> dict[str, float]:
    """Return how rewards and votes agree on the models; NaN where it is undefined.

    A model's score is the mean of what it won over its battles, by votes or by rewards (1, 0,
    1/2 for equal rewards); its interval holds 95 % of the scores of resampled battles.

    - `brier`: mean of (σ(gap) − won)², ties of votes at 1/2; lower is better;
    - `pearson`: correlation of the two win-rate matrices row by row, mean over models;
    - `kendall`, `spearman`: correlation of the two lists of scores;
    - `separability`: share of model pairs whose reward intervals do not overlap;
    - `confidence_agreement`: over the pairs that votes separate, mean of 1 (rewards separate them
      alike), −1 (the other way round) and 0 (not at all).

    Source: Frick et al. (2024), arXiv:2410.14872; the report, not its code.
    """
    names = sorted({name for battle in battles for name in battle.models})
    place = {name: number for number, name in enumerate(names)}
    sides = np.array([[place[name] for name in battle.models] for battle in battles])
    votes = np.array([b.won for b in battles])
    gaps = np.array([b.gap for b in battles])
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
