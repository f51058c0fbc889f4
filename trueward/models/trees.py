"""Sequences that share prefixes, laid out as trees in rows of tokens without padding."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

LONGEST_BLOCK = 256
"""Queries in a block at most: longer runs spend their time on keys that lie after the query."""
BLOCK_COST = 6000
"""Scores (query × key) that cost about what one more block costs."""

Run: TypeAlias = tuple[int, int]
"""Consecutive places of a row: the first, and the one after the last."""


@dataclass(frozen=True)
class Block:
    """Consecutive queries and the runs of tokens that at least one of them sees."""

    start: int
    stop: int
    keys: tuple[Run, ...]
    """In order, without gaps inside one; the last ends with the block."""


@dataclass(frozen=True)
class Trees:
    """Several trees of token ids, one after the other; each shared prefix is held once.

    A token sees the tokens before it whose `seen_until` lies after it: its own prefix and branch.
    """

    input_ids: Int[Tensor, " tokens"]
    position_ids: Int[Tensor, " tokens"]
    """Depth in the tree: what the position would be had each sequence a row of its own."""
    seen_until: Int[Tensor, " tokens"]
    """The first place in the row that no longer sees this token."""
    read_at: Int[Tensor, " sequences"]
    """The last token of each sequence, in the order given."""
    blocks: tuple[Block, ...]
    """The row cut into runs of queries, each with the earlier runs that it sees."""

    def to(self, device: Any, non_blocking: bool = False) -> "Trees":
        """Return the same trees on another device."""
        names = ("input_ids", "position_ids", "seen_until", "read_at")
        moved = {n: getattr(self, n).to(device, non_blocking=non_blocking) for n in names}
        return replace(self, **moved)


@dataclass(frozen=True)
class TreeRows:
    """Rows of trees, each a forward pass of its own, and the way back to the order given."""

    rows: tuple[Trees, ...]
    back: Int[Tensor, " sequences"]
    """For each sequence its place among those of all rows, one row after the other."""

    def to(self, device: Any, non_blocking: bool = False) -> "TreeRows":
        """Return the same rows on another device."""
        rows = tuple(row.to(device, non_blocking=non_blocking) for row in self.rows)
        return TreeRows(rows, self.back.to(device, non_blocking=non_blocking))

    @property
    def tokens(self) -> int:
        """Number of tokens that go through the model."""
        return sum(len(row.input_ids) for row in self.rows)


def plan_rows(
    sequences: Sequence[Sequence[int]], groups: Sequence[int], row_tokens: int | None = None
) -> TreeRows:
    """Lay out as `plan_trees` does, in rows of at most `row_tokens` tokens; None for one row.

    A group that is longer is cut too, and its common start then computed once a row; a sequence
    that is longer has a row to itself.
    """
    if row_tokens is None:
        return TreeRows((plan_trees(sequences, groups),), torch.arange(len(sequences)))
    batches = list(tree_batches(sequences, groups, row_tokens))
    rows = tuple(plan_trees([sequences[i] for i in b], [groups[i] for i in b]) for b in batches)
    return TreeRows(rows, torch.argsort(torch.tensor([i for batch in batches for i in batch])))


def tree_batches(
    sequences: Sequence[Sequence[int]], groups: Sequence[int], batch_tokens: int
) -> Iterator[list[int]]:
    """Yield indices group by group, cut where the distinct tokens would pass the budget.

    A group's tokens are counted as its common start once and the rest of each sequence.
    """
    batch: list[int] = []
    tokens = 0
    for indices in _by_group(groups):
        ordered = sorted(list(sequences[i]) for i in indices)
        shared = _common_start(ordered[0], ordered[-1])  # these two differ soonest
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


def _by_group(groups: Sequence[int]) -> Iterable[list[int]]:
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return members.values()


def _common_start(a: Sequence[int] | np.ndarray, b: Sequence[int] | np.ndarray) -> int:
    """Return the number of tokens that two sequences begin with alike."""
    shorter = min(len(a), len(b))
    differ = np.flatnonzero(np.asarray(a[:shorter]) != np.asarray(b[:shorter]))
    return int(differ[0]) if len(differ) else shorter


@dataclass
class _Segment:
    """A run of tokens between two branch points of a tree."""

    tokens: np.ndarray
    start: int
    depth: int
    """Position of its first token in the sequences that hold it."""
    above: tuple[Run, ...]
    """The segments from the root down to it."""
    seen_until: int = 0

    @property
    def stop(self) -> int:
        return self.start + len(self.tokens)


def plan_trees(sequences: Sequence[Sequence[int]], groups: Sequence[int]) -> Trees:
    """Lay out token-id sequences; those of one group share whatever prefixes they have in common.

    A sequence that is a prefix of another, or equal to it, costs no tokens of its own.
    """
    segments: list[_Segment] = []
    read_at = [0] * len(sequences)
    for indices in _by_group(groups):
        members = [(np.asarray(sequences[i], dtype=np.int64), i) for i in indices]
        _add_tree(sorted(members, key=lambda member: member[0].tolist()), segments, read_at)
    lengths = [len(one.tokens) for one in segments]
    depths = [np.arange(one.depth, one.depth + len(one.tokens)) for one in segments]
    return Trees(
        torch.from_numpy(np.concatenate([one.tokens for one in segments])),
        torch.from_numpy(np.concatenate(depths)),
        torch.from_numpy(np.repeat([one.seen_until for one in segments], lengths)),
        torch.tensor(read_at),
        _cut_blocks(segments),
    )


def _add_tree(
    members: list[tuple[np.ndarray, int]], segments: list[_Segment], read_at: list[int]
) -> None:
    """Add a radix tree: in lexicographic order each sequence branches off the one before it."""
    length = segments[-1].stop if segments else 0
    shared = [0, *(_common_start(a, b) for (a, _), (b, _) in pairwise(members))]
    path: list[_Segment] = []
    for rank, (tokens, index) in enumerate(members):
        while path and path[-1].depth >= shared[rank]:
            path.pop().seen_until = length
        for start, stop in pairwise(_cuts(shared[rank:], len(tokens))):
            above = tuple((one.start, one.stop) for one in path)
            path.append(_Segment(tokens[start:stop], length, start, above))
            segments.append(path[-1])
            length = path[-1].stop
        read_at[index] = path[-1].stop - 1
    for segment in path:
        segment.seen_until = length


def _cuts(shared: list[int], length: int) -> list[int]:
    """Return depths to cut a sequence's own tokens at, so that later ones can branch off."""
    own, lowest, cuts = shared[0], length, {length}
    for depth in shared[1:]:
        lowest = min(lowest, depth)
        if lowest <= own:
            break
        cuts.add(lowest)
    return [own, *sorted(cuts)] if length > own else [own]


def _cut_blocks(segments: Sequence[_Segment]) -> tuple[Block, ...]:
    """Return blocks that cover the row in order; short neighbours are joined where cheaper."""
    blocks: list[Block] = []
    for segment in segments:
        length = len(segment.tokens)
        count = -(-length // LONGEST_BLOCK)
        edges = [segment.start + length * k // count for k in range(count)] + [segment.stop]
        for start, stop in pairwise(edges):
            block = Block(start, stop, _merged([*segment.above, (segment.start, stop)]))
            blocks += _join(blocks.pop(), block) if blocks else [block]
    return tuple(blocks)


def _join(block: Block, after: Block) -> list[Block]:
    """Return the two as one unless that would be too long or compute too much in vain."""
    joined = Block(block.start, after.stop, _merged(sorted({*block.keys, *after.keys})))
    cheaper = _scores(joined) <= _scores(block) + _scores(after) + BLOCK_COST
    return [joined] if cheaper and after.stop - block.start <= LONGEST_BLOCK else [block, after]


def _scores(block: Block) -> int:
    return (block.stop - block.start) * sum(stop - start for start, stop in block.keys)


def _merged(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return sorted runs with touching and overlapping ones made one."""
    merged: list[Run] = []
    for start, stop in runs:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)
