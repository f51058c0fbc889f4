"""Sequences into batches of a token budget, with padding or as trees."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


def length_batches(
    sequences: Sequence[Sequence[int]], _groups: Sequence[int], batch_tokens: int
) -> Iterator[list[int]]:
    """Indices sorted by length, cut where width times rows would pass the budget."""
    batch: list[int] = []
    for index in sorted(range(len(sequences)), key=lambda i: -len(sequences[i])):
        if batch and (len(batch) + 1) * len(sequences[batch[0]]) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def tree_batches(
    sequences: Sequence[Sequence[int]], groups: Sequence[int], batch_tokens: int
) -> Iterator[list[int]]:
    """Indices group by group, cut where the distinct tokens would pass the budget.

    A group's tokens are counted as its common start once and the rest of each sequence.
    """
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    batch: list[int] = []
    tokens = 0
    for indices in members.values():
        ordered = sorted(list(sequences[i]) for i in indices)
        shared = common_start(ordered[0], ordered[-1])  # these two differ soonest
        start = shared
        for index in indices:
            own = len(sequences[index]) - shared
            if batch and tokens + start + own > batch_tokens:
                yield batch
                batch, tokens, start = [], 0, shared
            batch.append(index)
            tokens += start + own
            start = 0
    if batch:
        yield batch


def common_start(a: Sequence[int] | np.ndarray, b: Sequence[int] | np.ndarray) -> int:
    """How many tokens two sequences begin with alike."""
    shorter = min(len(a), len(b))
    differ = np.flatnonzero(np.asarray(a[:shorter]) != np.asarray(b[:shorter]))
    return int(differ[0]) if len(differ) else shorter


def pad_right(
    sequences: Sequence[Sequence[int]], pad_token_id: int, multiple: int = 1
) -> tuple[Int[Tensor, "sequences tokens"], Int[Tensor, "sequences tokens"]]:
    """Token ids and mask, padded on the right to the longest, rounded up to a multiple."""
    width = -(-max(len(s) for s in sequences) // multiple) * multiple
    ids = torch.full((len(sequences), width), pad_token_id, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(list(sequence), dtype=torch.long)
        mask[row, : len(sequence)] = 1
    return ids, mask
