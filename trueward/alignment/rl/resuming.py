"""What exact resumption needs beyond TRL's checkpoints: our own state, prompt order, a good moment.

TRL's sampler shuffles with a generator that a resumed run starts anew, whatever the epoch, and a
batch of answers that was drawn but not yet used up is in no checkpoint.
"""

import json
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from trueward.alignment.rl.watch import Watch
from trueward.files import write_json
from trueward.training.interrupt import CheckpointOnSignal

STATE_FILE = "align_state.json"


class Kept(Protocol):
    """Running state that a checkpoint must hold to go on exactly."""

    def state(self) -> dict[str, Any]:
        """What to keep."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take it up."""
        ...


class KeepState(TrainerCallback):
    """Puts the state of these into each checkpoint, as its last file."""

    def __init__(self, **kept: Kept) -> None:
        self.kept = kept

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After the trainer's own files."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            document = {name: one.state() for name, one in self.kept.items()}
            write_json(document, folder / STATE_FILE)

    def restore(self, checkpoint: str) -> None:
        """Take up what a checkpoint holds."""
        document = json.loads((Path(checkpoint) / STATE_FILE).read_text(encoding="utf-8"))
        for name, one in self.kept.items():
            one.restore(document[name])


class EpochOrder(TrainerCallback):
    """Sets the sampler's generator to where it is at this epoch in a run that was never stopped."""

    def on_epoch_begin(
        self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any
    ) -> None:
        """Draw the orders of earlier epochs again."""
        batches = train_dataloader.batch_sampler
        sampler = getattr(batches, "batch_sampler", batches).sampler  # a rank has a part of it
        if not sampler.shuffle:
            return
        sampler.generator.manual_seed(sampler.seed)
        for _ in range(int(state.epoch or 0)):
            torch.randperm(sampler.num_samples, generator=sampler.generator)


class StopBetweenBatches(CheckpointOnSignal):
    """A signal's checkpoint waits until the answers that were drawn are used up."""

    def on_step_end(
        self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any
    ) -> None:
        """Save and stop, if a signal came and the next step draws answers."""
        passes = round(state.epoch * len(train_dataloader))
        if passes % (args.steps_per_generation * args.num_iterations) == 0:
            super().on_step_end(args, state, control, **kwargs)


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    whole = {
        int(file.parent.name.rpartition("-")[2]): file.parent
        for file in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*/{STATE_FILE}")
    }
    return str(whole[max(whole)]) if whole else None


def train(trainer: Any, watch: Watch, checkpoint: str | None) -> None:
    """Train to the end, from a checkpoint where there is one; one at the end is only loaded.

    Raises:
        KeyboardInterrupt: stopped by a signal, with a checkpoint to go on from.
    """
    if checkpoint is not None:
        state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))
        if _over(state, watch):
            trainer.state = state
            trainer._load_from_checkpoint(checkpoint)
            return
    with StopBetweenBatches() as stop:
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=checkpoint)
    if stop.caught and not _over(trainer.state, watch):
        raise KeyboardInterrupt


def _over(state: TrainerState, watch: Watch) -> bool:
    return bool(state.global_step >= state.max_steps or watch.stopped)
