"""Flags and progress that the verbs share which score with a model."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trueward.errors import InputError

if TYPE_CHECKING:
    from trueward.evaluate import ScoreSettings
    from trueward.runs import Begin

_NAMED = re.compile(r"([\w.+-]+)=(.+)")


def add_scoring_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the fields of `ScoreSettings`."""
    group = parser.add_argument_group("scoring")
    group.add_argument("--max_length", type=int, help="longest sequence in tokens (as trained)")
    group.add_argument(
        "--truncation",
        choices=["error", "truncate_left", "truncate_right"],
        help="what becomes of longer ones; always counted (as trained, else error)",
    )
    group.add_argument(
        "--text",
        action="store_true",
        default=None,
        help="join prompt and response as text, even where there is a chat template",
    )
    group.add_argument("--batch_tokens", type=int, default=8192, help="tokens in a batch (8192)")
    group.add_argument(
        "--dtype",
        choices=["float32", "bfloat16", "float16"],
        default="float32",
        help="of the weights (float32)",
    )
    group.add_argument("--device", help="cpu, cuda, cuda:1, … (the accelerator, if any)")


def settings_of(args: argparse.Namespace) -> "ScoreSettings":
    """The flags as settings.

    Raises:
        InputError: a length or a batch without room for a token.
    """
    from transformers.utils import logging

    from trueward.evaluate import ScoreSettings

    for name in ("max_length", "batch_tokens"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name}: expected at least 1, got {value}")
    logging.disable_progress_bar()  # of loading weights
    names = ("max_length", "truncation", "text", "batch_tokens", "dtype", "device")
    return ScoreSettings(**{name: getattr(args, name) for name in names})


def labelled(words: Sequence[str], kind: str) -> dict[str, str]:
    """`PATH` or `NAME=PATH` by name; of a path its last part, of a hub name all.

    Raises:
        InputError: two have the same name.
    """
    found: dict[str, str] = {}
    for word in words:
        match = None if Path(word).exists() else _NAMED.fullmatch(word)
        label, path = match.groups() if match else (_label(word), word)
        if label in found:
            raise InputError(
                f"two {kind} are called {label!r} ({found[label]}, {path}); "
                f"name them: {label}-1={found[label]} {label}-2={path}"
            )
        found[label] = path
    return found


def _label(path: str) -> str:
    here = Path(path)
    if here.is_dir():
        return here.resolve().name
    if not here.is_file():
        return path
    stem = Path(here.name.removesuffix(".gz")).stem
    return stem.removeprefix("scores_").removesuffix(".scores")


@contextmanager
def progress() -> "Iterator[Begin]":
    """Give a bar on stderr for each model and file, in responses."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))

    def begin(what: str, total: int, done: int) -> Callable[[int], object]:
        bars.start()
        bar = bars.add_task(what, total=total, completed=done)
        return lambda count: bars.advance(bar, count)

    try:
        yield begin
    finally:
        bars.stop()
