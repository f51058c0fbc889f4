"""Trees cut into blocks of queries, so that attention touches little that the mask would hide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST = 256
"""Queries in a block at most: longer runs spend their time on keys that lie after the query."""
OVERHEAD = 6000
"""Scores (query × key) that cost about what one more block costs."""


@dataclass(frozen=True)
class Segment:
    """A run of tokens between two branch points."""

    start: int
    length: int
    depth: int
    """Position of its first token in the sequences that hold it."""
    above: tuple[int, ...]
    """Indices of the segments from the root down to it."""


@dataclass(frozen=True)
class Block:
    """Consecutive queries and the runs of tokens that at least one of them sees."""

    start: int
    stop: int
    keys: tuple[tuple[int, int], ...]
    """Runs (start, stop) in order, without gaps inside one; the last ends with the block."""


def cut_blocks(segments: Sequence[Segment]) -> tuple[Block, ...]:
    """Blocks that cover the row in order; short neighbours are joined where that is cheaper."""
    blocks: list[Block] = []
    for piece in _pieces(segments):
        joined = _join(blocks[-1], piece) if blocks else None
        if joined is not None:
            blocks[-1] = joined
        else:
            blocks.append(piece)
    return tuple(blocks)


def _pieces(segments: Sequence[Segment]) -> Iterator[Block]:
    for segment in segments:
        above = [(segments[i].start, segments[i].start + segments[i].length) for i in segment.above]
        end = segment.start + segment.length
        count = -(-segment.length // LONGEST)
        edges = [segment.start + segment.length * k // count for k in range(count)] + [end]
        for start, stop in pairwise(edges):
            yield Block(start, stop, _merged([*above, (segment.start, stop)]))


def _join(block: Block, piece: Block) -> Block | None:
    """The two as one, or None where they would be too long or compute too much in vain."""
    if piece.stop - block.start > LONGEST:
        return None
    joined = Block(block.start, piece.stop, _merged(sorted({*block.keys, *piece.keys})))
    return joined if _scores(joined) <= _scores(block) + _scores(piece) + OVERHEAD else None


def _scores(block: Block) -> int:
    return (block.stop - block.start) * sum(stop - start for start, stop in block.keys)


def _merged(runs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted runs with touching and overlapping ones made one."""
    merged: list[tuple[int, int]] = []
    for start, stop in runs:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)
