"""How far a policy has moved from its reference, estimated from the policy's own samples.

With ρ_t = log π(y_t | s_t) − log π_ref(y_t | s_t) at token t of a sampled answer, per token

    k1 = ρ        unbiased, can be negative
    k3 = e^−ρ − 1 + ρ    unbiased, never negative, smaller variance while π is near π_ref

and KL(π ‖ π_ref) of whole answers is the mean over answers of the sum over tokens, in nats.
Limit: far from the reference e^−ρ has heavy tails; where k1 and k3 part, trust neither closely.
Source: Schulman (2020), Approximating KL Divergence.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def k1(log_ratio: Float[Tensor, "answers tokens"]) -> Float[Tensor, "answers tokens"]:
    """Each token's ρ, in nats."""
    return log_ratio


def k3(log_ratio: Float[Tensor, "answers tokens"]) -> Float[Tensor, "answers tokens"]:
    """Each token's e^−ρ − 1 + ρ, in nats; without cancellation near 0."""
    return torch.expm1(-log_ratio) + log_ratio


def over_answers(
    values: Float[Tensor, "answers tokens"], mask: Bool[Tensor, "answers tokens"]
) -> float:
    """Mean over answers of the sum over an answer's own tokens."""
    return float(values.double().masked_fill(~mask, 0.0).sum(dim=1).mean())
