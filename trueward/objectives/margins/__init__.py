"""Margins: how far ahead, in logits, the chosen response of a pair must be."""

from trueward.objectives.margins.aplot import APLOT
from trueward.objectives.margins.given import ColumnMargin, ConstantMargin

__all__ = ["APLOT", "ColumnMargin", "ConstantMargin"]
