"""Milliseconds of a transport plan: ours, POT's (torch) and GeomLoss's, at the same accuracy.

    python benchmarks/sinkhorn.py --out sinkhorn.json

Each solver is told the fewest iterations that bring every row's and column's mass within `--error`
of its due (relative, measured on the plan it returns), and its own stopping rule is off. Only the
call is timed, from the cost matrix to the plan. Two costs, both in [0, 1]: uniform random numbers,
and squared distances of random points of a square, which take more iterations. At 1,024 all of
50 iterations are also set against the 100 matrix-vector products they cannot do without.
"""

import argparse
import warnings
from bisect import bisect_left as bisect
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
from common import alternate, ratio_summary, write
from torch import Tensor
from transport_solvers import Solver, peer_versions, solvers, trueward

COSTS = ("uniform", "points")
MOST = 100
"""Iterations that a solver may take to reach the error."""


def cost_matrix(kind: str, size: int) -> Tensor:
    random = torch.Generator().manual_seed(size)
    if kind == "uniform":
        return torch.rand(size, size, generator=random)
    here, there = (torch.rand(size, 2, generator=random) for _ in range(2))
    squared = torch.cdist(here, there).square()
    return squared / squared.max()


def marginal_error(plan: Tensor) -> float:
    """The largest relative error of a row's or a column's mass, summed in float64."""
    sums = (plan.sum(dim, dtype=torch.float64) for dim in (0, 1))
    return max(float((mass * len(mass) - 1).abs().max()) for mass in sums)


def fewest(solver: Solver, cost: Tensor, epsilon: float, error: float) -> tuple[int, float]:
    """The fewest iterations that reach the error, at most MOST, and the error they reach."""

    def error_after(iterations: int) -> float:
        return marginal_error(solver(cost, epsilon, iterations))

    if (reached := error_after(MOST)) > error:
        return MOST, reached
    iterations = 1 + bisect(range(1, MOST), -error, key=lambda k: -error_after(k))
    return iterations, error_after(iterations)


def line(name: str, found: dict[str, Any]) -> str:
    start = f"{name}: {found['iterations']} iterations, error {found['error']:.1e}"
    if not found["reached"]:
        return f"{start}: not reached"
    return f"{start}, {1e3 * median(found['seconds']):.3f} ms, ratio {show(found['ratio'])}"


def measure(
    kind: str, size: int, candidates: dict[str, Solver], args: argparse.Namespace
) -> dict[str, Any]:
    cost = cost_matrix(kind, size)
    found, runs = {}, {}
    for name, solver in candidates.items():
        iterations, error = fewest(solver, cost, args.epsilon, args.error)
        found[name] = {"iterations": iterations, "error": error, "reached": error <= args.error}
        if error <= args.error:
            runs[name] = partial(solver, cost, args.epsilon, iterations)
    if "trueward" not in runs or len(runs) == 1:
        raise SystemExit(
            f"too few solvers reach --error {args.error:g} in {MOST} iterations: raise it"
        )
    seconds = alternate(runs, args.rounds)
    for name, times in seconds.items():
        found[name] |= {"seconds": times, "ratio": ratio_summary(times, seconds["trueward"])}
    for name in found:
        print(f"{kind} {size} {line(name, found[name])}", flush=True)
    peers = [name for name in runs if name != "trueward"]
    best = min(peers, key=lambda name: found[name]["ratio"]["median"])
    return {"cost": kind, "size": size, "best_peer": best, "solvers": found}


def products(size: int, args: argparse.Namespace) -> dict[str, Any]:
    """All of 50 iterations against 100 products with the matrix and its transpose in turns."""
    cost = cost_matrix("uniform", size)
    into = torch.ones(size)

    def multiply() -> None:
        for _ in range(50):
            torch.mv(cost.T, into)
            torch.mv(cost, into)

    runs = {"trueward": partial(trueward, cost, args.epsilon, 50), "products": multiply}
    seconds = alternate(runs, args.rounds)
    return {"ratio": ratio_summary(seconds["trueward"], seconds["products"]), "seconds": seconds}


def show(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]"


def row(result: dict[str, Any]) -> list[str]:
    best, ours = (result["solvers"][name] for name in (result["best_peer"], "trueward"))
    return [
        result["cost"],
        str(result["size"]),
        f"{max(best['error'], ours['error']):.0e}",
        f"{1e3 * median(ours['seconds']):.3f}",
        f"{1e3 * median(best['seconds']):.3f}",
        result["best_peer"],
        show(best["ratio"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--costs", nargs="+", default=COSTS, choices=COSTS)
    parser.add_argument("--epsilon", type=float, default=0.1)
    parser.add_argument("--error", type=float, default=1e-5)
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    # every solver warns of iterations too few, which the search for the fewest gives it
    warnings.simplefilter("ignore", RuntimeWarning)
    candidates = solvers()
    results = [measure(*each, candidates, args) for each in product(args.costs, args.sizes)]
    against_products = products(1024, args)
    header = ["cost", "size", "error", "ours ms", "peer ms", "best peer", "peer / ours"]
    document = {
        "benchmark": "sinkhorn",
        "peers": peer_versions(),
        "epsilon": args.epsilon,
        "error": args.error,
        "results": results,
        "products": against_products,
    }
    write(args.out, document, header, [row(result) for result in results])
    print(f"1024: 50 iterations / 100 matrix-vector products: {show(against_products['ratio'])}")


if __name__ == "__main__":
    main()
