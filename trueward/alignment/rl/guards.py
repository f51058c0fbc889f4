"""A callback that stops a run before its weights are spoiled."""

from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback

from trueward.alignment.rl.reward_function import RewardFunction
from trueward.errors import RunError
from trueward.training.main_rank import on_any_rank


class StopOnNan(TrainerCallback):
    """Ends the run when a gradient or a logged loss is no number; the batch is saved.

    Gradients are looked at before the optimizer's step, so the weights are still sound. The logged
    loss alone is looked at under DeepSpeed, where they are out of reach, and in fp16, whose scaler
    meets gradients that overflow by skipping the step.
    """

    def __init__(self, reward: RewardFunction) -> None:
        self.reward = reward

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Look at the gradients."""
        if args.fp16:
            return
        gradients = (p.grad for p in model.parameters() if p.grad is not None)
        if on_any_rank(not all(bool(torch.isfinite(_own(g)).all()) for g in gradients)):
            self._stop("a gradient", state.global_step + 1)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss", 0.0)
        if loss != loss or abs(loss) == float("inf"):
            self._stop("the loss", state.global_step)

    def _stop(self, what: str, step: int) -> None:
        where = self.reward.save_batch() if PartialState().is_main_process else ""
        raise RunError(
            f"step {step}: {what} is not a number; lower learning_rate, or train in float32{where}"
        )


def _own(gradient: Any) -> torch.Tensor:
    """The part on this rank of a gradient that may be sharded."""
    return gradient.to_local() if hasattr(gradient, "to_local") else gradient
