"""Training one reward model, and comparing many."""

from trueward.training.config import RewardConfig
from trueward.training.trainer import RewardTrainer

__all__ = ["RewardConfig", "RewardTrainer"]
