"""A KL penalty whose coefficient follows the KL, so that a policy stays near a target distance.

After each optimizer step that drew answers, with n of them,

    β ← β · (1 + clip(KL / target − 1, −0.2, 0.2) · n / horizon)

KL is the trainer's own estimate on those answers, in nats an answer: its mean over tokens times the
mean length (k1 in RLOO and PPO, k3 in GRPO). Limits: β answers slowly, by at most 0.2 · n / horizon
a step; it never changes sign. Source: Ziegler et al. (2019), Fine-Tuning Language Models from Human
Preferences; the form with a horizon is that of TRL's former AdaptiveKLController.
"""

from typing import Any

import numpy as np
from transformers import TrainerCallback

from trueward.alignment.rl.shaping import Shaping
from trueward.errors import InputError

BOUND = 0.2
KL, LENGTH = "kl", "completions/mean_length"


def adapted(beta: float, kl: float, answers: int, *, target: float, horizon: float) -> float:
    """The next β."""
    error = float(np.clip(kl / target - 1, -BOUND, BOUND))
    return beta * (1 + error * answers / horizon)


def check_beta(shaping: Shaping, beta: float) -> None:
    """Raise InputError where β should follow a target but is 0, and so there is no reference."""
    if shaping.kl_target is not None and not beta > 0:
        raise InputError(
            f"kl_target: expected a first β above 0 to adapt, got {beta:g}; add --set beta=0.05"
        )


class KlControl(TrainerCallback):
    """Adapts `trainer.beta`; does nothing without a target."""

    trainer: Any
    """Set once it is there."""

    def __init__(self, shaping: Shaping) -> None:
        self.shaping = shaping
        self._seen = {KL: 0, LENGTH: 0}

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember what was measured before the step."""
        self._seen = {name: len(self._measured(name)) for name in self._seen}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Adapt β to the answers drawn in the step."""
        kls, lengths = (self._measured(name)[seen:] for name, seen in self._seen.items())
        if self.shaping.kl_target is None or not lengths:
            return
        self.trainer.beta = adapted(
            self.trainer.beta,
            float(np.mean(kls) * np.mean(lengths)),
            args.generation_batch_size * len(lengths),
            target=self.shaping.kl_target,
            horizon=self.shaping.kl_horizon,
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold to go on exactly."""
        return {"beta": self.trainer.beta}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        self.trainer.beta = state["beta"]

    def _measured(self, name: str) -> list[float]:
        return list(self.trainer._metrics["train"].get(name, ()))
