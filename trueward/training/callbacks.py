"""Callbacks of training: metrics on fixed pairs, the progress bar, a checkpoint on a signal."""

import signal
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, nn
from transformers import ProgressCallback, TrainerCallback

from trueward.data import StreamReport
from trueward.diagnostics import effective_rank
from trueward.models import ReadOut, evaluating
from trueward.processes import on_any_rank
from trueward.training.batch import PairBatch, batch_metrics, pair_columns, read_passes

PROBE_PAIRS = 32
"""Pairs of the probe; every 50 steps of 16 pairs they cost about 1 % of training."""
LOGGED = ("accuracy", "margin", "hidden_norm", "hidden_norm_std", "difference_norm")
WATCHED = {"loss": "loss", "accuracy": "accuracy", "margin": "margin", "hidden_norm": "‖h‖"}
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Read = Callable[[nn.Module, PairBatch], ReadOut]


class Probe(TrainerCallback):
    """Measures accuracy, margin, norms and effective rank on fixed pairs, every `every` steps.

    Training batches differ from step to step; on fixed pairs only the model changes. `keep` takes
    each metric as `probe_…`, to be written with the next log.
    """

    def __init__(
        self, every: int, batch: PairBatch, read: Read, keep: Callable[[str, Tensor], None]
    ) -> None:
        self.every, self.batch, self.read, self.keep = every, batch, read, keep

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure every `every` steps."""
        if state.global_step % self.every == 0:
            for name, value in probe(kwargs["model"], self.batch, self.read).items():
                self.keep(f"probe_{name}", value)


class StreamCounts(TrainerCallback):
    """Says at the end of training what became of the rows of each stream."""

    def __init__(self, streams: Mapping[str, StreamReport], say: Callable[[str], None]) -> None:
        self.streams, self.say = streams, say

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say the counts of the pass that is running, or that ended last."""
        where = " by the first rank" if args.world_size > 1 else ""
        for name, report in self.streams.items():
            self.say(f"{name}: read{where} so far: {report}")


@torch.no_grad()
def probe(model: nn.Module, batch: PairBatch, read: Read) -> dict[str, Tensor]:
    """Return each metric of the model in evaluation mode, as a tensor of one number."""
    with evaluating(model):
        scores = read_passes(partial(read, model), batch, foreign=False)
    metrics = batch_metrics(pair_columns(scores), model)
    means = {name: metrics[name].mean().reshape(1) for name in LOGGED if name in metrics}
    assert scores.chosen_hidden is not None
    assert scores.rejected_hidden is not None
    hidden = torch.cat([scores.chosen_hidden, scores.rejected_hidden]).float().cpu()
    rank = effective_rank(hidden.numpy()) if hidden.isfinite().all() else torch.nan
    return {**means, "effective_rank": torch.tensor([rank], dtype=torch.float32)}


class WatchedProgress(ProgressCallback):
    """The trainer's progress bar, with loss, accuracy, margin and ‖h‖ of the last log."""

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the watched numbers behind the bar, instead of printing the log as a dict."""
        if self.training_bar is not None and logs is not None and "loss" in logs:
            shown = {title: f"{logs[name]:.3g}" for name, title in WATCHED.items() if name in logs}
            self.training_bar.set_postfix(shown)


class CheckpointOnSignal(TrainerCallback):
    """Saves a checkpoint and stops after the step in which Ctrl-C or SIGTERM came.

    A second signal kills. Over several ranks one rank's signal stops all at the same step, and
    further ones are ignored, since a launcher sends its workers again what the terminal has sent
    them already. Signals are handled inside `with`.
    """

    def __init__(self) -> None:
        self.caught = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "CheckpointOnSignal":
        """Take the signals over."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_error: object) -> None:
        """Give the signals back."""
        self._restore()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save and stop, if a signal came to any rank during the step."""
        self.caught = on_any_rank(self.caught)
        if self.caught:
            control.should_save = True
            control.should_training_stop = True

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.caught = True
        if PartialState().num_processes == 1:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
