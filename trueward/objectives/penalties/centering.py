"""Centering: the sum of each pair's rewards near zero."""

from trueward.objectives.part import Penalty, State, Term, param, register
from trueward.types import PairScores


@register("centering")
class Centering(Penalty):
    """Pulls the sum of each pair's two rewards towards zero.

    TRL's `center_rewards_coefficient`. Unlike `bsr` it holds for every pair by itself, so easy
    and hard prompts cannot balance each other. Swapping a pair changes nothing.
    """

    equation = "weight · mean (r⁺ + r⁻)²"
    choose_when = "rewards should have mean zero under every prompt"
    paper = "Eisenstein et al. 2023, arXiv 2312.09244"

    weight: float = param(0.01, "weight of the penalty, at least 0")

    def __post_init__(self) -> None:
        self._require("weight", self.weight >= 0, "at least 0")

    def __call__(self, batch: PairScores, state: State) -> Term:
        return Term(self.weight * ((batch.chosen + batch.rejected) ** 2).mean())
