"""Shared by every benchmark: interleaved timing, ratios with their spread, JSON and a table."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from trueward.files import write_json
from trueward.runs import environment as versions


def alternate(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each candidate in each round, after one unmeasured call of each.

    Candidates take turns within a round, and the first one changes from round to round, so a slow
    phase of the machine falls on all of them. Position i of every list is round i. On a machine
    that others use, `process_time` with one thread is the steadier clock.
    """
    names = list(candidates)
    for name in names:
        _seconds(candidates[name], clock)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(_seconds(candidates[name], clock))
    return seconds


def ratio_summary(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, float]:
    """The median of the ratios taken round by round, with the smallest and the largest."""
    ratios = [above / below for above, below in zip(numerator, denominator, strict=True)]
    return {"median": median(ratios), "min": min(ratios), "max": max(ratios)}


def environment() -> dict[str, str]:
    """Versions, machine, threads and how busy the machine is now."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {**versions(), "threads": str(torch.get_num_threads()), "load": load}


def write(
    path: Path | str | None,
    document: Mapping[str, Any],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> None:
    """Print the table; write the document as JSON if there is a path."""
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if path is not None:
        write_json({"environment": environment(), **document}, path)


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    _finish()
    start = clock()
    call()
    _finish()
    return clock() - start


def _finish() -> None:
    """Wait for the accelerator, if there is one: its work is queued, not done, when a call ends."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
