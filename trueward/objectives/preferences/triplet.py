"""Hinge whose margin is the margin part's."""

from trueward.objectives.part import Preference, State, Term, register
from trueward.types import PairScores, PairVector


@register("triplet")
class Triplet(Preference):
    """Zero once the gap reaches the margin part's margin, linear below it.

    The triplet form of a dynamic margin: `triplet + aplot`. `triplet + margin(value=1)` is
    `hinge`. Without a margin part it would be satisfied by equal rewards, so that is an error.
    """

    equation = "max(0, −Δ′) = max(0, m − Δ)"
    choose_when = "with a dynamic margin, to stop once a pair is far enough apart"
    paper = "Schroff et al. 2015; triplet form of Li et al. 2025, arXiv 2510.10963"
    requires_margin = True

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        return Term((-gap).relu())
