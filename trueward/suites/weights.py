"""How a benchmark puts its numbers together: every part is a weighted sum of cell means."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Weights: TypeAlias = dict[str, float]
"""Cell to weight; empty where the part has no data."""


def mean(cell: str, counts: Mapping[str, int]) -> Weights:
    """The cell's own mean; empty without a defined value."""
    return {cell: 1.0} if counts.get(cell) else {}


def blend(parts: Iterable[tuple[float, Weights]]) -> Weights:
    """Σ_p w_p·part_p / Σ_p w_p over the parts that have data: absent ones are masked."""
    present = [(weight, part) for weight, part in parts if part and weight > 0]
    total = sum(weight for weight, _ in present)
    blended: Weights = {}
    for weight, part in present:
        for cell, share in part.items():
            blended[cell] = blended.get(cell, 0.0) + weight * share / total
    return blended


def plain_mean(parts: Iterable[Weights]) -> Weights:
    """The unweighted mean of the parts that have data."""
    return blend((1.0, part) for part in parts)
