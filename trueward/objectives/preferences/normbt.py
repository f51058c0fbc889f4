"""Bradley–Terry, each pair weighted against the distance of its hidden states."""

import torch

from trueward.objectives.part import Preference, State, Term, nll, param, register
from trueward.types import PairScores, PairVector

MEAN_DISTANCE = "normbt_mean_distance"


@register("normbt")
class NormBT(Preference):
    """Bradley–Terry with each pair's loss divided by the distance of its hidden states.

    The gradient of a linear head is proportional to h⁺ − h⁻, so far pairs drown near ones; the
    weight μ / (‖h⁺ − h⁻‖ + 1e-6) undoes it and carries no gradient. μ ← momentum·μ +
    (1 − momentum)·(batch mean distance), updated before it is used; the first call starts from
    the batch mean. μ is returned in `out.state`. A pair of equal hidden states among different
    ones gets a very large weight: leave duplicates out of the data.
    """

    equation = "sg[μ / (‖h⁺ − h⁻‖ + 1e-6)]·ℓ(Δ′)"
    choose_when = "pairs differ a lot in how far apart their responses are"
    paper = "Xie et al. 2025, arXiv 2512.06343"
    needs = frozenset({"hidden"})
    batch_level = True

    momentum: float = param(0.9, "how much of the running mean each batch keeps, in [0, 1)")

    def __post_init__(self) -> None:
        self._require("momentum", 0 <= self.momentum < 1, "in [0, 1)")

    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        assert batch.chosen_hidden is not None
        assert batch.rejected_hidden is not None
        distance = torch.linalg.vector_norm(
            batch.chosen_hidden.detach() - batch.rejected_hidden.detach(), dim=1
        )
        mean = distance.mean()
        if MEAN_DISTANCE in state:
            mean = self.momentum * state[MEAN_DISTANCE] + (1 - self.momentum) * mean
        weight = mean / (distance + 1e-6)
        return Term(weight * nll(gap), {MEAN_DISTANCE: mean}, {MEAN_DISTANCE: mean})
