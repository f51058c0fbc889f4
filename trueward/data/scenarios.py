"""The scenario split: training data, and four scenarios of growing distance from it."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

import numpy as np
from datasets import Dataset

from trueward.data.forms import counted, name_of, recognise
from trueward.data.messages import bigram_cosine, plain_text
from trueward.data.pairs import pairs_of_prompts
from trueward.data.prompts import PROMPT_READERS, in_messages
from trueward.data.rule import PairRule
from trueward.data.store import dataset_from_rows, numbered
from trueward.errors import DataError, nearest
from trueward.types import Prompt, Row, Scenarios

_PROMPTS, _SOURCES, _HALVES, _PAIRS = range(4)
"""Separate random streams of one seed, so that one number asked for does not move the rest."""


@dataclass(frozen=True)
class SplitReport:
    """Counts of a split into training data and four scenarios."""

    train_prompts: int
    held_out_prompts: int
    train_sources: tuple[str, ...]
    held_out_sources: tuple[str, ...]
    excluded_sources: tuple[str, ...]
    sizes: Mapping[str, int]
    """Rows of each part of `Scenarios`."""
    asked: Mapping[str, int]
    """Rows asked for; a part can be smaller where the data does not hold more."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Counts of responses, pairs or prompts by the reason why they were left out."""

    def __str__(self) -> str:
        short = {
            f"{part} of {self.asked[part]:,} asked": size
            for part, size in self.sizes.items()
            if size < self.asked.get(part, size)
        }
        fewer = f"; fewer than asked: {counted(short)}" if short else ""
        return (
            f"{self.train_prompts:,} / {self.held_out_prompts:,} prompts and "
            f"{len(self.train_sources)} / {len(self.held_out_sources)} sources (train / held out, "
            f"{len(self.excluded_sources)} excluded): {counted(self.sizes)}; "
            f"left out: {counted(self.left_out)}{fewer}"
        )


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
    prompts = _sourced_prompts(rows, columns, exclude_sources, left_out, name)
    if conversational:
        prompts = [in_messages(prompt) for prompt in prompts]
    parts, sources = _partition(prompts, held_out_prompts, held_out_sources, seed, name)

    rule = rule or PairRule("random", pairs_per_prompt=4)
    rule = replace(rule, min_gap=max(rule.min_gap, min_gap), seed=seed)
    train_prompts = parts.pop("train")
    train = _draw_pairs(train_prompts, rule, train_pairs, left_out)
    trained = {pair["prompt_id"] for pair in train}
    for part in ("in_domain", "response_disjoint"):
        parts[part] = [prompt for prompt in parts[part] if prompt.id in trained]
    pairs = _draw_pairs(parts["in_domain"], rule, eval_pairs, left_out)
    drawn: dict[str, list[Row]] = {"train": train, "in_domain_pairs": pairs}
    for part, candidates in parts.items():
        spanning = _spanning_rows(candidates, group_size, min_gap, seed)
        drawn[part] = spanning[:groups_per_scenario]
        reason = f"{part} prompts without {group_size} responses spanning more than {min_gap:g}"
        left_out[reason] = len(candidates) - len(spanning)
    scenarios = _scenarios(drawn, name)
    assert_disjoint(scenarios)
    asked = {"train": train_pairs, "in_domain_pairs": eval_pairs}
    report = SplitReport(
        train_prompts=len(train_prompts),
        held_out_prompts=len(parts["prompt_disjoint"]),
        train_sources=sources[0],
        held_out_sources=sources[1],
        excluded_sources=tuple(sorted(exclude_sources)),
        sizes={part: len(rows) for part, rows in drawn.items()},
        asked=asked | dict.fromkeys(parts, groups_per_scenario),
        left_out=dict(left_out),
    )
    return scenarios, report


def _draw_pairs(
    prompts: Sequence[Prompt], rule: PairRule, count: int, left_out: Counter[str]
) -> list[Row]:
    """Return at most `count` pairs at random among those that the rule gives, in random order."""
    pairs = list(pairs_of_prompts(prompts, rule, left_out))
    order = np.random.default_rng([rule.seed, _PAIRS]).permutation(len(pairs))
    return [pairs[i] for i in order[:count]]


def _scenarios(drawn: Mapping[str, Sequence[Row]], name: str) -> Scenarios:
    for part, rows in drawn.items():
        if not rows:
            raise DataError(
                f"{name}: nothing left for {part!r}; lower min_gap or group_size, or hold out "
                "another share of prompts and sources"
            )
    parts = {part: dataset_from_rows(rows, name) for part, rows in drawn.items()}
    return Scenarios(**parts, similar_pairs=most_similar(parts["in_domain_pairs"]))


def most_similar(pairs: Dataset, share: float = 0.25) -> Dataset:
    """Return the share of pairs whose responses are most alike, at least one, in their order.

    Measured by `bigram_cosine` of `chosen` and `rejected`; of equals the earlier goes first.
    """
    likeness = [
        bigram_cosine(plain_text(chosen), plain_text(rejected))
        for chosen, rejected in zip(pairs["chosen"], pairs["rejected"], strict=True)
    ]
    count = max(1, int(share * len(pairs)))
    ranked = sorted(range(len(pairs)), key=lambda row: (-likeness[row], row))
    return pairs.select(sorted(ranked[:count]))


