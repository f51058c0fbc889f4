"""Checkpoints as reward models: loading, head, pad token, read-out, batch scoring."""

from trueward.models.batching import pad_right
from trueward.models.checkpoint import ADAPTER_FILE, checkpoint_file, read_object
from trueward.models.head import (
    freeze_bias,
    head_modules,
    head_name,
    head_norm,
    outer_modules,
    unwrap,
)
from trueward.models.loading import (
    Loaded,
    check_base,
    load_for_training,
    load_reward_model,
    position_limit,
    prepare,
)
from trueward.models.packing import TreeRows, attend_over_trees, length_chunks, plan_rows
from trueward.models.padding import ensure_distinct_pad
from trueward.models.proof import difference
from trueward.models.readout import ReadOut, read_chunks, read_out, read_trees
from trueward.models.scoring import Scored, score_sequences, settle_layout

__all__ = [
    "ADAPTER_FILE",
    "Loaded",
    "ReadOut",
    "Scored",
    "TreeRows",
    "attend_over_trees",
    "check_base",
    "checkpoint_file",
    "difference",
    "ensure_distinct_pad",
    "freeze_bias",
    "head_modules",
    "head_name",
    "head_norm",
    "length_chunks",
    "load_for_training",
    "load_reward_model",
    "outer_modules",
    "pad_right",
    "plan_rows",
    "position_limit",
    "prepare",
    "read_chunks",
    "read_object",
    "read_out",
    "read_trees",
    "score_sequences",
    "settle_layout",
    "unwrap",
]
