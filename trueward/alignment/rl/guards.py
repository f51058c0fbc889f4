"""Callbacks that keep a run whole: exact resumption, and a stop before weights are spoiled."""

import json
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from trueward.alignment.rl.reward_function import RewardFunction
from trueward.alignment.rl.watch import Watch
from trueward.errors import RunError
from trueward.evals.files import write_json
from trueward.training.main_rank import on_any_rank

STATE_FILE = "align_state.json"


class KeepState(TrainerCallback):
    """Puts the watch's and the reward's running state into each checkpoint, as its last file."""

    def __init__(self, watch: Watch, reward: RewardFunction) -> None:
        self.watch, self.reward = watch, reward

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After the trainer's own files."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            kept = {"watch": self.watch.state(), "moments": self.reward.state()}
            write_json(kept, folder / STATE_FILE)

    def restore(self, checkpoint: str) -> None:
        """Take up what a checkpoint holds."""
        kept = json.loads((Path(checkpoint) / STATE_FILE).read_text(encoding="utf-8"))
        self.watch.restore(kept["watch"])
        self.reward.restore(kept["moments"])


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    whole = {
        int(file.parent.name.rpartition("-")[2]): file.parent
        for file in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*/{STATE_FILE}")
    }
    return str(whole[max(whole)]) if whole else None


class StopOnNan(TrainerCallback):
    """Ends the run when a gradient or a logged loss is no number; the batch is saved.

    Gradients are looked at before the optimizer's step, so the weights are still sound. Under
    DeepSpeed they are out of reach, and the logged loss alone is looked at.
    """

    def __init__(self, reward: RewardFunction) -> None:
        self.reward = reward

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Look at the gradients."""
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
