"""Checkpoints as reward models: loading, head, pad token, read-out, batch scoring."""

from trueward.models.head import (
    freeze_bias,
    head_modules,
    head_name,
    head_norm,
    outer_modules,
    pooling_of,
    unwrap,
)
from trueward.models.loading import (
    ADAPTER_FILE,
    Loaded,
    check_base,
    checkpoint_file,
    load_for_training,
    load_reward_model,
    position_limit,
    prepare,
    read_object,
)
from trueward.models.pad import ensure_distinct_pad
from trueward.models.readout import (
    ReadOut,
    class_difference,
    evaluating,
    layout_difference,
    length_chunks,
    pad_right,
    read_chunks,
    read_out,
    read_trees,
)
from trueward.models.scoring import (
    length_batches,
    score_sequences,
    settle_layout,
    width_dependence,
)
from trueward.models.tree_attention import attend_over_trees
from trueward.models.trees import TreeRows, plan_rows

__all__ = [
    "ADAPTER_FILE",
    "Loaded",
    "ReadOut",
    "TreeRows",
    "attend_over_trees",
    "check_base",
    "checkpoint_file",
    "class_difference",
    "ensure_distinct_pad",
    "evaluating",
    "freeze_bias",
    "head_modules",
    "head_name",
    "head_norm",
    "layout_difference",
    "length_batches",
    "length_chunks",
    "load_for_training",
    "load_reward_model",
    "outer_modules",
    "pad_right",
    "plan_rows",
    "pooling_of",
    "position_limit",
    "prepare",
    "read_chunks",
    "read_object",
    "read_out",
    "read_trees",
    "score_sequences",
    "settle_layout",
    "unwrap",
    "width_dependence",
]
