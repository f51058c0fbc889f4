"""PPE, correctness: can the rewards tell right answers from wrong ones to the same question?

Its code was not at hand: the definitions follow its report.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from trueward.files import JsonField
from trueward.suites.fields import conversation, flag, has, identity, reply
from trueward.suites.outcomes import Outcome
from trueward.suites.sources import Table
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean, plain_mean
from trueward.types import Item

SETS = ("MMLU-Pro", "MATH", "GPQA", "MBPP-Plus", "IFEval")
METRICS = ("accuracy", "auc", "best_of_k")


def item(row: JsonField, table: str, number: int) -> Item:
    """K responses, which of them are right, and the pairs drawn from right and wrong."""
    subset = next((name for name in SETS if name in table), None)
    if subset is None:
        row.fail("rows of a table whose name has " + ", ".join(SETS))
    right = [flag(field) for field in row["scores"].items()]
    if len(right) < 2:
        row["scores"].fail("at least two responses")
    pairs = [tuple(pair.numbers()) for pair in row["sampled_conflict_pairs"].items()]
    ordered = [_ordered(pair, right) for pair in pairs]
    if None in ordered:
        row["sampled_conflict_pairs"].fail("pairs of a right and a wrong response's place")
    own = [identity(row["question_id"])]
    if has(row, "model_name"):
        own.append(identity(row["model_name"]))
    return Item(
        id="/".join([subset, *own]),
        prompt=conversation(row["prompt"]),
        responses=tuple(reply(row[f"response_{k + 1}"]) for k in range(len(right))),
        subset=subset,
        labels={"right": right, "pairs": ordered},
    )


def _ordered(pair: tuple[float, ...], right: list[bool]) -> tuple[int, int] | None:
    """The places of the right and the wrong response of a pair."""
    places = [int(place) for place in pair if place in range(len(right))]
    if len(pair) != 2 or len(places) != 2 or right[places[0]] == right[places[1]]:
        return None
    one, other = places
    return (one, other) if right[one] else (other, one)


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """Accuracy on the drawn pairs (a tie is wrong), ROC AUC, and whether the top one is right."""
    for place, (one, row) in enumerate(zip(items, scores, strict=True)):
        right, pairs = one.labels["right"], one.labels["pairs"]
        won = [row[good] > row[bad] for good, bad in pairs]
        tied = any(row[good] == row[bad] for good, bad in pairs)
        share = sum(won) / len(won) if won else math.nan
        yield Outcome(f"{one.subset}/accuracy", place, share, tied)
        yield Outcome(f"{one.subset}/auc", place, roc_auc(row, right), len(set(row)) < len(row))
        top = [is_right for is_right, score in zip(right, row, strict=True) if score == max(row)]
        yield Outcome(f"{one.subset}/best_of_k", place, sum(top) / len(top), len(top) > 1)


def roc_auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """P(right > wrong) + ½ P(equal) over pairs of a right and a wrong one; NaN without both."""
    mask = np.asarray(right, dtype=bool)
    positive, negative = int(mask.sum()), int((~mask).sum())
    if not positive or not negative:
        return math.nan
    ranks = rankdata(scores)[mask].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """Each metric's mean over the sets, and each set."""
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
    item=item,
    outcomes=outcomes,
    parts=parts,
    keys=("question_id",),
    tables=tuple(
        Table(f"lmarena-ai/PPE-{name}-Best-of-K", "train", f"PPE-{name}-Best-of-K") for name in SETS
    ),
)
