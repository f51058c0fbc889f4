"""What `trueward align` depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trueward.alignment.rl.shaping import Shaping
from trueward.errors import InputError

WORLD = "goldworld"


@dataclass(frozen=True)
class AlignSettings:
    """One run of a policy against one reward model or an ensemble of them.

    Raises:
        InputError: a number out of its range, or no reward model.
    """

    policy: str
    """Folder or hub name of the causal language model to train; also the reference."""
    reward_models: tuple[str, ...]
    prompts: str
    """Rows `{prompt}`, in any form that `load_rows` reads."""
    output_dir: str
    algorithm: str = "rloo"
    gold: str | None = None
    """`goldworld`, or a reward model that stands for the truth; looked at, never trained on."""
    shaping: Shaping = field(default_factory=Shaping)
    watch_prompts: int = 64
    """Prompts that are held out and watched."""
    watch_every: int = 20
    """Optimiser steps between looks."""
    norm_data: str | None = None
    """Pairs that the reward model was trained on, for the usual range of its norms."""
    stop_on_overoptimization: bool = False
    max_length: int | None = None
    truncation: str | None = None
    """Of the reward model's sequences; None: as it was trained."""
    seed: int = 0
    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TRL's configuration."""

    def __post_init__(self) -> None:
        if not self.reward_models:
            raise InputError("expected at least one reward model, got none")
        for name, least in (("watch_prompts", 10), ("watch_every", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}, got {getattr(self, name)}")

    def identity(self) -> dict[str, Any]:
        """What two sittings of one run must share."""
        free = ("output_dir", "stop_on_overoptimization")
        return {name: v for name, v in asdict(self).items() if name not in free}
