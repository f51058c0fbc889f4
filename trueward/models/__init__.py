"""Checkpoints as reward models: loading, head, pad token, read-out, batch scoring."""

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
from trueward.models.padding import ensure_distinct_pad
from trueward.models.readout import ReadOut, read_out
from trueward.models.scoring import Scored, pad_right, score_sequences

__all__ = [
    "Loaded",
    "ReadOut",
    "Scored",
    "check_base",
    "ensure_distinct_pad",
    "freeze_bias",
    "head_modules",
    "head_name",
    "head_norm",
    "load_for_training",
    "load_reward_model",
    "outer_modules",
    "pad_right",
    "position_limit",
    "prepare",
    "read_out",
    "score_sequences",
    "unwrap",
]
