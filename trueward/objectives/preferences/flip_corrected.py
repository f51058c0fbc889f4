"""Bradley–Terry, unbiased under label flips at a known rate."""

from trueward.objectives.part import Preference, State, Term, nll, param, register
from trueward.types import PairScores, PairVector


@register("flip_corrected")
class FlipCorrected(Preference):
    """Unbiased under flips: its expectation over labels flipped at rate ε is the clean loss.

    ε = 0 is Bradley–Terry. The loss is unbounded below (it falls like −ε/(1−2ε)·Δ′ for large
    gaps), so keep the training short or add a penalty.
    """

    equation = "[(1−ε)·ℓ(Δ′) − ε·ℓ(−Δ′)] / (1−2ε)"
    choose_when = "the rate of wrong labels is known, and noise is symmetric"
    paper = "Natarajan et al. 2013; Chowdhury et al. 2024, arXiv 2403.00409"

    epsilon: float = param(0.1, "the rate of flipped labels, in [0, 0.5)")

    def __post_init__(self) -> None:
        self._require("epsilon", 0 <= self.epsilon < 0.5, "in [0, 0.5)")

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        clean = (1 - self.epsilon) * nll(gap) - self.epsilon * nll(-gap)
        return Term(clean / (1 - 2 * self.epsilon))
