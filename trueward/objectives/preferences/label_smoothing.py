"""Bradley–Terry on smoothed labels."""

from trueward.objectives.part import Preference, State, Term, nll, param, register
from trueward.types import PairScores, PairVector


@register("label_smoothing")
class LabelSmoothing(Preference):
    """The expected Bradley–Terry loss if a share ε of the labels is wrong.

    Smallest at Δ′ = log((1−ε)/ε), so gaps stay bounded. ε = 0 is Bradley–Terry, ε = 0.5 ignores
    the labels.
    """

    equation = "(1−ε)·ℓ(Δ′) + ε·ℓ(−Δ′)"
    choose_when = "labels are noisy, or rewards grow too confident"
    paper = "Mitchell 2023 (cDPO); Wang et al. 2024, arXiv 2401.06080"

    epsilon: float = param(0.1, "the share of labels taken to be wrong, in [0, 0.5]")

    def __post_init__(self) -> None:
        self._require("epsilon", 0 <= self.epsilon <= 0.5, "in [0, 0.5]")

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        return Term((1 - self.epsilon) * nll(gap) + self.epsilon * nll(-gap))
