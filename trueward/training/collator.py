"""Pairs to one batch: the chosen, the rejected and, where asked for, the foreign ones."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trueward.models import pad_right, plan_rows

COLUMNS = ("margin", "target", "weight")


@dataclass(frozen=True)
class PairCollator:
    """Rows with `chosen_ids` and `rejected_ids` to padded tensors.

    With `foreign`, each chosen response is also put under another prompt of the batch, drawn as a
    random derangement. A pair whose batch holds no other prompt keeps its own.
    """

    pad_token_id: int
    foreign: bool = False
    max_length: int | None = None
    """Longest sequence, in tokens: a foreign prompt too long for its response loses its start."""

    pad_to_multiple_of: int | None = None
    trees: bool = False
    """Whether to lay the batch out as trees too: one a prompt, whose answers are its branches."""

    row_tokens: int | None = None
    """Tokens of a row of trees, that is of a forward pass, at most; None for one row."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Token ids and mask of shape (2 or 3 × pairs, tokens), and the data's columns."""
        sequences = [r["chosen_ids"] for r in rows] + [r["rejected_ids"] for r in rows]
        owners = [*range(len(rows)), *range(len(rows))]
        if self.foreign:
            partners = other_prompts(rows)
            sequences += [self._under(rows[j], row) for row, j in zip(rows, partners, strict=True)]
            owners += partners
        batch: dict[str, Any] = {}
        batch["input_ids"], batch["attention_mask"] = pad_right(
            sequences, self.pad_token_id, self.pad_to_multiple_of or 1
        )
        if self.trees:
            prompts = _prompts(rows)
            first = {prompt: index for index, prompt in enumerate(prompts)}
            groups = [first[prompts[j]] for j in owners]
            batch["trees"] = plan_rows(sequences, groups, self.row_tokens)
        for column in COLUMNS:
            if column in rows[0]:
                values = [float(row[column]) for row in rows]
                batch[column] = torch.tensor(values, dtype=torch.float32)
        return batch

    def _under(self, prompt_row: Mapping[str, Any], row: Mapping[str, Any]) -> list[int]:
        prompt = list(prompt_row["chosen_ids"][: prompt_length(prompt_row)])
        response = list(row["chosen_ids"][prompt_length(row) :])
        over = 0 if self.max_length is None else len(prompt) + len(response) - self.max_length
        if over > 0:  # the first token stays: it may be [CLS] or BOS
            prompt = prompt[:1] + prompt[1 + over :]
        return prompt + response


def other_prompts(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """For each row the index of a row with another prompt, or its own where there is none.

    A random cyclic order is walked from each row to the next one whose prompt differs. The order
    depends on the rows alone, so a resumed run, or a loader that reads ahead, draws the same.
    """
    digest = zlib.crc32(repr([row["chosen_ids"] for row in rows]).encode())
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(digest)).tolist()
    prompts = _prompts(rows)
    partner = list(range(len(rows)))
    for place, row in enumerate(order):
        steps = (order[(place + k) % len(order)] for k in range(1, len(order)))
        partner[row] = next((other for other in steps if prompts[other] != prompts[row]), row)
    return partner


def _prompts(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, ...]]:
    return [tuple(row["chosen_ids"][: prompt_length(row)]) for row in rows]


def prompt_length(row: Mapping[str, Any]) -> int:
    """Leading tokens that are the prompt: recorded, or the two sequences' common prefix."""
    if row.get("prompt_length") is not None:
        return int(row["prompt_length"])
    pairs = zip(row["chosen_ids"], row["rejected_ids"], strict=False)
    common = 0
    for a, b in pairs:
        if a != b:
            break
        common += 1
    return common
