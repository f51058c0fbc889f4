"""Batches: pairs collated, cut into passes of so many tokens, scored and measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trueward.models import ReadOut, TreeRows, head_norm, length_batches, pad_right, plan_rows
from trueward.processes import most_on_ranks
from trueward.training.order import LENDER, prompt_length, prompt_of
from trueward.types import PairScores, Row

COLUMNS: Final[tuple[Literal["margin", "target", "weight"], ...]] = ("margin", "target", "weight")


class PairBatch(TypedDict, total=False):
    """A batch of pairs: the chosen sequences, the rejected and, if any, the foreign ones."""

    input_ids: Tensor
    """(2 or 3 × pairs, tokens)."""
    attention_mask: Tensor
    trees: TreeRows
    """The same sequences laid out as trees; none where there are passes."""
    margin: Tensor
    target: Tensor
    weight: Tensor
    place: list[int]
    """The place of each pair in the batch as it was dealt, before it was cut."""
    passes: "list[PairBatch]"
    """The batch cut into several, each to go through the model on its own; none where one does."""


@dataclass(frozen=True)
class PairCollator:
    """Makes padded tensors of rows with `chosen_ids` and `rejected_ids`.

    Where rows hold another pair's prompt (`foreign_prompt`), each chosen response is also put
    after that. With `batch_tokens` the pairs are sorted by length and cut into passes.
    """

    pad_token_id: int
    max_length: int | None = None
    """Longest sequence, in tokens: a foreign prompt too long for its response loses its start."""
    pad_to_multiple_of: int | None = None
    trees: bool = False
    """True to lay the batch out as trees too: one a prompt, with its responses as branches."""
    row_tokens: int | None = None
    """Most tokens of a row of trees, which is a forward pass; None for one row."""
    batch_tokens: int | None = None
    """Most tokens of a pass, with its padding; a longer pair goes alone."""

    def __call__(self, rows: Sequence[Row]) -> PairBatch:
        """Return the rows' token ids, mask and columns."""
        sequences = [self._sequences(row) for row in rows]
        cuts = self._cut(sequences)
        passes = [
            self._collated([rows[i] for i in cut], [sequences[i] for i in cut], cut) for cut in cuts
        ]
        if len(passes) == 1:
            return passes[0]
        whole = replace(self, trees=False)._collated(rows, sequences, range(len(rows)))
        return {**whole, "passes": passes}

    def _cut(self, sequences: Sequence[Sequence[list[int]]]) -> list[list[int]]:
        """Return the places of pairs in passes, the longest pairs first."""
        if self.batch_tokens is None:
            return [[*range(len(sequences))]]
        longest = [max(pair, key=len) for pair in sequences]
        rows = self.batch_tokens // len(sequences[0])
        return list(length_batches(longest, range(len(longest)), rows))

    def _collated(
        self, rows: Sequence[Row], pairs: Sequence[Sequence[list[int]]], place: Sequence[int]
    ) -> PairBatch:
        sequences = [one for side in zip(*pairs, strict=True) for one in side]
        ids, mask = pad_right(sequences, self.pad_token_id, self.pad_to_multiple_of or 1)
        batch: PairBatch = {"input_ids": ids, "attention_mask": mask, "place": list(place)}
        if self.trees:
            prompts = [[tuple(prompt_of(row)) for row in rows]] * 2
            prompts += [[tuple(row[LENDER]) for row in rows]] if len(pairs[0]) > 2 else []
            first: dict[tuple[int, ...], int] = {}
            groups = [first.setdefault(prompt, len(first)) for side in prompts for prompt in side]
            batch["trees"] = plan_rows(sequences, groups, self.row_tokens)
        for column in COLUMNS:
            if column in rows[0]:
                values = [float(row[column]) for row in rows]
                batch[column] = torch.tensor(values, dtype=torch.float32)
        return batch

    def _sequences(self, row: Row) -> list[list[int]]:
        """Return the chosen and the rejected sequence, and the foreign one where there is one."""
        pair = [list(row["chosen_ids"]), list(row["rejected_ids"])]
        return [*pair, self._foreign(row)] if LENDER in row else pair

    def _foreign(self, row: Row) -> list[int]:
        prompt = list(row[LENDER])
        response = list(row["chosen_ids"][prompt_length(row) :])
        over = 0 if self.max_length is None else len(prompt) + len(response) - self.max_length
        if over > 0:  # the first token stays: it may be [CLS] or BOS
            prompt = prompt[:1] + prompt[1 + over :]
        return prompt + response


