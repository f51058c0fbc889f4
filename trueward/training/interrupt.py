"""Ctrl-C and SIGTERM during training: finish the step, write a checkpoint, stop."""

import signal
from types import FrameType
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback

from trueward.training.main_rank import on_any_rank

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class CheckpointOnSignal(TrainerCallback):
    """Turns the first signal into a checkpoint after the running step; a second one kills.

    Over several ranks one rank's signal stops all at the same step, and further ones are ignored:
    a launcher repeats to its workers what the terminal has sent them already. As a context it has
    the signals while it lasts, however training ends.
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
