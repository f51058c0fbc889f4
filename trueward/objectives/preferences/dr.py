"""Bradley–Terry with a direct reward term (Eurus)."""

from trueward.objectives.part import Preference, State, Term, nll, register
from trueward.types import PairScores, PairVector


@register("dr")
class DR(Preference):
    """Bradley–Terry, plus a direct term that asks for r⁺ above 0 and r⁻ below 0.

    Fixes the scale's origin, so it changes under a shift of both rewards. A margin part shifts
    the first term alone. With r⁺ = r⁻ = 0 it is 3 log 2.
    """

    equation = "ℓ(Δ′) + ℓ(r⁺) + ℓ(−r⁻)"
    choose_when = "an absolute score with a meaningful zero is wanted"
    paper = "Yuan et al. 2024, arXiv 2404.02078"

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        return Term(nll(gap) + nll(batch.chosen) + nll(-batch.rejected))
