"""Sequences through a model without padding, and without computing a shared prefix twice."""

from trueward.models.packing.attention import attend_over_trees
from trueward.models.packing.chunks import length_chunks
from trueward.models.packing.rows import TreeRows, plan_rows

__all__ = ["TreeRows", "attend_over_trees", "length_chunks", "plan_rows"]
