"""What one rank does for all, and what all ranks must agree on."""

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
