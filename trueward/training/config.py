"""`RewardConfig`: TRL's, plus what Trueward adds."""

from dataclasses import dataclass, field
from typing import Literal

import torch
import trl

from trueward.errors import InputError

Truncation = Literal["drop", "truncate_left", "truncate_right", "error"]


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
    truncation: str = field(
        default="drop",
        metadata={
            "help": "Pairs over max_length: drop, truncate_left, truncate_right or error.",
            "choices": ["drop", "truncate_left", "truncate_right", "error"],
        },
    )

    def __post_init__(self) -> None:
        self.bf16: bool | None
        if not torch.accelerator.is_available():
            self.use_cpu = True
            self.bf16 = bool(self.bf16)
        for name, valid in (
            ("pooling", ("auto", "last", "first", "mean")),
            ("truncation", ("drop", "truncate_left", "truncate_right", "error")),
        ):
            if getattr(self, name) not in valid:
                raise InputError(
                    f"{name}={getattr(self, name)!r} is unknown; valid: {', '.join(valid)}"
                )
        super().__post_init__()
