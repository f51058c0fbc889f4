"""APLOT: a margin from optimal transport between a batch's chosen and rejected responses."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from trueward.objectives.part import Margin, State, Term, param, register
from trueward.objectives.transport import column_error, sinkhorn
from trueward.types import PairScores


@register("aplot")
class APLOT(Margin):
    """A margin for each pair from optimal transport over the batch: larger for harder pairs.

    C[i, j] = ω·[1 − σ(|r⁺ᵢ − r⁻ⱼ|)] + (1 − ω)·cos(h⁺ᵢ, h⁻ⱼ), in [−(1 − ω), ω/2 + (1 − ω)].
    T minimises ⟨T, C⟩ − ε·H(T) over plans with uniform marginals. κ = "batch" is the batch size,
    so mᵢ is the expected cost of row i and does not shrink as batches grow; κ = 1 takes the plan's
    own mass. The margin is detached. A cost that is switched off counts 0 and leaves the other's
    weight as it is; without the similarity cost no hidden states are needed. The similarity is
    that of whatever tensors (pairs, width) are passed as hidden states: a sentence embedding will
    do. One pair alone gets its own cost. Metrics: `transport_entropy` of the plan in nats, from
    log b (a matching) to 2 log b (uniform); `transport_error`, the largest relative error of a
    column's mass.

    Cost, weights and iterations follow a published re-run of the released version; κ = "batch"
    and the row-wise sum are a reconstruction, since the authors' repository holds no code.
    """

    equation = "mᵢ = κ·Σⱼ TᵢⱼCᵢⱼ,  C = ω[1 − σ(|r⁺ᵢ − r⁻ⱼ|)] + (1−ω)cos(h⁺ᵢ, h⁻ⱼ)"
    choose_when = "similar responses must be told apart; large varied batches"
    paper = "Li et al. 2025, arXiv 2510.10963"
    needs = frozenset({"hidden"})
    batch_level = True

    omega: float = param(0.9, "ω: weight of the reward cost against similarity, in [0, 1]")
    epsilon: float = param(0.1, "ε: entropic regularisation in units of cost, above 0")
    iterations: int = param(50, "most Sinkhorn iterations, at least 1")
    kappa: Literal["batch"] | float = param(
        "batch", "κ: the margin's scale; the batch size or a number"
    )
    reward_cost: bool = param(True, "whether the reward difference counts")
    similarity_cost: bool = param(True, "whether the cosine similarity counts")

    def __post_init__(self) -> None:
        self._require("omega", 0 <= self.omega <= 1, "in [0, 1]")
        self._require("epsilon", self.epsilon > 0, "above 0")
        self._require("iterations", self.iterations >= 1, "at least 1")
        self._require("kappa", self.kappa == "batch" or float(self.kappa) >= 0, "at least 0")
        self._require(
            "similarity_cost", self.reward_cost or self.similarity_cost, "on if reward_cost is off"
        )

    @property
    def required(self) -> frozenset[str]:
        """Hidden states, unless the similarity cost is off."""
        return self.needs if self.similarity_cost else frozenset()

    @property
    def _spread(self) -> float:
        """An upper bound of max C − min C: the solver need not wait to measure it."""
        return self.omega / 2 * self.reward_cost + 2 * (1 - self.omega) * self.similarity_cost

    def __call__(self, batch: PairScores, state: State) -> Term:
        with torch.no_grad():
            cost = self.cost(batch)
            plan = sinkhorn(cost, self.epsilon, self.iterations, spread=self._spread)
            kappa = len(cost) if self.kappa == "batch" else float(self.kappa)
            return Term(
                kappa * (plan * cost).sum(dim=1),
                {
                    "transport_entropy": torch.special.entr(plan).sum(),
                    "transport_error": column_error(plan),
                },
            )

    def cost(self, batch: PairScores) -> Float[Tensor, "pairs pairs"]:
        """C: the cost of moving chosen response i (row) onto rejected response j (column)."""
        total = batch.chosen.new_zeros(len(batch.chosen), len(batch.chosen))
        if self.reward_cost:
            gap = batch.chosen[:, None] - batch.rejected
            total = total + self.omega * torch.sigmoid(-gap.abs())
        if self.similarity_cost:
            assert batch.chosen_hidden is not None
            assert batch.rejected_hidden is not None
            chosen = normalize(batch.chosen_hidden, dim=1)
            rejected = normalize(batch.rejected_hidden, dim=1)
            total = total + (1 - self.omega) * (chosen @ rejected.T)
        return total
