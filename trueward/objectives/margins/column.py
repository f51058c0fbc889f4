"""The margin that the data carries."""

from collections.abc import Mapping

from torch import Tensor

from trueward.objectives.part import Margin, Term, param
from trueward.objectives.registry import register
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

    def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
        assert batch.margin is not None
        return Term(self.scale * batch.margin)
