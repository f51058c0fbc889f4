"""Bradley–Terry on graded labels."""

from trueward.objectives.part import Preference, State, Term, nll, register
from trueward.types import PairScores, PairVector


@register("soft_target")
class SoftTarget(Preference):
    """Cross-entropy against the data's probability t that the chosen response is better.

    t = 1 is Bradley–Terry, t = ½ asks for equal rewards. Smallest at Δ′ = log(t/(1−t)).
    Swapping a pair together with t → 1 − t changes nothing.
    """

    equation = "t·ℓ(Δ′) + (1−t)·ℓ(−Δ′)"
    choose_when = "the data grades its preferences or has several votes a pair"
    paper = "Liu et al. 2024, arXiv 2411.12843; MMPO, arXiv 2410.03145"
    needs = frozenset({"target"})

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        assert batch.target is not None
        return Term(batch.target * nll(gap) + (1 - batch.target) * nll(-gap))
