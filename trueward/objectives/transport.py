"""Entropic optimal transport with uniform marginals, in the log domain."""

import math
import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from trueward.types import Scalar

_SAFE = 1.0
"""epsilon × iterations from which costs of unit range reach their marginals."""
_TOLERANCE = 0.05
"""Relative error of a column's mass from which a plan counts as not converged."""


def sinkhorn_log(
    cost: Float[Tensor, "rows columns"], epsilon: float, iterations: int
) -> Float[Tensor, "rows columns"]:
    """The plan T that minimises ⟨T, C⟩ − ε·H(T), every row holding 1/rows and column 1/columns.

    Each iteration rescales the columns, then the rows, so rows are exact however few there are.
    Costs are meant to have about unit range: divide them by their scale first where they don't.
    A small ε needs many iterations. Below epsilon × iterations = 1 the plan is checked, which
    waits for the device once; above, it is not. Memory: a few rows × columns matrices.

    Warns:
        RuntimeWarning: ε is so small that the columns missed their mass by more than 5 %.

    Reference: Cuturi (2013), Sinkhorn Distances; log domain after Peyré & Cuturi (2019), §4.4.
    """
    rows, columns = cost.shape
    kernel = -cost / epsilon
    row_potential = cost.new_zeros(rows)
    column_potential = cost.new_zeros(columns)
    for _ in range(iterations):
        column_potential = -math.log(columns) - torch.logsumexp(
            kernel + row_potential[:, None], dim=0
        )
        row_potential = -math.log(rows) - torch.logsumexp(kernel + column_potential, dim=1)
    plan = torch.exp(kernel + row_potential[:, None] + column_potential)
    if epsilon * iterations < _SAFE:
        _warn_unless_converged(plan, epsilon, iterations)
    return plan


def column_error(plan: Float[Tensor, "rows columns"]) -> Scalar:
    """The largest relative error of a column's mass: 0 for a converged plan."""
    return (plan.sum(dim=0) * plan.shape[1] - 1).abs().max()


def _warn_unless_converged(plan: Tensor, epsilon: float, iterations: int) -> None:
    error = float(column_error(plan))
    if error > _TOLERANCE:
        warnings.warn(
            f"Sinkhorn with epsilon={epsilon:g} and {iterations} iterations misses a column's mass "
            f"by {error:.0%}: raise epsilon to {_SAFE / iterations:.2g} "
            f"or iterations to {math.ceil(_SAFE / epsilon)}",
            RuntimeWarning,
            stacklevel=3,
        )
