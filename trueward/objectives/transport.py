"""Entropic optimal transport with uniform marginals: matrix scaling, or the log domain."""

import math
import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from trueward.errors import ObjectiveError
from trueward.types import Scalar

_EVERY = 5
"""Iterations from one look at the column error to the next."""
_TOO_FAR = 0.05
"""Relative error of a column's mass from which a plan counts as not converged."""


@torch.no_grad()
def sinkhorn(
    cost: Float[Tensor, "rows columns"],
    epsilon: float,
    iterations: int,
    *,
    tolerance: float | None = None,
    spread: float | None = None,
) -> Float[Tensor, "rows columns"]:
    """Minimise ⟨T, C⟩ − ε·H(T) over plans T whose rows hold 1/rows and columns 1/columns each.

    Each iteration rescales the columns, then the rows, so rows are exact however few there are.
    On a CPU it stops once no column's mass is off by more than `tolerance` (relative, looked at
    every 5 iterations); without one, 16 roundings of the cost's precision. On an accelerator all
    iterations run, since looking waits for the device.

    With R = (max C − min C) / ε, |log scaling| stays below 1.5·R + log(rows·columns). Where that
    fits the range of float32 or of float64, the plan comes from matrix-vector products with
    exp(−C/ε); elsewhere from sums of logarithms, several times slower. Neither can underflow:
    finite costs give a finite plan. `spread` is a bound on max C − min C that the caller knows;
    without one it is measured, which waits for the device once. Where ε × iterations is below the
    spread the plan is checked, which waits too.

    Float32 at least, under any autocast. The plan has no gradient; ⟨T, C⟩ with T as a constant has
    the gradient of the regularised cost. Memory: one rows × columns matrix beside the cost, in
    the log domain a few.

    Warns:
        RuntimeWarning: ε is so small that the columns missed their mass by more than 5 %.

    Raises:
        ObjectiveError: if ε is not above 0 or there is no iteration.

    Reference: Cuturi (2013), Sinkhorn Distances; Peyré & Cuturi (2019), §4.2 and §4.4.
    """
    if not epsilon > 0 or iterations < 1:
        raise ObjectiveError(
            "sinkhorn: expected epsilon above 0 and at least 1 iteration, "
            f"got epsilon={epsilon:g} and {iterations}"
        )
    with torch.autocast(cost.device.type, enabled=False):
        cost = cost if cost.dtype == torch.float64 else cost.float()
        tolerance = 16 * torch.finfo(cost.dtype).eps if tolerance is None else tolerance
        low, high = cost.aminmax()
        spread = float(high - low) if spread is None else spread
        working = _scaling_dtype(cost, spread / epsilon)
        # powers of 2: on a CPU exp2 is three to four times as fast as exp, and as exact
        unit = epsilon if working is None else epsilon * math.log(2)
        kernel = torch.sub(low / 2 + high / 2, cost).to(working or cost.dtype).div_(unit)
        solve = _in_log_domain if working is None else _by_scaling
        plan, converged = solve(kernel, iterations, tolerance)
        plan = plan.to(cost.dtype)
    if not converged and (_on_host(cost) or epsilon * iterations < spread):
        _warn_unless_close(plan, epsilon, iterations, spread)
    return plan


def column_error(plan: Float[Tensor, "rows columns"]) -> Scalar:
    """Return the largest relative error of a column's mass: 0 for a converged plan."""
    return (plan.sum(dim=0) * plan.shape[1] - 1).abs().max()


def _scaling_dtype(cost: Tensor, ratio: float) -> torch.dtype | None:
    """Return the narrowest precision, the cost's or a wider one, whose range holds every scaling.

    An iteration is monotone and commutes with adding a constant to the log scalings, so it never
    moves them further from a solution than the start, log u = 0, is. A solution of spread R lies
    within R/2 of 0. Hence |log u| ≤ R; kernel entries add R/2, the sums log(rows·columns).
    """
    needed = 1.5 * ratio + math.log(cost.numel())
    wider = () if cost.device.type == "mps" else (torch.float64,)
    fits = (dtype for dtype in (cost.dtype, *wider) if needed < -math.log(torch.finfo(dtype).tiny))
    return next(fits, None)


def _by_scaling(kernel: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, bool]:
    rows, columns = kernel.shape
    kernel, transposed = kernel.exp2_(), kernel.T
    row_mass = kernel.new_full((rows,), 1 / rows)
    column_mass = kernel.new_full((columns,), 1 / columns)
    u, v, v_next = torch.ones_like(row_mass), column_mass.clone(), column_mass.clone()
    for iteration in range(iterations):
        torch.div(column_mass, torch.mv(transposed, u, out=v_next), out=v_next)
        if _looks(kernel, iteration) and float((v / v_next).sub_(1).abs_().max()) < tolerance:
            return kernel.mul_(u[:, None]).mul_(v), True
        v, v_next = v_next, v
        torch.div(row_mass, torch.mv(kernel, v, out=u), out=u)
    return kernel.mul_(u[:, None]).mul_(v), False


def _in_log_domain(kernel: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, bool]:
    rows, columns = kernel.shape
    # costs near the largest float must not become infinite
    kernel.clamp_(min=torch.finfo(kernel.dtype).min / 8, max=torch.finfo(kernel.dtype).max / 8)
    f, g = kernel.new_zeros(rows), kernel.new_zeros(columns)
    converged = False
    for iteration in range(iterations):
        g_next = -math.log(columns) - torch.logsumexp(kernel + f[:, None], dim=0)
        if _looks(kernel, iteration) and float((g - g_next).expm1_().abs_().max()) < tolerance:
            converged = True
            break
        g = g_next
        f = -math.log(rows) - torch.logsumexp(kernel + g, dim=1)
    # not exp(kernel + f + g): where potentials are huge their rounding would show in the rows
    return torch.softmax(kernel.add_(g), dim=1).div_(rows), converged


def _looks(kernel: Tensor, iteration: int) -> bool:
    return iteration % _EVERY == 0 and iteration > 0 and _on_host(kernel)


def _on_host(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def _warn_unless_close(plan: Tensor, epsilon: float, iterations: int, spread: float) -> None:
    error = float(column_error(plan))
    if error > _TOO_FAR:
        warnings.warn(
            f"Sinkhorn with epsilon={epsilon:g} and {iterations} iterations misses a column's mass "
            f"by {error:.0%}: raise epsilon to {max(spread / iterations, 2 * epsilon):.2g} "
            f"or iterations to {math.ceil(max(spread / epsilon, 2 * iterations))}",
            RuntimeWarning,
            stacklevel=4,
        )
