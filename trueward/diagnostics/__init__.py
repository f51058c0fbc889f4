"""Diagnostics of a reward model: norms, effective rank, length bias; arrays in, numbers out."""

from trueward.diagnostics.effective_rank import effective_rank
from trueward.diagnostics.length import (
    LengthCorrelation,
    ShorterChosen,
    accuracy_when_shorter_chosen,
    length_correlation,
)
from trueward.diagnostics.norms import (
    Moments,
    NormShift,
    NormStatistics,
    difference_statistics,
    norm_shift,
    norm_statistics,
    split_norms,
)

__all__ = [
    "LengthCorrelation",
    "Moments",
    "NormShift",
    "NormStatistics",
    "ShorterChosen",
    "accuracy_when_shorter_chosen",
    "difference_statistics",
    "effective_rank",
    "length_correlation",
    "norm_shift",
    "norm_statistics",
    "split_norms",
]
