"""Solvers of entropic transport: a cost matrix, ε and a number of iterations in, a plan out."""

import math
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

import ot
from torch import Tensor

from trueward.objectives import sinkhorn

Solver = Callable[[Tensor, float, int], Tensor]


def trueward(cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    return sinkhorn(cost, epsilon, iterations, tolerance=0.0)


def pot(method: str, cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    rows, columns = (cost.new_full((n,), 1 / n) for n in cost.shape)
    return ot.sinkhorn(rows, columns, cost, epsilon, method, iterations, 0.0, warn=False)


def geomloss_solve(cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    from geomloss.ot import solve

    return solve(cost, reg=epsilon, max_iter=iterations).plan


def geomloss_fixed(cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    """GeomLoss's loop without the cooling of ε that `solve` always does."""
    from geomloss._typing import CostMatrices
    from geomloss.ot._abstract_solvers import annealing_parameters, sinkhorn_loop
    from geomloss.ot._implementations.matrix import softmin_dense

    log_rows, log_columns = (cost.new_full((1, n), -math.log(n)) for n in cost.shape)
    found = sinkhorn_loop(
        softmin=softmin_dense,
        log_a_list=[log_rows],
        log_b_list=[log_columns],
        C_list=[CostMatrices(xy=cost[None], yx=cost.T.contiguous()[None])],
        descent=annealing_parameters(maxmin_cost=1, eps=epsilon, n_iter=iterations, scaling=1),
        debias=False,
    )
    potentials = found.f_ba[0][:, None] + found.g_ab[0]
    return ((potentials - cost) / epsilon - math.log(cost.numel())).exp()


def solvers() -> dict[str, Solver]:
    methods = {"POT": "sinkhorn", "POT log": "sinkhorn_log", "POT stab.": "sinkhorn_stabilized"}
    found: dict[str, Solver] = {"trueward": trueward}
    found |= {name: partial(pot, method) for name, method in methods.items()}
    if not _geomloss():
        print("GeomLoss is left out: pip install geomloss==0.3.1")
        return found
    return found | {"GeomLoss": geomloss_fixed, "GeomLoss solve": geomloss_solve}


def peer_versions() -> dict[str, str]:
    return {name: version(name) for name in ("pot", "geomloss") if name == "pot" or _geomloss()}


def _geomloss() -> bool:
    return find_spec("geomloss") is not None
