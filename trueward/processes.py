"""Processes: jobs in workers of their own, and the ranks of one distributed run."""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any, TypeVar, cast

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from trueward.errors import RunError, TruewardError

Item = TypeVar("Item")
Value = TypeVar("Value")
INTERRUPTED = 130
"""The exit code of a process that was interrupted."""


def in_processes(
    job: Callable[[Item], object],
    items: Sequence[Item],
    *,
    workers: int,
    fresh: bool = False,
    died: str = "a process ended with {code}",
) -> Iterator[Item]:
    """Run `job(item)` for all items in processes, and yield each item when its job is done.

    A job's results are the files it writes. Each worker has a GPU, or its part of the cores. On an
    interrupt, or when a job fails, no further job begins; running jobs are sent SIGTERM, on which
    they may write a checkpoint, and are waited for. Ctrl-C in a terminal reaches only the first
    process; a second Ctrl-C kills the workers. No worker outlives this process.

    Args:
        job: called with an item in a worker; both must pickle.
        items: in the order in which they begin.
        workers: the most jobs at a time.
        fresh: begin every job in a new process, not in the one that an earlier job ran in.
        died: message where a process ends with no error of ours; `{code}` is its exit code.

    Raises:
        TruewardError: as a job raised it.
        RunError: a job's process ended otherwise.
        KeyboardInterrupt: a job was interrupted.
    """
    waiting = list(items)
    workers = min(workers, len(waiting))
    free = list(range(workers))
    idle: list[_Worker] = []
    running: list[_Worker] = []
    try:
        while waiting or running:
            while waiting and (idle or free):
                worker = idle.pop() if idle else _Worker(job, free.pop(0), workers=workers)
                running.append(worker)
                worker.begin(waiting.pop(0))
            ends = [end for worker in running for end in (worker.pipe, worker.process.sentinel)]
            ready = connection.wait(ends)
            for worker in [w for w in running if w.pipe in ready or w.process.sentinel in ready]:
                worker.check(died)
                running.remove(worker)
                if fresh:
                    worker.end()
                    free.append(worker.slot)
                else:
                    idle.append(worker)
                yield worker.item
    finally:
        _end([*running, *idle])


class _Worker:
    """A process that does one job after another, as seen from the process that began it."""

    item: Any

    def __init__(self, job: Callable[[Any], object], slot: int, *, workers: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.slot = slot
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_work, args=(job, theirs, slot, workers))
        self.process.start()
        theirs.close()

    def begin(self, item: Any) -> None:
        """Give it a job."""
        self.item = item
        with contextlib.suppress(BrokenPipeError):  # it died: `check` raises that
            self.pipe.send(item)

    def check(self, died: str) -> None:
        """Raise the error of the job, if it failed."""
        try:
            error = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            if self.process.exitcode == INTERRUPTED:
                raise KeyboardInterrupt from None
            raise RunError(died.format(code=self.process.exitcode)) from None
        if error is not None:
            raise error

    def end(self) -> None:
        """Let an idle worker go."""
        self.pipe.close()
        self.process.join()


def _end(workers: Sequence[_Worker]) -> None:
    try:
        for worker in workers:
            worker.process.terminate()
            worker.pipe.close()
        for worker in workers:
            worker.process.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.process.kill()
        raise


def _work(job: Callable[[Any], object], pipe: Any, slot: int, workers: int) -> None:
    """Do jobs in the new process until the first one closes the pipe."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # away from the terminal's Ctrl-C, which the first process passes on
    with _signals_for_this_thread():
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _take_share(slot, workers)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionResetError):  # closed
            return
        error = _error_of(job, item)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # closed meanwhile
            pipe.send(error)


def _error_of(job: Callable[[Any], object], item: Any) -> TruewardError | None:
    try:
        job(item)
    except TruewardError as error:
        return error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    return None


@contextlib.contextmanager
def _signals_for_this_thread() -> Iterator[None]:
    """Keep signals from the threads that are started meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take_share(slot: int, workers: int) -> None:
    """Restrict this process to one GPU, or to its part of the cores."""
    if torch.cuda.device_count() > 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = visible.split(",") if visible else [*map(str, range(torch.cuda.device_count()))]
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    else:
        torch.set_num_threads(max(1, cores() // workers))


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quiet() -> None:
    """Silence the progress bars and warnings of the libraries."""
    from transformers.utils import logging

    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"  # for processes that this one starts
    _no_bars()
    logging.set_verbosity_error()


def quiet_but_first() -> None:
    """Silence the progress bars of every rank but the first."""
    if not PartialState().is_main_process:
        _no_bars()


def _no_bars() -> None:
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()


def from_first(action: Callable[[], Value]) -> Value:
    """Run `action` on rank 0 only; return its value, or raise its TruewardError, on every rank.

    The value must pickle.
    """
    state = PartialState()
    if state.num_processes == 1:
        return action()
    outcome: list[Any] = [None, None]
    if state.is_main_process:
        try:
            outcome[0] = action()
        except TruewardError as error:
            outcome[1] = error
    value, failure = broadcast_object_list(outcome)
    if failure is not None:
        raise failure
    return cast(Value, value)


def on_any_rank(flag: bool) -> bool:
    """Return whether the flag is set on this rank or another."""
    return bool(most_on_ranks(int(flag)))


def most_on_ranks(count: int) -> int:
    """Return the largest number that any rank comes with."""
    state = PartialState()
    if state.num_processes == 1:
        return count
    counts = torch.tensor(count, device=state.device)
    torch.distributed.all_reduce(counts, torch.distributed.ReduceOp.MAX)
    return int(counts.item())


def leave_ranks() -> None:
    """Close the connection between ranks, when nothing refers to the trainer any more.

    Left open, Gloo's threads outlive the interpreter with tensors of the last exchange, and may ask
    for its lock, which aborts a process that was done.
    """
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()
