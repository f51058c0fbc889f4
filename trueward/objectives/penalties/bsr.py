"""BSR: batch-wise sum-to-zero regularization."""

import torch

from trueward.objectives.part import Penalty, State, Term, param, register
from trueward.types import PairScores


@register("bsr")
class BSR(Penalty):
    """Pulls the sum of all rewards of a batch towards zero.

    With b pairs and λ = `weight` it adds (λ·b)·(mean of the 2b rewards)². Written with the sum S
    of the 2b rewards the same penalty is (λ / 4b)·S². b is the number of pairs handed in: one
    micro-batch on one device, unless the trainer gathers more. Swapping a pair changes nothing.
    Metric: `reward_sum`, S in logits.
    """

    equation = "(λ·b)·(mean of the 2b rewards)² = (λ/4b)·S²"
    choose_when = "hidden norms spread or a policy will be optimised against it"
    paper = "Hong et al. 2025, arXiv 2505.07271"
    batch_level = True

    weight: float = param(1e-3, "λ, at least 0")

    def __post_init__(self) -> None:
        self._require("weight", self.weight >= 0, "at least 0")

    def __call__(self, batch: PairScores, state: State) -> Term:
        rewards = torch.cat([batch.chosen, batch.rejected])
        penalty = self.weight * len(batch.chosen) * rewards.mean() ** 2
        return Term(penalty, {"reward_sum": rewards.detach().sum()})
