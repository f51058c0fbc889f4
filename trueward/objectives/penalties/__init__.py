"""Penalties: scalars added to the loss, computed from the rewards of a batch."""

from trueward.objectives.penalties.bsr import BSR
from trueward.objectives.penalties.centering import Centering
from trueward.objectives.penalties.contrast import PromptContrast

__all__ = ["BSR", "Centering", "PromptContrast"]
