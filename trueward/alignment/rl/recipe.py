"""How the demo trains what it compares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueward.alignment.rl.world_policy import PolicyRecipe
from trueward.training.settings import WORLD_TRAINING

OBJECTIVES = ("bt", "bsr", "aplot")
WORKERS = 2
TRAINING: Mapping[str, Any] = {
    "max_steps": 80,
    "per_device_train_batch_size": 64,
    "num_generations": 4,
    "learning_rate": 1e-4,
    "beta": 0.05,
    "max_completion_length": 64,
    "lr_scheduler_type": "constant",
    "save_steps": 40,
    "save_total_limit": 1,
    "save_only_model": False,
    "disable_tqdm": True,
}
"""Fields of TRL's configuration, for each algorithm alike."""


@dataclass(frozen=True)
class Recipe:
    """The policy, the reward models and the training of the one on the others."""

    algorithm: str = "rloo"
    training: Mapping[str, Any] = field(default_factory=lambda: TRAINING)
    policy: PolicyRecipe = field(default_factory=PolicyRecipe)
    reward_training: Mapping[str, Any] = field(default_factory=lambda: WORLD_TRAINING)
    watch_prompts: int = 96
    watch_every: int = 10
