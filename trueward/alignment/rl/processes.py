"""A few jobs side by side, each in a process of its own that ends with this one's interruption."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from trueward.errors import RunError, TruewardError

Item = TypeVar("Item")
INTERRUPTED = 130


def in_processes(job: Callable[[Item], object], items: Sequence[Item], *, workers: int) -> None:
    """Run `job(item)` for all, so many at a time; their results are what they write.

    Interrupted, or where one fails, no further job begins; those that run are sent SIGTERM and
    waited for.

    Raises:
        RunError: a job failed; what it said.
    """
    spawn = multiprocessing.get_context("spawn")
    said = spawn.SimpleQueue()
    waiting = list(items)
    running: list[BaseProcess] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                given = (job, waiting.pop(0), said)
                running.append(spawn.Process(target=_alone, args=given, daemon=True))
                running[-1].start()
            ready = connection.wait([process.sentinel for process in running])
            for process in [process for process in running if process.sentinel in ready]:
                running.remove(process)
                process.join()
                _check(process, said)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.join()


def _check(process: BaseProcess, said: Any) -> None:
    if process.exitcode == INTERRUPTED:
        raise KeyboardInterrupt
    if process.exitcode:
        raise RunError(f"a process ended with {process.exitcode}" if said.empty() else said.get())


def _alone(job: Callable[[Item], object], item: Item, said: Any) -> None:
    """In the new process: away from the terminal's Ctrl-C, which the first process passes on."""
    os.setpgrp()
    try:
        job(item)
    except TruewardError as error:
        said.put(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
