"""The numerical ground of every objective: precision, log-sigmoid, weighted mean."""

from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from trueward.types import PairScores, PairVector, Scalar


def nll(logit: Tensor) -> Tensor:
    """ℓ(x) = −log σ(x) in nats, elementwise; exact to rounding for |x| up to 1e4 and beyond."""
    return softplus(-logit)


def at_least_float32(scores: PairScores) -> PairScores:
    """The same scores with half types cast up; float32 and float64 stay as they are."""
    present = {f.name: getattr(scores, f.name) for f in fields(scores)}
    cast = {
        name: value.to(torch.promote_types(value.dtype, torch.float32))
        for name, value in present.items()
        if value is not None
    }
    return replace(scores, **cast)


def weighted_mean(values: PairVector, weight: PairVector | None) -> Scalar:
    """Σ w·v / Σ w, the mean if `weight` is None, and 0 if every weight is 0."""
    if weight is None:
        return values.mean()
    total = weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight * values).sum() / total
