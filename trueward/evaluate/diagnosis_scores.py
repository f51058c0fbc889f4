"""Rewards and hidden states of a set under one model, kept in files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
from numpy import ndarray
from safetensors.torch import load_file, save_file

from trueward.data.encode import shared_length
from trueward.data.messages import as_messages, as_text, bigram_cosine, plain_text
from trueward.errors import DataError
from trueward.evaluate.diagnosis_data import Plan, PromptSet, Variant, state_sample
from trueward.evaluate.scoring import RewardModel, check_lengths, folder_name, reward_file
from trueward.runs import Advance, Begin, RowFile, read_record
from trueward.scorer import Scorer
from trueward.types import Prompt, Turns

NO_PAIRS = "pairs: rows of chosen and rejected, or two or more scored responses a prompt"


class RewardRow(TypedDict):
    """The rewards of one prompt, in logits."""

    name: str
    rewards: list[float]
    """Rewards of its responses, in their order."""
    tokens: list[int]
    """Tokens of each response alone, with what closes it, before any truncation."""
    edits: dict[str, float]
    """Reward of the edited response, by edit."""
    probes: dict[str, float]
    """Reward of a fixed text, by probe."""
    given: dict[str, list[float]]
    """Rewards of the answers that were given for the prompt, by name."""


class LengthFacts(TypedDict):
    """Counts of the sequences of one set; None where an older record lacks one."""

    truncated: int | None
    longest: int | None
    too_long: int | None
    """Variants that were left out."""


@dataclass(frozen=True)
class SetFiles:
    """The files of one model's scores of one set."""

    folder: Path
    name: str

    @property
    def rows(self) -> RowFile:
        """The rewards, with the record of what they were made of."""
        return reward_file(self.folder / f"{self.name}.rewards.jsonl")

    @property
    def states(self) -> Path:
        """The file of the hidden states of a sample of the responses."""
        return self.folder / f"{self.name}.states.safetensors"

    def remove(self) -> None:
        """Remove them all."""
        self.rows.remove()
        self.states.unlink(missing_ok=True)


@dataclass(frozen=True)
class States:
    """Hidden states of `prompts`, response after response, in float32."""

    prompts: Sequence[Prompt]
    hidden: ndarray
    before_norm: ndarray | None
    """The same before the backbone's final norm, where it has one."""

    def pairs(self) -> tuple[ndarray, ndarray] | None:
        """Return hidden states of chosen and rejected responses; None without pairs."""
        starts = np.cumsum([0, *(len(one.responses) for one in self.prompts)])
        places = [
            (start + a, start + b)
            for start, one in zip(starts[:-1], self.prompts, strict=True)
            for a, b in one.pairs
        ]
        if not places:
            return None
        chosen, rejected = np.array(places).T
        return self.hidden[chosen], self.hidden[rejected]


@dataclass(frozen=True)
class ScoredPairs:
    """The pairs of a set with their rewards: columns with one row a pair."""

    chosen: ndarray
    rejected: ndarray
    chosen_tokens: ndarray
    rejected_tokens: ndarray
    units: Sequence[str]
    """Prompt of each pair: what resampling and splitting move together."""
    flipped: Sequence[bool | None]
    """True where the label was flipped, None where the data does not say."""
    places: Sequence[tuple[int, int, int]]
    """Places of the prompt, of its chosen and of its rejected response."""

    @property
    def margins(self) -> ndarray:
        """Reward of chosen minus rejected, in logits."""
        return np.asarray(self.chosen - self.rejected)