def passes_of(batch: PairBatch) -> list[PairBatch]:
    """Return the batches that go through the model one by one: the passes, or the batch alone."""
    return batch.get("passes") or [batch]


def with_idle_passes(batch: PairBatch, count: int) -> PairBatch:
    """Return the batch with so many passes: further ones read the last again, and count nothing.

    Ranks must make as many passes as each other, so that collectives meet.
    """
    passes = passes_of(batch)
    if len(passes) == count:
        return batch
    idle: PairBatch = {**passes[-1], "place": [len(places(batch))] * len(places(passes[-1]))}
    return {**batch, "passes": [*passes, *[idle] * (count - len(passes))]}


def evened(batch: PairBatch) -> PairBatch:
    """Return the batch with as many passes as any rank makes; every rank must come here."""
    return with_idle_passes(batch, most_on_ranks(len(passes_of(batch))))


def places(batch: PairBatch) -> Sequence[int]:
    """Return the `place` of each pair; another collator's batch was not cut."""
    return batch.get("place", range(len(batch["input_ids"]) // 2))


def read_passes(
    read: Callable[[PairBatch], ReadOut], batch: PairBatch, *, foreign: bool
) -> PairScores:
    """Return the scores of a batch, read pass by pass, in the order of its pairs.

    Every rank must come here, as all make as many passes.
    """
    passes = passes_of(evened(batch))
    parts = [pair_scores(read(one), one, foreign=foreign) for one in passes]
    place = [place for one in passes for place in places(one)]
    order = sorted(range(len(place)), key=lambda i: place[i])[: len(places(batch))]
    named = {f.name: [getattr(part, f.name) for part in parts] for f in fields(PairScores)}
    there: dict[str, Any] = {n: torch.cat(v)[order] for n, v in named.items() if v[0] is not None}
    return PairScores(**there)


def pair_scores(read: ReadOut, inputs: PairBatch, *, foreign: bool) -> PairScores:
    """Split a read-out of [chosen; rejected] or [chosen; rejected; foreign] rows into pairs."""
    rewards = read.rewards.chunk(3 if foreign else 2)
    hidden = read.hidden.chunk(3 if foreign else 2)
    return PairScores(
        chosen=rewards[0],
        rejected=rewards[1],
        chosen_hidden=hidden[0],
        rejected_hidden=hidden[1],
        foreign=rewards[2] if foreign else None,
        margin=inputs.get("margin"),
        target=inputs.get("target"),
        weight=inputs.get("weight"),
    )


@torch.no_grad()
def pair_columns(scores: PairScores) -> Float[Tensor, "pairs columns"]:
    """Return each pair's r⁺, r⁻ and, with hidden states, ‖h⁺‖, ‖h⁻‖, ‖h⁺ − h⁻‖ for the log."""
    columns = [scores.chosen, scores.rejected]
    if scores.chosen_hidden is not None and scores.rejected_hidden is not None:
        up, down = scores.chosen_hidden.float(), scores.rejected_hidden.float()
        columns += [up.norm(dim=-1), down.norm(dim=-1), (up - down).norm(dim=-1)]
    return torch.stack(columns, dim=1)


@torch.no_grad()
def batch_metrics(table: Float[Tensor, "pairs columns"], model: nn.Module) -> dict[str, Tensor]:
    """Return TRL's reward metrics and the norms of `pair_columns`, one value a pair or a batch.

    `hidden_norm` is ‖h‖ over chosen and rejected, `difference_norm` is ‖h⁺ − h⁻‖, `head_norm` ‖W‖.
    """
    chosen, rejected = table[:, 0], table[:, 1]
    rewards = table[:, :2]
    metrics = {
        "min_reward": rewards.min().reshape(1),
        "mean_reward": rewards.mean(dim=1),
        "max_reward": rewards.max().reshape(1),
        "accuracy": (chosen > rejected).float(),
        "margin": chosen - rejected,
        "head_norm": head_norm(model).reshape(1),
    }
    if table.shape[1] > 2:
        norms = table[:, 2:4]
        metrics["hidden_norm"] = norms.mean(dim=1)
        metrics["hidden_norm_std"] = norms.std(correction=0).reshape(1)
        metrics["difference_norm"] = table[:, 4]
    return metrics
