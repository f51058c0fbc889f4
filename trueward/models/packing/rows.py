"""Trees in several rows, so that no single pass holds more tokens than a budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from trueward.models.batching import tree_batches
from trueward.models.packing.trees import Trees, plan_trees


@dataclass(frozen=True)
class TreeRows:
    """Rows of trees, each a forward pass of its own, and the way back to the order given."""

    rows: tuple[Trees, ...]
    back: Int[Tensor, " sequences"]
    """For each sequence its place among those of all rows, one row after the other."""

    def to(self, device: Any, non_blocking: bool = False) -> "TreeRows":
        """The same rows on another device."""
        rows = tuple(row.to(device, non_blocking=non_blocking) for row in self.rows)
        return replace(self, rows=rows, back=self.back.to(device, non_blocking=non_blocking))

    @property
    def tokens(self) -> int:
        """How many tokens go through the model."""
        return sum(len(row.input_ids) for row in self.rows)


def plan_rows(
    sequences: Sequence[Sequence[int]], groups: Sequence[int], row_tokens: int | None = None
) -> TreeRows:
    """`plan_trees`, cut into rows of at most `row_tokens` tokens; None for one row.

    A group that is longer is cut too, and its common start then computed once a row; a sequence
    that is longer has a row to itself.
    """
    if row_tokens is None:
        return TreeRows((plan_trees(sequences, groups),), torch.arange(len(sequences)))
    batches = list(tree_batches(sequences, groups, row_tokens))
    rows = tuple(plan_trees([sequences[i] for i in b], [groups[i] for i in b]) for b in batches)
    return TreeRows(rows, torch.argsort(torch.tensor([i for batch in batches for i in batch])))
