"""PPE, correctness: can the rewards tell right answers from wrong ones to the same question?

Its code was not at hand: the definitions follow its report.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import rankdata

from trueward.suites.rows import HubTable, RowField
from trueward.suites.suite import Counts, Parts, PromptValue, Suite, each, mean, plain_mean
from trueward.types import Prompt

SETS = ("MMLU-Pro", "MATH", "GPQA", "MBPP-Plus", "IFEval")
METRICS = ("accuracy", "auc", "best_of_k")


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
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


def parts(counts: Counts) -> Parts:
    """Return each metric's mean over the sets, and each set."""
    cells = {
        f"{name}/{metric}": mean(f"{name}/{metric}", counts) for name in SETS for metric in METRICS
    }
    overall = {metric: plain_mean(cells[f"{name}/{metric}"] for name in SETS) for metric in METRICS}
    return {**overall, **cells}


SUITE = Suite(
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
    read_prompt=read_prompt,
    values=each(graded),
    parts=parts,
    keys=("question_id",),
    tables=tuple(
        HubTable(f"lmarena-ai/PPE-{name}-Best-of-K", "train", f"PPE-{name}-Best-of-K")
        for name in SETS
    ),
)
