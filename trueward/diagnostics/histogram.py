"""A distribution as counts between edges."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Histogram:
    """Counts between edges; one edge more than counts."""

    edges: Sequence[float]
    counts: Sequence[int]
