"""What `trueward eval` judges on, from its flags."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trueward.errors import InputError

if TYPE_CHECKING:
    from trueward.evaluate import Exposure, Task


def check(args: argparse.Namespace, models: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Raise InputError where flags do not go together."""
    if not models and not files:
        raise InputError("nothing to judge: name a MODEL, or --scores FILE")
    if both := sorted(models.keys() & files.keys()):
        raise InputError(f"a model and a score file are called {both[0]!r}; give NAME=PATH")
    if not args.suite:
        raise InputError("no --suite; trueward suites lists them")
    if len(set(args.suite)) < len(args.suite):
        raise InputError(f"--suite {', '.join(args.suite)}: name each once")
    if files and len(args.suite) > 1:
        raise InputError("--scores: a file has the scores of one suite; give one --suite")
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit: expected at least 1, got {args.limit}")


def tasks_of(args: argparse.Namespace) -> "list[Task]":
    """Load every suite named, from the place that --data gives it.

    Raises:
        InputError: an unknown suite, or data of which it is not said whose.
        DataError: data that is not there, or not what it must be.
    """
    from trueward.evaluate import load_task
    from trueward.suites import suite

    names = [suite(name).name for name in args.suite]
    places: dict[str, str] = {}
    for word in args.data:
        before, _, after = word.partition("=")
        named = bool(after) and before in names
        if not named and len(names) > 1:
            raise InputError(f"--data {word}: say of which suite, as in {names[0]}={word}")
        name, path = (before, after) if named else (names[0], word)
        if name in places:
            raise InputError(f"--data {word}: {name} has {places[name]} already")
        places[name] = path
    return [load_task(name, places.get(name), limit=args.limit) for name in names]


def without_seen(tasks: "Sequence[Task]", seen: "Sequence[Exposure]") -> "list[Task]":
    """Leave out every item that any known training data has. Raises InputError if none is known."""
    if not seen:
        raise InputError("--exclude_contaminated: no training data is known; give --train_data")
    ids = {task.stem: {i for one in seen if one.task is task for i in one.ids} for task in tasks}
    return [task.without(ids[task.stem]) for task in tasks]