def _sourced_prompts(
    rows: Dataset,
    columns: Mapping[str, str] | None,
    excluded: Collection[str],
    left_out: Counter[str],
    name: str,
) -> list[Prompt]:
    """Read each distinct prompt once, without excluded sources and repeated responses.

    Prompts equal in content are one prompt, under the first id.
    """
    form = recognise(rows, columns, name)
    if form.kind not in PROMPT_READERS:
        raise DataError(
            f"{name}: a scenario split needs scored responses with a source each (prompt, "
            "response, generator and score a row, or lists of them); found "
            f"{form.kind}: {', '.join(rows.column_names)}"
        )
    merged: dict[str, Prompt] = {}
    for prompt in PROMPT_READERS[form.kind](numbered(rows), form, left_out, name):
        key = json.dumps(prompt.prompt)
        merged[key] = _joined(merged[key], prompt) if key in merged else prompt
    prompts = list(merged.values())
    ids = Counter(prompt.id for prompt in prompts)
    repeated = next((prompt_id for prompt_id, count in ids.items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{name}: prompt_id {repeated!r} has two different prompts")
    sources = {source for prompt in prompts for source in prompt.sources if source is not None}
    if not sources:
        raise DataError(
            f"{name}: no response has a source; expected a column generator, model or source; "
            f"found {', '.join(rows.column_names)}"
        )
    _check_sources(excluded, sources, name)
    return [_without_excluded(prompt, excluded, left_out) for prompt in prompts]


def _joined(first: Prompt, second: Prompt) -> Prompt:
    return replace(
        first,
        responses=first.responses + second.responses,
        scores=first.scores + second.scores,
        sources=first.sources + second.sources,
    )


def _check_sources(asked: Collection[str], present: Collection[str], name: str) -> None:
    """Refuse a source that the data does not hold."""
    for source in asked:
        if source not in present:
            raise DataError(f"{name}: no source {source!r}; {nearest(source, sorted(present))}")


def _without_excluded(prompt: Prompt, excluded: Collection[str], left_out: Counter[str]) -> Prompt:
    kept: dict[str, int] = {}
    for place, (response, source) in enumerate(zip(prompt.responses, prompt.sources, strict=True)):
        key = json.dumps(response)
        if source is None:
            left_out["responses with null source"] += 1
        elif source in excluded:
            left_out["responses of excluded sources"] += 1
        elif key in kept:
            left_out["responses that repeat another to the same prompt"] += 1
        else:
            kept[key] = place
    return prompt.only(kept.values())


def _partition(
    prompts: Sequence[Prompt],
    held_out_prompts: float | int,
    held_out_sources: float | int | Sequence[str],
    seed: int,
    name: str,
) -> tuple[dict[str, list[Prompt]], tuple[tuple[str, ...], tuple[str, ...]]]:
    """Hold out prompts and sources, and half of the training sources on each training prompt.

    Return `train` and the four scenarios, of which no two share a prompt with the same source, each
    in the same random order of prompts; and the sources of training and those held out.
    """
    order = np.random.default_rng([seed, _PROMPTS]).permutation(len(prompts))
    count = _count(held_out_prompts, len(prompts), "prompts", name)
    held_out, shared = ([prompts[i] for i in part] for part in (order[:count], order[count:]))
    present = sorted({source for prompt in prompts for source in prompt.sources if source})
    new_sources = _held_out_sources(present, held_out_sources, seed, name)
    train_sources = [source for source in present if source not in new_sources]
    known = [_of_sources(prompt, train_sources) for prompt in shared]
    halves = [_halves(prompt, seed, number) for number, prompt in enumerate(known)]
    parts = {
        "train": [_of_sources(p, half) for p, (half, _) in zip(known, halves, strict=True)],
        "in_domain": [_of_sources(p, rest) for p, (_, rest) in zip(known, halves, strict=True)],
        "prompt_disjoint": [_of_sources(prompt, train_sources) for prompt in held_out],
        "response_disjoint": [_of_sources(prompt, new_sources) for prompt in shared],
        "mutual_disjoint": [_of_sources(prompt, new_sources) for prompt in held_out],
    }
    return parts, (tuple(train_sources), new_sources)


def _held_out_sources(
    present: Sequence[str], asked: float | int | Sequence[str], seed: int, name: str
) -> tuple[str, ...]:
    if isinstance(asked, int | float):
        count = _count(asked, len(present), "sources", name)
        drawn = np.random.default_rng([seed, _SOURCES]).permutation(len(present))[:count]
        return tuple(sorted(present[i] for i in drawn))
    _check_sources(asked, present, name)
    _count(len(set(asked)), len(present), "sources", name)
    return tuple(sorted(set(asked)))


def _count(asked: float | int, total: int, what: str, name: str) -> int:
    """Return a share (float) or a number (int) of `total`, leaving at least one on both sides."""
    count = round(asked * total) if isinstance(asked, float) else asked
    if not 0 < count < total:
        raise DataError(
            f"{name}: holding out {asked:g} of {total} {what} leaves nothing on one side; "
            "expected a share between 0 and 1 (as 0.25) or a smaller number (as 10)"
        )
    return count


def _halves(prompt: Prompt, seed: int, number: int) -> tuple[set[str], set[str]]:
    """Halve a prompt's sources at random: those that may train, the odd one too, and the rest."""
    sources = sorted({source for source in prompt.sources if source})
    order = np.random.default_rng([seed, _HALVES, number]).permutation(len(sources))
    half = {sources[i] for i in order[: (len(sources) + 1) // 2]}
    return half, set(sources) - half


def _of_sources(prompt: Prompt, sources: Collection[str]) -> Prompt:
    return prompt.only(i for i, source in enumerate(prompt.sources) if source in sources)


def _spanning_rows(prompts: Sequence[Prompt], size: int, min_gap: float, seed: int) -> list[Row]:
    """Return a row for each prompt with `size` responses whose scores span above `min_gap`."""
    rows: list[Row] = []
    for number, prompt in enumerate(prompts):
        drawn = prompt.only(_spanning(prompt.scores, size, np.random.default_rng([seed, number])))
        if drawn.scores and max(drawn.scores) - min(drawn.scores) > min_gap:
            rows.append(
                {
                    "prompt": drawn.prompt,
                    "prompt_id": drawn.id,
                    "responses": list(drawn.responses),
                    "sources": list(drawn.sources),
                    "scores": list(drawn.scores),
                    **drawn.extras,
                }
            )
    return rows


def _spanning(scores: Sequence[float], size: int, generator: np.random.Generator) -> list[int]:
    """Return places of the lowest, the highest, then each time the furthest from those taken.

    In random order, equal scores drawn at random; empty where there are too few.
    """
    if len(scores) < size:
        return []
    order = generator.permutation(len(scores))
    shuffled = np.array(scores)[order]
    taken = [int(shuffled.argmin()), len(scores) - 1 - int(shuffled[::-1].argmax())]
    while len(taken) < size:
        distance = np.abs(shuffled[:, None] - shuffled[taken]).min(axis=1)
        distance[taken] = -1.0
        taken.append(int(distance.argmax()))
    return [int(order[i]) for i in sorted(taken)]


def assert_disjoint(scenarios: Scenarios, *, cells: bool = True) -> None:
    """Assert that no scenario shares with training what it must hold out.

    - `prompt_disjoint`, `mutual_disjoint`: no prompt, by id or by content;
    - `response_disjoint`, `mutual_disjoint`: no source;
    - `in_domain`, `in_domain_pairs`, `similar_pairs`: no source with a prompt that it
      answers in training;
    - all of them: no response that training shows for the same prompt.

    `cells=False` is for data in which a source answers a prompt several times: then the responses
    themselves must differ, not the parts.

    Raises:
        DataError: the first violation, by scenario, kind and value.
    """
    parts = {**scenarios.groups(), "in_domain_pairs": scenarios.in_domain_pairs}
    if scenarios.similar_pairs is not None:
        parts["similar_pairs"] = scenarios.similar_pairs
    trained = list(_answers(scenarios.train))
    answers = {name: list(_answers(rows)) for name, rows in parts.items()}
    for kind, (member, names) in _HELD_OUT.items():
        if kind == _CELL and not cells:
            continue
        seen = set(map(member, trained))
        for name in [name for name in names or parts if name in parts]:
            shared = next((fact for fact in map(member, answers[name]) if fact in seen), None)
            if shared is not None:
                raise DataError(f"scenario {name!r} shares a {kind} with train: {shared!r:.80}")


def _answers(rows: Dataset) -> Iterator[tuple[Any, str, Any, str]]:
    """Yield prompt_id, prompt, source and response of every response, text by content."""
    for row in rows:
        if "responses" in row:
            texts, sources = row["responses"], row["sources"]
        else:
            texts = [row["chosen"], row["rejected"]]
            sources = [row["chosen_source"], row["rejected_source"]]
        for text, source in zip(texts, sources, strict=True):
            yield row["prompt_id"], json.dumps(row["prompt"]), source, json.dumps(text)


_NEW_PROMPTS = ("prompt_disjoint", "mutual_disjoint")
_NEW_SOURCES = ("response_disjoint", "mutual_disjoint")
_NEW_CELLS = ("in_domain", "in_domain_pairs", "similar_pairs")
_CELL = "prompt and source"
_HELD_OUT: Mapping[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "prompt_id": (itemgetter(0), _NEW_PROMPTS),
    "prompt": (itemgetter(1), _NEW_PROMPTS),
    "source": (itemgetter(2), _NEW_SOURCES),
    _CELL: (itemgetter(0, 2), _NEW_CELLS),
    "prompt and response": (itemgetter(1, 3), ()),
}
"""Facts of an answer that must not be shared, and the scenarios concerned (none: all)."""
