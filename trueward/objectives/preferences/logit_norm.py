"""Bradley–Terry on normalised rewards (BT-Norm)."""

import torch

from trueward.objectives.part import Preference, State, Term, nll, param, register
from trueward.types import PairScores, PairVector

FLOOR = 1e-4
"""Lower end of the norm, in logits: keeps the gradient finite where both rewards are 0."""


@register("logit_norm")
class LogitNorm(Preference):
    """Bradley–Terry on the gap divided by the norm of the pair's two rewards.

    Only the direction of (r⁺, r⁻) counts, so the loss cannot fall by growing the rewards: at
    temperature 1 it stays above log(1 + e^−√2) ≈ 0.218 nats. The norm is floored smoothly at
    1e-4 logits, which bounds the gradient at rewards of 0. A shift of both rewards changes it.
    """

    equation = "ℓ(Δ′ / (τ·√(r⁺² + r⁻²)))"
    choose_when = "as a baseline for norm control; lost to BT in published tables"
    paper = "Wei et al. 2022, arXiv 2205.09310; BT-Norm in arXiv 2505.07271"

    temperature: float = param(1.0, "τ: smaller makes the loss steeper, above 0")

    def __post_init__(self) -> None:
        self._require("temperature", self.temperature > 0, "above 0")

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        norm = torch.sqrt(batch.chosen**2 + batch.rejected**2 + FLOOR**2)
        return Term(nll(gap / (self.temperature * norm)))
