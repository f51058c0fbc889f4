"""The same margin for every pair."""

from collections.abc import Mapping

import torch
from torch import Tensor

from trueward.objectives.part import Margin, Term, param
from trueward.objectives.registry import register
from trueward.types import PairScores


@register("margin")
class ConstantMargin(Margin):
    """The same margin for every pair."""

    equation = "m = value"
    choose_when = "a safety distance is wanted and the data does not grade its pairs"
    paper = "Touvron et al. 2023, arXiv 2307.09288 (fixed form)"

    value: float = param(1.0, "the margin in logits")

    def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
        return Term(torch.full_like(batch.chosen, self.value))
