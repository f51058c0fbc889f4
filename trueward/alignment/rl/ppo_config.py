"""PPO's settings."""

from dataclasses import dataclass, field
from typing import Any

import trl

from trueward.errors import InputError


@dataclass
class PPOConfig(trl.RLOOConfig):
    """`RLOOConfig` with PPO's own: `num_iterations` are its epochs, `epsilon` its clip range.

    Raises:
        InputError: a number out of its range, or RLOO's normalised advantages.
    """

    num_iterations: int = field(default=4, metadata={"help": "Passes over each batch."})
    vf_coef: float = field(default=0.1, metadata={"help": "Weight of the value loss."})
    cliprange_value: float = field(default=0.2, metadata={"help": "Clip range of values."})
    gamma: float = field(default=1.0, metadata={"help": "Discount a token."})
    lam: float = field(default=0.95, metadata={"help": "λ of GAE."})

    def __post_init__(self) -> None:
        self.ddp_find_unused_parameters: bool | None
        if self.ddp_find_unused_parameters is None:
            self.ddp_find_unused_parameters = False  # the value head is no part of the forward pass
        super().__post_init__()
        for name, low in (("vf_coef", 0.0), ("cliprange_value", 0.0)):
            if not getattr(self, name) > low:
                raise InputError(f"{name}: expected above {low:g}, got {getattr(self, name):g}")
        if self.normalize_advantages:
            raise InputError("normalize_advantages: PPO always whitens its own; leave it out")
        for name in ("gamma", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected within [0, 1], got {getattr(self, name):g}")


def loading(args: PPOConfig) -> dict[str, Any]:
    """How to load the policy: as TRL does where it loads one by its name."""
    chosen = {"trust_remote_code": args.trust_remote_code, **(args.model_init_kwargs or {})}
    if args.distributed_state.distributed_type in ("MULTI_GPU", "DEEPSPEED"):
        chosen["device_map"] = None  # "auto" would split it over the GPUs of every rank
    return chosen
