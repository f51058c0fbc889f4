"""What one rank does for all, what all ranks must agree on, and how they part."""

import gc
from collections.abc import Callable
from typing import Any, TypeVar

import datasets
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers.utils import logging

from trueward.errors import TruewardError

Value = TypeVar("Value")


def from_first(action: Callable[[], Value]) -> Value:
    """Run `action` on rank 0 while the others wait; its value, or its TruewardError, is everyone's.

    The value must pickle: it goes over the ranks' own connection.
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
    value, refusal = broadcast_object_list(outcome)
    if refusal is not None:
        raise refusal
    return value


def on_any_rank(flag: bool) -> bool:
    """Whether the flag is set on this rank or another."""
    state = PartialState()
    if state.num_processes == 1:
        return flag
    votes = torch.tensor(int(flag), device=state.device)
    torch.distributed.all_reduce(votes, torch.distributed.ReduceOp.MAX)
    return bool(votes.item())


def quiet_but_first() -> None:
    """No progress bars from any rank but the first."""
    if not PartialState().is_main_process:
        datasets.disable_progress_bars()
        logging.disable_progress_bar()


def leave_ranks() -> None:
    """End this process's part in a run of several ranks, once nothing holds its trainer any more.

    A trainer keeps the ranks' connection open. Gloo's threads, with tensors of the last exchange,
    then outlive the interpreter and may ask for its lock, which aborts a process that was done.
    """
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()
