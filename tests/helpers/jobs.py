"""Jobs for processes of their own."""

import os
import signal
import time
from pathlib import Path

import torch

from trueward.errors import DataError


def leave_mark(path):
    """Write that it ran."""
    Path(path).write_text(str(os.getpid()))


def write_threads(path):
    """Write how many threads torch has."""
    path.write_text(str(torch.get_num_threads()))


def read_past_the_end(path):
    """Fail as reading a pickle that was cut does."""
    raise EOFError("Ran out of input")


def refuse(path):
    """Fail as bad input does."""
    raise DataError(f"{path}: no such row")


def interrupt_the_first_process(path):
    """Interrupt the process that began this one, and note that it passes SIGTERM on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.kill(os.getppid(), signal.SIGINT)
    signal.sigwait({signal.SIGTERM})
    Path(path).write_text("stopped")


def interrupt_itself(path):
    """Stop as a job does that was told to."""
    raise KeyboardInterrupt


def die(path):
    """End without a word."""
    os._exit(3)


def leave_mark_or_sleep(path):
    """Write its process, and of all but `done` go on for long."""
    while path.name == "done" and not path.with_name("endless").exists():
        time.sleep(0.01)
    leave_mark(path)
    if path.name != "done":
        time.sleep(600)
