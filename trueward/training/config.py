"""`RewardConfig`: TRL's, plus what Trueward adds; and the gold world's recipe."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import trl

from trueward.errors import InputError

WORLD_TRAINING: Mapping[str, Any] = {
    "learning_rate": 7e-4,
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 64,
    "num_train_epochs": 1,
    "warmup_steps": 10,
    "lr_scheduler_type": "linear",
    "max_length": 256,
    "logging_steps": 10,
    "eval_steps": 50,
}
"""The recipe of the gold world; `docs/goldworld.md` says how it was found."""


@dataclass
class RewardConfig(trl.RewardConfig):
    """TRL's `RewardConfig` plus the objective, the read-out and the over-length policy.

    One default differs: without an accelerator `bf16` is off, where TRL turns it on everywhere.
    """

    objective: str | None = field(
        default=None,
        metadata={"help": "What to minimise, such as 'aplot + bsr(weight=1e-3)'; else as TRL."},
    )
    pooling: str = field(
        default="auto",
        metadata={
            "help": "Where the reward is read: auto (where the class reads), last, first, mean.",
            "choices": ["auto", "last", "first", "mean"],
        },
    )
    packing: str = field(
        default="auto",
        metadata={
            "help": "Batches without padding: auto, tree (prompts once), chunk (by length), off.",
            "choices": ["auto", "tree", "chunk", "off"],
        },
    )
    batch_tokens: int | None = field(
        default=None,
        metadata={
            "help": "Most tokens that go through the model at once, padding counted; a micro-batch "
            "with more is cut by length, with the same gradient."
        },
    )
    probe_steps: int = field(
        default=50,
        metadata={"help": "Steps between looks at a fixed set of 32 pairs; 0 for none."},
    )
    truncation: str = field(
        default="drop",
        metadata={
            "help": "Pairs over max_length: drop, truncate_left, truncate_right or error.",
            "choices": ["drop", "truncate_left", "truncate_right", "error"],
        },
    )
    batch_objective: str | None = field(
        default=None,
        metadata={
            "help": "The objective sees the pairs of a step as one batch, over micro-batches and "
            "ranks (exact), or each micro-batch alone (micro); else exact where pairs interact.",
            "choices": ["exact", "micro"],
        },
    )

    def __post_init__(self) -> None:
        self.bf16: bool | None
        if not torch.accelerator.is_available():
            self.use_cpu = True
            self.bf16 = bool(self.bf16)
        for name in ("pooling", "packing", "truncation", "batch_objective"):
            field_of, value = self.__dataclass_fields__[name], getattr(self, name)
            valid = field_of.metadata["choices"]
            if value not in (*valid, field_of.default):
                raise InputError(f"{name}={value!r} is unknown; valid: {', '.join(valid)}")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise InputError(f"batch_tokens: expected at least 1, got {self.batch_tokens}")
        if self.train_sampling_strategy == "batch_rebalance":
            raise InputError(
                "train_sampling_strategy='batch_rebalance' changes which pairs share a step; "
                "use 'group_by_length', which balances micro-batches and ranks within each step"
            )
        super().__post_init__()
        self._check_ranks()

    def _check_ranks(self) -> None:
        """Refuse what ranks would fail at later; let DeepSpeed know of them, also on a CPU."""
        reentrant = (self.gradient_checkpointing_kwargs or {}).get("use_reentrant")
        ranks = self.world_size > 1 or self.deepspeed_plugin is not None
        if ranks and reentrant and self.gradient_checkpointing and self.packing != "off":
            raise InputError(
                "use_reentrant=true gives a weight a gradient a pass, which neither several ranks "
                "nor DeepSpeed can add up; leave it out, or set packing=off"
            )
        if self.deepspeed_plugin is None:
            return
        if "LOCAL_RANK" not in os.environ:
            raise InputError(
                "deepspeed needs a launcher, also for one process: "
                "torchrun --nproc-per-node 1 --no-python trueward train …"
            )
        zero = self.deepspeed_plugin.deepspeed_config["zero_optimization"]
        if zero["stage"] == 3 and not zero.get("stage3_gather_16bit_weights_on_model_save"):
            raise InputError(
                "deepspeed: stage 3 would save no model; under zero_optimization set "
                "stage3_gather_16bit_weights_on_model_save to true (in a config of accelerate, "
                "zero3_save_16bit_model)"
            )
        if self.use_cpu:
            import deepspeed

            deepspeed.init_distributed(dist_backend="gloo")  # accelerate does so for devices only
