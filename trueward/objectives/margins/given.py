"""Margins that are given: by a column of the data, or one for all pairs."""

import torch

from trueward.objectives.part import Margin, State, Term, param, register
from trueward.types import PairScores


@register("margin_column")
class ColumnMargin(Margin):
    """The data's `margin` column, scaled.

    The column is taken to be in logits; `scale` turns other units, such as rating points, into
    logits. `scale` = 0 is no margin.
    """

    equation = "mᵢ = scale · marginᵢ"
    choose_when = "the data says how much better the chosen response is"
    paper = "Touvron et al. 2023, arXiv 2307.09288"
    needs = frozenset({"margin"})

    scale: float = param(1.0, "logits per unit of the column, at least 0")

    def __post_init__(self) -> None:
        self._require("scale", self.scale >= 0, "at least 0")

    def __call__(self, batch: PairScores, state: State) -> Term:
        assert batch.margin is not None
        return Term(self.scale * batch.margin)


@register("margin")
class ConstantMargin(Margin):
    """The same margin for every pair."""

    equation = "m = value"
    choose_when = "a safety distance is wanted and the data does not grade its pairs"
    paper = "Touvron et al. 2023, arXiv 2307.09288 (fixed form)"

    value: float = param(1.0, "the margin in logits")

    def __call__(self, batch: PairScores, state: State) -> Term:
        return Term(torch.full_like(batch.chosen, self.value))
