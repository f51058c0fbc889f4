"""Every diagnostic on one scored set; what the data does not allow is listed with its need."""

from collections.abc import Callable
from typing import Any

from trueward.errors import DataError
from trueward.evaluate.diagnosis import basics, edited, exploits
from trueward.evaluate.diagnosis.basics import Block
from trueward.evaluate.diagnosis.scored import ScoredSet
from trueward.evaluate.diagnosis.sets import TRAIN


def diagnosed(
    one: ScoredSet, train: ScoredSet | None, reference: ScoredSet | None
) -> tuple[Block, dict[str, str]]:
    """The set's block, and by diagnostic what it would need."""
    measures: dict[str, Callable[[], Block]] = {
        "accuracy": lambda: basics.accuracy(one),
        "norms": lambda: basics.norms(one, train),
        "rewards": lambda: basics.rewards(one),
        "length": lambda: basics.length(one),
        "calibration": lambda: exploits.as_log_odds(one),
        "similar_pairs": lambda: basics.similar_pairs(one),
    }
    if one.set.name == TRAIN:
        measures["flipped_pairs"] = lambda: basics.flipped_pairs(one)
    else:
        measures |= {
            "tau": lambda: basics.tau(one),
            "edits": lambda: edited.edits(one, reference),
            "best_of_n": lambda: exploits.optimization(one),
            "probes": lambda: exploits.probes(one),
        }
    block, needs = _counts(one), {}
    for name, measure in measures.items():
        try:
            block[name] = measure()
        except DataError as error:
            block[name] = None
            needs[name] = str(error)
    return block, needs


def _counts(one: ScoredSet) -> Block:
    questions = one.questions
    facts: dict[str, Any] = one.scored.facts
    return {
        "name": one.set.name,
        "source": one.set.source,
        "prompts": len({question.unit for question in questions}),
        "responses": sum(len(question.responses) for question in questions),
        "pairs": sum(len(question.pairs) for question in questions),
        "left_out": dict(one.set.left_out),
        **facts,
    }
