"""Objectives: pure functions from a batch of pair scores to a loss, composed of small parts."""

from trueward.objectives.composition import Objective
from trueward.objectives.margins import APLOT, ColumnMargin, ConstantMargin
from trueward.objectives.part import (
    NEEDS,
    Margin,
    Part,
    Penalty,
    Preference,
    Term,
    nll,
    param,
    register,
)
from trueward.objectives.penalties import BSR, Centering, PromptContrast
from trueward.objectives.preferences import (
    DR,
    BradleyTerry,
    FlipCorrected,
    Hinge,
    LabelSmoothing,
    LogitNorm,
    NormBT,
    SoftTarget,
    Triplet,
)
from trueward.objectives.spec import Parameter, PartDescription, describe, describe_all, objective
from trueward.objectives.transport import sinkhorn

__all__ = [
    "APLOT",
    "BSR",
    "DR",
    "NEEDS",
    "BradleyTerry",
    "Centering",
    "ColumnMargin",
    "ConstantMargin",
    "FlipCorrected",
    "Hinge",
    "LabelSmoothing",
    "LogitNorm",
    "Margin",
    "NormBT",
    "Objective",
    "Parameter",
    "Part",
    "PartDescription",
    "Penalty",
    "Preference",
    "PromptContrast",
    "SoftTarget",
    "Term",
    "Triplet",
    "describe",
    "describe_all",
    "nll",
    "objective",
    "param",
    "register",
    "sinkhorn",
]
