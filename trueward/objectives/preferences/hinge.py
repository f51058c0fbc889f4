"""Hinge with a fixed margin."""

from trueward.objectives.part import Preference, State, Term, param, register
from trueward.types import PairScores, PairVector


@register("hinge")
class Hinge(Preference):
    """Zero once the gap reaches the margin, linear below it.

    A margin part adds to the fixed margin. The gradient is −1 or 0; at the kink it is 0.
    """

    equation = "max(0, margin − Δ′)"
    choose_when = "pairs already well apart should stop driving the rewards"
    paper = "baseline in Hong et al. 2025, arXiv 2505.07271"

    margin: float = param(1.0, "the gap from which a pair costs nothing, in logits, at least 0")

    def __post_init__(self) -> None:
        self._require("margin", self.margin >= 0, "at least 0")

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        return Term((self.margin - gap).relu())
