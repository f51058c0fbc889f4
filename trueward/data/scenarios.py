"""Four scenarios of growing distance from training, from data with prompts and sources."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from datasets import Dataset

from trueward.data.cells import read_cells
from trueward.data.columns import name_of
from trueward.data.disjoint import assert_disjoint
from trueward.data.groups import Group
from trueward.data.pairing import pairs_of_groups
from trueward.data.partition import partition
from trueward.data.reports import SplitReport
from trueward.data.rule import PairRule
from trueward.data.similarity import most_similar
from trueward.data.spans import spanning_rows
from trueward.data.tables import dataset_from_rows
from trueward.errors import DataError
from trueward.types import Scenarios

_PAIRS = 3
"""The random stream that draws pairs, beside those of `partition`."""


def split_scenarios(
    rows: Dataset,
    *,
    held_out_prompts: float | int = 0.25,
    held_out_sources: float | int | Sequence[str] = 0.25,
    exclude_sources: Sequence[str] = (),
    train_pairs: int,
    eval_pairs: int,
    rule: PairRule | None = None,
    group_size: int = 4,
    groups_per_scenario: int = 200,
    min_gap: float = 0.0,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
    conversational: bool = False,
    name: str | None = None,
) -> tuple[Scenarios, SplitReport]:
    """Split scored responses by prompt and by source into training data and four scenarios.

    Prompts and sources are held out at random (a share if a float, a number if an int; sources
    also by name). On each training prompt the training sources are halved: one half's responses
    make training pairs, the other half's the in-domain pairs and groups. So

    - `in_domain`: training prompts, training sources, other responses;
    - `prompt_disjoint`: held-out prompts, training sources;
    - `response_disjoint`: training prompts, held-out sources;
    - `mutual_disjoint`: both held out.

    Pairs are drawn by `rule` (by default four a prompt at random), its seed replaced by `seed`. A
    group is `group_size` responses to one prompt that span its range of scores: the lowest and
    the highest, then each time the response furthest in score from those taken. `min_gap`, in
    the unit of the scores, is the least difference that is trusted: no pair has a smaller or
    equal gap, no group a smaller or equal range. `similar_pairs` is the quarter of
    `in_domain_pairs` whose two responses are most alike (`bigram_cosine`).

    `conversational` makes text prompts and responses messages (`to_messages`). Repeated responses
    to a prompt are left out first. Fewer pairs or groups than asked for are
    reported; none at all is an error. The result satisfies `assert_disjoint`.

    Raises:
        DataError: missing columns, an impossible share, an unknown source, or an empty part.
    """
    if group_size < 2:
        raise DataError(f"group_size must be at least 2, got {group_size}")
    left_out: Counter[str] = Counter()
    name = name_of(rows, name)
    groups = read_cells(rows, columns, exclude_sources, left_out, name)
    if conversational:
        groups = [group.as_messages() for group in groups]
    cells = partition(groups, held_out_prompts, held_out_sources, seed, name)

    rule = rule or PairRule("random", pairs_per_prompt=4)
    rule = replace(rule, min_gap=max(rule.min_gap, min_gap), seed=seed)
    train = _draw_pairs(cells.train, rule, train_pairs, left_out)
    in_domain, new_sources = _of_prompts(train, cells.in_domain, cells.response_disjoint)
    pairs = _draw_pairs(in_domain, rule, eval_pairs, left_out)
    candidates = {
        "in_domain": in_domain,
        "prompt_disjoint": cells.prompt_disjoint,
        "response_disjoint": new_sources,
        "mutual_disjoint": cells.mutual_disjoint,
    }
    drawn: dict[str, list[dict[str, Any]]] = {"train": train, "in_domain_pairs": pairs}
    for part, found in candidates.items():
        spanning = spanning_rows(found, group_size, min_gap, seed)
        drawn[part] = spanning[:groups_per_scenario]
        reason = f"{part} prompts without {group_size} responses spanning more than {min_gap:g}"
        left_out[reason] = len(found) - len(spanning)
    scenarios = _scenarios(drawn, name)
    assert_disjoint(scenarios)
    asked = {"train": train_pairs, "in_domain_pairs": eval_pairs}
    report = SplitReport(
        train_prompts=len(cells.train),
        held_out_prompts=len(cells.prompt_disjoint),
        train_sources=cells.train_sources,
        held_out_sources=cells.held_out_sources,
        excluded_sources=tuple(sorted(exclude_sources)),
        sizes={part: len(rows) for part, rows in drawn.items()},
        asked=asked | dict.fromkeys(candidates, groups_per_scenario),
        left_out=dict(left_out),
    )
    return scenarios, report


def _draw_pairs(
    groups: Sequence[Group], rule: PairRule, count: int, left_out: Counter[str]
) -> list[dict[str, Any]]:
    """At most `count` pairs at random among those that the rule gives, in random order."""
    pairs = list(pairs_of_groups(groups, rule, left_out))
    order = np.random.default_rng([rule.seed, _PAIRS]).permutation(len(pairs))
    return [pairs[i] for i in order[:count]]


def _of_prompts(train: Sequence[Mapping[str, Any]], *parts: Sequence[Group]) -> list[list[Group]]:
    """The groups whose prompt training really uses."""
    trained = {pair["prompt_id"] for pair in train}
    return [[group for group in part if group.prompt_id in trained] for part in parts]


def _scenarios(drawn: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> Scenarios:
    for part, rows in drawn.items():
        if not rows:
            raise DataError(
                f"{name}: nothing left for {part!r}; lower min_gap or group_size, or hold out "
                "another share of prompts and sources"
            )
    parts = {part: dataset_from_rows(rows, name) for part, rows in drawn.items()}
    return Scenarios(**parts, similar_pairs=most_similar(parts["in_domain_pairs"]))
