"""Ctrl-C and SIGTERM during training: finish the step, write a checkpoint, stop."""

import signal
from types import FrameType
from typing import Any

from transformers import TrainerCallback

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class CheckpointOnSignal(TrainerCallback):
    """Turns the first signal into a checkpoint after the running step; a second one kills."""

    def __init__(self) -> None:
        self.caught = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Take the signals over."""
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._catch)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save and stop, if a signal came during the step."""
        if self.caught:
            control.should_save = True
            control.should_training_stop = True

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """Give the signals back."""
        self._restore()

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.caught = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
