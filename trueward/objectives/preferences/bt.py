"""Bradley–Terry, the default."""

from trueward.objectives.part import Preference, State, Term, nll, register
from trueward.types import PairScores, PairVector


@register("bt")
class BradleyTerry(Preference):
    """The negative log-likelihood of the Bradley–Terry model.

    Per pair, in nats; the same for any shift of both rewards. The gradient in the gap is
    −σ(−Δ′), at most 1 in size. Swapping the pair adds the gap: ℓ(−Δ′) = ℓ(Δ′) + Δ′.
    """

    equation = "ℓ(Δ′)"
    choose_when = "always as the baseline; hard to beat in distribution"
    paper = "Bradley & Terry 1952; Ouyang et al. 2022"

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        return Term(nll(gap))
