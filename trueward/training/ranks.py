"""Rows of pairs over the ranks of a run: gathered where their numbers differ, repeats left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from trueward.types import PairScores


@dataclass(frozen=True)
class Gathered:
    """The rows of all ranks, in the order of ranks, and where this rank's rows begin."""

    rows: Float[Tensor, "pairs columns"]
    start: int


def gather_rows(own: Float[Tensor, "own columns"], accelerator: Accelerator) -> Gathered:
    """Every rank's rows on every rank, though each may have another number of them, even none."""
    if accelerator.num_processes == 1:
        return Gathered(own, 0)
    counts = accelerator.gather(torch.tensor([len(own)], device=own.device)).tolist()
    padded = own.new_zeros(max(counts), own.shape[1])
    padded[: len(own)] = own
    blocks = accelerator.gather(padded).split(max(counts))
    rows = torch.cat([block[:count] for block, count in zip(blocks, counts, strict=True)])
    return Gathered(rows, sum(counts[: accelerator.process_index]))


def rows_of_data(rows: int, accelerator: Accelerator) -> int:
    """How many of the first rows of a rank's newest batch are data, and not there to fill ranks.

    At the end of the data accelerate repeats rows (`even_batches`), so that every rank has a full
    batch; in the order of ranks they come last.
    """
    loading = accelerator.gradient_state
    if not loading.end_of_dataloader or loading.remainder <= 0:
        return rows
    return min(max(loading.remainder - accelerator.process_index * rows, 0), rows)


def to_table(scores: PairScores) -> Float[Tensor, "pairs columns"]:
    """All fields that are there side by side, in float32."""
    present = [getattr(scores, f.name) for f in fields(scores)]
    columns = [v if v.ndim == 2 else v[:, None] for v in present if v is not None]
    return torch.cat([column.detach().float() for column in columns], dim=1)


def from_table(table: Float[Tensor, "pairs columns"], like: PairScores) -> PairScores:
    """The fields that `like` has, in the rows of a table that `to_table` made."""
    named = {f.name: getattr(like, f.name) for f in fields(like)}
    widths = {n: v.shape[1] if v.ndim == 2 else 1 for n, v in named.items() if v is not None}
    parts = dict(zip(widths, table.split(list(widths.values()), dim=1), strict=True))
    return PairScores(
        **{name: part if named[name].ndim == 2 else part[:, 0] for name, part in parts.items()}
    )


def split_rows(
    values: Mapping[str, Tensor], start: int, counts: Sequence[int]
) -> list[dict[str, Tensor]]:
    """Consecutive blocks of rows of each value, the first beginning at `start`."""
    ends = [start + sum(counts[: i + 1]) for i in range(len(counts))]
    return [
        {name: value[end - count : end] for name, value in values.items()}
        for end, count in zip(ends, counts, strict=True)
    ]
