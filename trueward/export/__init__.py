"""Checkpoints in the form that other programs read; a module a target."""

from trueward.export.rewardbench import Exported, export_for_rewardbench

__all__ = ["Exported", "export_for_rewardbench"]
