"""Preference losses: how the gap Δ′ = r⁺ − r⁻ − m of a pair becomes its loss."""

from trueward.objectives.preferences.bt import BradleyTerry
from trueward.objectives.preferences.dr import DR
from trueward.objectives.preferences.flip_corrected import FlipCorrected
from trueward.objectives.preferences.hinge import Hinge
from trueward.objectives.preferences.label_smoothing import LabelSmoothing
from trueward.objectives.preferences.logit_norm import LogitNorm
from trueward.objectives.preferences.normbt import NormBT
from trueward.objectives.preferences.soft_target import SoftTarget
from trueward.objectives.preferences.triplet import Triplet

__all__ = [
    "DR",
    "BradleyTerry",
    "FlipCorrected",
    "Hinge",
    "LabelSmoothing",
    "LogitNorm",
    "NormBT",
    "SoftTarget",
    "Triplet",
]
