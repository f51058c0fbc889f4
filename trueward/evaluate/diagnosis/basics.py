"""Is it right, and why: accuracy, order, norms, rank, rewards by source, length, similar pairs."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from trueward.diagnostics import (
    Moments,
    accuracy_when_shorter_chosen,
    effective_rank_shift,
    flipped_pair_agreement,
    length_correlation,
    norm_shift,
    norm_statistics,
    reward_distributions,
    similar_pair_accuracy,
    split_norms,
)
from trueward.errors import DataError
from trueward.evaluate.diagnosis.scored import ScoredSet, interval
from trueward.metrics import kendall_per_prompt, pair_accuracy

Block = dict[str, Any]


def accuracy(one: ScoredSet) -> Block:
    """Pairs ranked right, a tie being wrong."""
    right = pair_accuracy(one.pairs.chosen, one.pairs.rejected)
    ties = int((one.pairs.margins == 0).sum())
    return interval(right.tolist(), one.pairs.units) | {"n": right.size, "ties": ties}


def tau(one: ScoredSet) -> Block:
    """Kendall's τ per prompt against the data's scores."""
    scored = [
        (q, row["rewards"])
        for q, row in zip(one.questions, one.rows, strict=True)
        if q.gold is not None and len(q.gold) > 2
    ]
    if not scored:
        raise DataError("three or more scored responses a prompt")
    taus = kendall_per_prompt([row for _, row in scored], [list(q.gold or ()) for q, _ in scored])
    found = interval(taus, [q.unit for q, _ in scored])
    return found | {"n": len(taus), "undefined": sum(map(math.isnan, taus))}


def norms(one: ScoredSet, train: ScoredSet | None) -> Block:
    """Norms of hidden states and effective rank, and their shift from the training data's."""
    block = _norms(one)
    if train is not None:
        block["shift"] = _shift(one, train)
    return block


def _norms(one: ScoredSet) -> Block:
    sides = one.states.pairs()
    chosen, rejected = sides or (None, None)
    found = split_norms(
        one.states.hidden, pre_norm=one.states.before_norm, chosen=chosen, rejected=rejected
    )
    return {"responses": len(one.states.hidden), **found}


def _shift(one: ScoredSet, train: ScoredSet) -> Block:
    here, there = one.states, train.states
    found: Block = {
        "hidden": norm_shift(norm_statistics(here.hidden), norm_statistics(there.hidden))
    }
    if here.before_norm is not None and there.before_norm is not None:
        stats = [norm_statistics(s.before_norm) for s in (here, there) if s.before_norm is not None]
        found["pre_norm"] = norm_shift(*stats)
    gaps = [_difference(side) for side in (one, train)]
    if gaps[0] is not None and gaps[1] is not None:
        found["difference"] = norm_shift(gaps[0], gaps[1])
    shifts = {name: asdict(shift) for name, shift in found.items()}
    return shifts | {"effective_rank": asdict(effective_rank_shift(there.hidden, here.hidden))}


def _difference(one: ScoredSet) -> Moments | None:
    found = _norms(one)["difference"]
    return None if found is None else Moments(**found)


def rewards(one: ScoredSet) -> Block:
    """Distributions of all rewards, and of each source's."""
    values = one.flat("rewards")
    everything = reward_distributions(values, ["all"] * values.size)["all"]
    named = [source for q in one.questions for source in q.sources]
    known = np.array([source is not None for source in named])
    found: Block = {"all": asdict(everything), "sources": {}, "unnamed": int((~known).sum())}
    if known.any():
        sources = [source for source in named if source is not None]
        by_source = reward_distributions(values[known], sources)
        found["sources"] = {name: asdict(block) for name, block in by_source.items()}
    return found


def length(one: ScoredSet) -> Block:
    """Does the reward follow the response's own tokens, and does the data's own score?"""
    units, tokens = one.units(), one.flat("tokens")
    found: Block = {"reward": asdict(length_correlation(one.flat("rewards"), tokens, units))}
    scored = [i for i, q in enumerate(one.questions) for _ in q.responses if q.gold is not None]
    if len(scored) == tokens.size:
        gold = [value for q in one.questions for value in q.gold or ()]
        found["gold"] = asdict(length_correlation(gold, tokens, units))
    if any(q.pairs for q in one.questions):
        pairs = one.pairs
        found["shorter_chosen"] = asdict(
            accuracy_when_shorter_chosen(
                pairs.chosen, pairs.rejected, pairs.chosen_tokens, pairs.rejected_tokens
            )
        )
    return found


def similar_pairs(one: ScoredSet) -> Block:
    """Accuracy by how alike a pair's responses are (cosine of word bigrams)."""
    found = asdict(similar_pair_accuracy(one.pairs.chosen, one.pairs.rejected, one.similarity))
    del found["correct"]
    return found


def flipped_pairs(one: ScoredSet) -> Block:
    """Were flipped training labels learnt by heart?"""
    flags = one.pairs.flipped
    if None in flags or not any(flags):
        raise DataError("pairs with a column `flipped` that says which labels were flipped")
    found = asdict(flipped_pair_agreement(one.pairs.margins, np.array(flags, dtype=bool)))
    del found["sees_clean"]
    return found
