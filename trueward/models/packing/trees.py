"""Sequences that share prefixes, laid out as trees in one row of tokens without padding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from trueward.models.batching import common_start
from trueward.models.packing.blocks import Block, Segment, cut_blocks


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
    """Where each sequence ends, in the order given."""
    blocks: tuple[Block, ...]
    """The row cut into runs of queries, each with the earlier runs that it sees."""

    def to(self, device: Any, non_blocking: bool = False) -> "Trees":
        """The same trees on another device."""
        names = ("input_ids", "position_ids", "seen_until", "read_at")
        moved = {n: getattr(self, n).to(device, non_blocking=non_blocking) for n in names}
        return replace(self, **moved)


def plan_trees(sequences: Sequence[Sequence[int]], groups: Sequence[int]) -> Trees:
    """Lay out token-id sequences; those of one group share whatever prefixes they have in common.

    A sequence that is a prefix of another, or equal to it, costs no tokens of its own.
    """
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    layout = _Layout(len(sequences))
    for indices in members.values():
        layout.add_tree([(np.asarray(sequences[i], dtype=np.int64), i) for i in indices])
    return layout.trees()


class _Layout:
    """The row as it grows, tree by tree."""

    def __init__(self, sequences: int) -> None:
        self.length = 0
        self.tokens: list[np.ndarray] = []
        self.depths: list[np.ndarray] = []
        self.segments: list[Segment] = []
        self.ends: list[int] = []
        self.read_at = [0] * sequences

    def add_tree(self, members: list[tuple[np.ndarray, int]]) -> None:
        """A radix tree: in lexicographic order each sequence branches off the one before it."""
        members = sorted(members, key=lambda member: member[0].tolist())
        ids = [sequence for sequence, _ in members]
        shared = [0, *(common_start(a, b) for a, b in pairwise(ids))]
        path: list[int] = []
        for rank, (sequence, index) in enumerate(members):
            while path and self.segments[path[-1]].depth >= shared[rank]:
                self._close(path.pop())
            path += self._branch(sequence, _cuts(shared[rank:], len(sequence)), path)
            last = self.segments[path[-1]]
            self.read_at[index] = last.start + last.length - 1
        while path:
            self._close(path.pop())

    def _branch(self, sequence: np.ndarray, cuts: list[int], path: list[int]) -> list[int]:
        new: list[int] = []
        for start, stop in pairwise(cuts):
            new.append(len(self.segments))
            above = tuple(path + new[:-1])
            self.segments.append(Segment(self.length, stop - start, start, above))
            self.ends.append(0)
            self.tokens.append(sequence[start:stop])
            self.depths.append(np.arange(start, stop))
            self.length += stop - start
        return new

    def _close(self, segment: int) -> None:
        self.ends[segment] = self.length

    def trees(self) -> Trees:
        lengths = [segment.length for segment in self.segments]
        return Trees(
            torch.from_numpy(np.concatenate(self.tokens)),
            torch.from_numpy(np.concatenate(self.depths)),
            torch.from_numpy(np.repeat(np.asarray(self.ends), lengths)),
            torch.tensor(self.read_at),
            cut_blocks(self.segments),
        )


def _cuts(shared: list[int], length: int) -> list[int]:
    """Depths between which a sequence's own tokens are cut, so that later ones can branch off."""
    own = shared[0]
    cuts = {length}
    lowest = length
    for depth in shared[1:]:
        lowest = min(lowest, depth)
        if lowest <= own:
            break
        cuts.add(lowest)
    return [own, *sorted(cuts)] if length > own else [own]
