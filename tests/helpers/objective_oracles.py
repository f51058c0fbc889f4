"""Every part's value in float64 NumPy, and how it behaves under shift and swap.

Written from the published equations, without a look at the implementation. A part that is
registered but has no entry in `ORACLES` fails the battery.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

INVARIANT, VARIES = "invariant", "varies"


def ell(x):
    """−log σ(x) = log(1 + e^−x)."""
    return np.logaddexp(0.0, -x)


def sigmoid(x):
    return np.exp(-ell(x))


def sinkhorn(cost, epsilon, iterations):
    """Matrix scaling of exp(−C/ε) to uniform marginals: columns, then rows."""
    rows, columns = cost.shape
    kernel = np.exp(-(cost - cost.min()) / epsilon)
    u = np.ones(rows)
    for _ in range(iterations):
        v = (1 / columns) / (kernel.T @ u)
        u = (1 / rows) / (kernel @ v)
    return u[:, None] * kernel * v[None, :]


def cosine(a, b):
    product = a @ b.T
    lengths = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return np.divide(product, lengths, out=np.zeros_like(product), where=lengths > 0)


# --- preference losses: (batch, gap, parameters) -> one value a pair ---------------------------


def bt(batch, gap):
    return ell(gap)


def dr(batch, gap):
    return ell(gap) + ell(batch.chosen) + ell(-batch.rejected)


def flip_corrected(batch, gap, epsilon=0.1):
    return ((1 - epsilon) * ell(gap) - epsilon * ell(-gap)) / (1 - 2 * epsilon)


def hinge(batch, gap, margin=1.0):
    return np.maximum(0.0, margin - gap)


def label_smoothing(batch, gap, epsilon=0.1):
    return (1 - epsilon) * ell(gap) + epsilon * ell(-gap)


def _norm(batch):
    return np.sqrt(batch.chosen**2 + batch.rejected**2 + 1e-8)


def logit_norm(batch, gap, temperature=1.0):
    return ell(gap / (temperature * _norm(batch)))


def _distance_weight(batch):
    distance = np.sqrt(((batch.chosen_hidden - batch.rejected_hidden) ** 2).sum(axis=1))
    return distance.mean() / (distance + 1e-6)


def normbt(batch, gap, momentum=0.9):
    return _distance_weight(batch) * ell(gap)


def soft_target(batch, gap):
    return batch.target * ell(gap) + (1 - batch.target) * ell(-gap)


def triplet(batch, gap):
    return np.maximum(0.0, -gap)


# --- margins: (batch, parameters) -> one value a pair -------------------------------------------


def margin(batch, value=1.0):
    return np.full(len(batch.chosen), value)


def margin_column(batch, scale=1.0):
    return scale * batch.margin


def aplot_cost(batch, omega=0.9, reward_cost=True, similarity_cost=True):
    difference = np.abs(batch.chosen[:, None] - batch.rejected[None, :])
    cost = np.zeros_like(difference)
    if reward_cost:
        cost += omega * (1 - sigmoid(difference))
    if similarity_cost:
        cost += (1 - omega) * cosine(batch.chosen_hidden, batch.rejected_hidden)
    return cost


def aplot(batch, epsilon=0.1, iterations=50, kappa="batch", **cost_parameters):
    cost = aplot_cost(batch, **cost_parameters)
    plan = sinkhorn(cost, epsilon, iterations)
    return (len(cost) if kappa == "batch" else kappa) * (plan * cost).sum(axis=1)


# --- penalties: (batch, parameters) -> a scalar -------------------------------------------------


def bsr(batch, weight=1e-3):
    total = batch.chosen.sum() + batch.rejected.sum()
    return weight / (4 * len(batch.chosen)) * total**2


def centering(batch, weight=0.01):
    return weight * np.mean((batch.chosen + batch.rejected) ** 2)


def contrast(batch, weight=0.3):
    return weight * np.mean(ell(batch.chosen - batch.foreign))


# --- how each behaves ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Oracle:
    value: Callable[..., Any]
    shift: str
    """Under the same shift of every reward: INVARIANT or VARIES."""
    swap: Callable[..., Any] | str
    """Value of the swapped pair less the pair's own, (batch, gap, parameters); or a statement."""
    settings: tuple[dict[str, Any], ...] = ({},)
    """Parameters under which the battery runs."""


def _swap_hinge(batch, gap, margin=1.0):
    return np.sign(gap) * (np.abs(gap) + np.minimum(np.abs(gap), margin))


ORACLES: dict[str, Oracle] = {
    "bt": Oracle(bt, INVARIANT, lambda batch, gap: gap),
    "dr": Oracle(dr, VARIES, lambda batch, gap: 2 * gap),
    "flip_corrected": Oracle(
        flip_corrected,
        INVARIANT,
        lambda batch, gap, epsilon=0.1: gap / (1 - 2 * epsilon),
        ({}, {"epsilon": 0.4}),
    ),
    "hinge": Oracle(hinge, INVARIANT, _swap_hinge, ({}, {"margin": 2.5})),
    "label_smoothing": Oracle(
        label_smoothing,
        INVARIANT,
        lambda batch, gap, epsilon=0.1: (1 - 2 * epsilon) * gap,
        ({}, {"epsilon": 0.3}),
    ),
    "logit_norm": Oracle(
        logit_norm,
        VARIES,
        lambda batch, gap, temperature=1.0: gap / (temperature * _norm(batch)),
        ({}, {"temperature": 0.2}),
    ),
    "normbt": Oracle(
        normbt,
        INVARIANT,
        lambda batch, gap, momentum=0.9: _distance_weight(batch) * gap,
        ({}, {"momentum": 0.5}),
    ),
    "soft_target": Oracle(soft_target, INVARIANT, lambda batch, gap: 0 * gap),
    "triplet": Oracle(triplet, INVARIANT, lambda batch, gap: gap),
    "margin": Oracle(margin, INVARIANT, INVARIANT, ({}, {"value": -0.5})),
    "margin_column": Oracle(margin_column, INVARIANT, INVARIANT, ({}, {"scale": 0.25})),
    "aplot": Oracle(
        aplot,
        INVARIANT,
        "total",
        (
            {},
            {"kappa": 1.0, "omega": 0.5},
            {"epsilon": 1.0, "iterations": 20, "similarity_cost": False},
            {"reward_cost": False, "kappa": 3.0},
        ),
    ),
    "bsr": Oracle(bsr, VARIES, INVARIANT, ({}, {"weight": 0.5})),
    "centering": Oracle(centering, VARIES, INVARIANT, ({}, {"weight": 2.0})),
    "contrast": Oracle(contrast, INVARIANT, VARIES, ({}, {"weight": 1.5})),
}
