"""Checkpoints in the form that other programs read; a module a target."""

from trueward.export.folder import Exported
from trueward.export.rewardbench import export_for_rewardbench

__all__ = ["Exported", "export_for_rewardbench"]