@dataclass(frozen=True)
class ScoredSet:
    """Prompts, their rewards and the hidden states of a sample of them."""

    plan: Plan
    rows: Sequence[RewardRow]
    """One a prompt."""
    lengths: LengthFacts
    states: States

    @property
    def set(self) -> PromptSet:
        """The data that was scored."""
        return self.plan.set

    @property
    def prompts(self) -> Sequence[Prompt]:
        """The prompts, in the order of the rows."""
        return self.set.prompts

    @cached_property
    def units(self) -> Sequence[str]:
        """Units of the prompts: what resampling and splitting move together."""
        return [one.unit for one in self.prompts]

    @cached_property
    def pairs(self) -> ScoredPairs:
        """Every pair. Raises DataError without any."""
        places = [(i, a, b) for i, one in enumerate(self.prompts) for a, b in one.pairs]
        if not places:
            raise DataError(NO_PAIRS)
        chosen, rejected, chosen_tokens, rejected_tokens = (
            np.array([values[place[0]][place[side]] for place in places], dtype=float)
            for values in ([row["rewards"] for row in self.rows], [r["tokens"] for r in self.rows])
            for side in (1, 2)
        )
        return ScoredPairs(
            chosen,
            rejected,
            chosen_tokens,
            rejected_tokens,
            [self.units[i] for i, _, _ in places],
            [self.prompts[i].labels.get("flipped") for i, _, _ in places],
            places,
        )

    @cached_property
    def similarity(self) -> list[float]:
        """The likeness of each pair's responses, by words alone."""
        return [
            bigram_cosine(*(plain_text(self.prompts[i].responses[k]) for k in (a, b)))
            for i, a, b in self.pairs.places
        ]

    def rewards(self) -> ndarray:
        """Return the rewards of all responses."""
        return np.array([value for row in self.rows for value in row["rewards"]], dtype=float)

    def tokens(self) -> ndarray:
        """Return the tokens of all responses."""
        return np.array([value for row in self.rows for value in row["tokens"]], dtype=float)

    def graded(self, fewest: int) -> list[int]:
        """Return the places of prompts with the data's scores of so many responses or more."""
        return [i for i, one in enumerate(self.prompts) if len(one.scores) >= fewest]

    def gold(self, places: Iterable[int]) -> list[list[float]]:
        """Return the data's scores of these prompts' responses."""
        return [list(self.prompts[i].scores) for i in places]

    def judged_half(self) -> frozenset[str]:
        """Return half of the prompts at random, always the same; the other half is to fit on."""
        units = sorted(set(self.units))
        order = np.random.default_rng(0).permutation(len(units))
        return frozenset(units[i] for i in order[: (len(units) + 1) // 2])

    def halves(self) -> tuple[ndarray, ndarray]:
        """Return which pairs are judged, and which are there to fit on: of other prompts.

        Raises DataError where all pairs are of one prompt.
        """
        half = self.judged_half()
        judged = np.array([unit in half for unit in self.pairs.units])
        if judged.all() or not judged.any():
            raise DataError("pairs of two or more prompts: one half to fit on, one to judge")
        return judged, ~judged


def score_set(model: RewardModel, plan: Plan, output: Path, begin: Begin) -> ScoredSet:
    """Score what is missing of a set; read what is there."""
    files = SetFiles(output / folder_name(model.label), plan.set.name)
    rows, name = files.rows, f"{model.label} · {plan.set.name}"
    if not rows.path.exists():
        if not rows.part.exists():  # states without rows may be of another model
            files.states.unlink(missing_ok=True)
        _write_rewards(model, plan, rows, name, begin)
    sample = state_sample(plan.set.prompts)
    if not files.states.exists():
        _write_states(model.scorer, sample, files.states, f"{name}, states", begin)
    facts, kept = read_record(rows.record), load_file(files.states)
    before = kept.get("before_norm")
    return ScoredSet(
        plan,
        [cast(RewardRow, row) for row in rows.rows()],
        LengthFacts(
            truncated=facts.get("truncated"),
            longest=facts.get("longest"),
            too_long=facts.get("too_long"),
        ),
        States(sample, kept["hidden"].numpy(), None if before is None else before.numpy()),
    )


def _write_rewards(model: RewardModel, plan: Plan, rows: RowFile, name: str, begin: Begin) -> None:
    scorer, prompts = model.scorer, plan.set.prompts
    lengths = check_lengths(scorer, prompts)
    found = [plan.variants(place) for place in range(len(prompts))]
    fitting = [_fitting(scorer, *one) for one in zip(prompts, found, strict=True)]
    items = list(zip(prompts, fitting, strict=True))
    total = lengths.responses + sum(map(len, fitting))
    rows.write(
        items,
        lambda chunk, advance: _reward_rows(scorer, chunk, advance),
        model.identity() | plan.identity(),
        {
            "path": model.path,
            "truncated": lengths.truncated,
            "longest": lengths.longest,
            "too_long": sum(map(len, found)) - sum(map(len, fitting)),
        },
        size=lambda item: len(item[0].responses) + len(item[1]),
        begin=lambda done: begin(name, total, done),
    )


def _reward_rows(
    scorer: Scorer, chunk: Sequence[tuple[Prompt, Sequence[Variant]]], advance: Advance
) -> list[RewardRow]:
    groups = [[*one.responses, *(v.turns for v in variants)] for one, variants in chunk]
    read = scorer.read_groups([one.prompt for one, _ in chunk], groups, advance=advance)
    edges = pairwise(accumulate(map(len, groups), initial=0))
    found = []
    for (one, variants), (start, stop) in zip(chunk, edges, strict=True):
        values, real = read.values[start:stop].tolist(), len(one.responses)
        row = RewardRow(
            name=one.where,
            rewards=values[:real],
            tokens=[_response_tokens(scorer, one.prompt, r) for r in one.responses],
            edits={},
            probes={},
            given={},
        )
        for variant, value in zip(variants, values[real:], strict=True):
            if variant.kind == "given":
                row["given"].setdefault(variant.name, []).append(value)
            else:
                row["edits" if variant.kind == "edits" else "probes"][variant.name] = value
        found.append(row)
    return found


def _response_tokens(scorer: Scorer, prompt: Turns, response: Turns) -> int:
    known = as_text(prompt) if scorer.text else as_messages(prompt, "user")
    whole = scorer.encode(prompt, response)
    return len(whole) - shared_length(scorer.encoder.encode_prompt(known), whole)


def _fitting(scorer: Scorer, prompt: Prompt, found: list[Variant]) -> list[Variant]:
    """Return the variants that are not too long for the model."""
    encoder = scorer.encoder
    if encoder.truncation != "error":
        return found
    return [v for v in found if encoder.excess(scorer.encode(prompt.prompt, v.turns)) <= 0]


def _write_states(
    scorer: Scorer, prompts: Sequence[Prompt], path: Path, name: str, begin: Begin
) -> None:
    groups = [list(one.responses) for one in prompts]
    advance = begin(name, sum(map(len, groups)), 0)
    read = scorer.read_groups([one.prompt for one in prompts], groups, advance=advance)
    tensors = {"hidden": read.hidden.contiguous()}
    if read.before_norm is not None:
        tensors["before_norm"] = read.before_norm.contiguous()
    aside = path.with_name(path.name + ".part")
    save_file(tensors, aside)
    aside.replace(path)
