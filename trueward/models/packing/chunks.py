"""A batch cut into chunks of like length, for models that trees cannot serve."""

from collections.abc import Sequence

import numpy as np

OVERHEAD = 64
"""Padded tokens that cost about what one more forward pass costs."""


def length_chunks(lengths: Sequence[int], most: int, *, exactly: bool = False) -> list[list[int]]:
    """Indices in chunks that waste the least padding, by dynamic programming over sorted lengths.

    At most `most` chunks, a further one only where it spares `OVERHEAD` tokens; with `exactly`,
    that many whatever they spare.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    ordered = np.asarray([lengths[i] for i in order])
    most = min(most, len(order))
    cost = np.full((most + 1, len(order) + 1), np.inf)
    cost[0, 0] = 0
    cut = np.zeros((most + 1, len(order) + 1), dtype=np.int64)
    for count in range(1, most + 1):
        for stop in range(count, len(order) + 1):
            starts = np.arange(stop)
            tries = cost[count - 1, :stop] + (stop - starts) * ordered[:stop]
            cut[count, stop] = tries.argmin()
            cost[count, stop] = tries.min()
    counts = np.arange(most + 1)
    best = most if exactly else int((cost[:, -1] + OVERHEAD * counts).argmin())
    return _walk_back(order, cut, best)


def _walk_back(order: list[int], cut: np.ndarray, count: int) -> list[list[int]]:
    chunks: list[list[int]] = []
    stop = len(order)
    for left in range(count, 0, -1):
        start = int(cut[left, stop])
        chunks.append(order[start:stop])
        stop = start
    return chunks[::-1]
