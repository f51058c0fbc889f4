"""Which sets are diagnosed on, and what training data they are held against."""

from collections.abc import Mapping
from dataclasses import replace

from trueward.errors import InputError
from trueward.evaluate.diagnosis.questions import QuestionSet, read_questions
from trueward.goldworld import build_scenarios
from trueward.types import Scenarios

WORLD = "goldworld"
"""Stands for the embedded gold world's four scenarios, similar pairs and training pairs."""
TRAIN = "train"
TRAIN_ROWS = 1000
"""Most training rows that are scored, spread evenly."""


def read_sets(
    data: Mapping[str, str], train_data: str | None = None, *, limit: int | None = None
) -> tuple[list[QuestionSet], QuestionSet | None]:
    """Sets by name, and the training data if it is given.

    Args:
        data: a file, folder or hub name by the set's name; or `goldworld`.
        train_data: the data that the models were trained on; the gold world brings its own.
        limit: only the first so many prompts of each set, which then is called so.

    Raises:
        InputError: two sets have one name, or one is called as the training data is.
        DataError: data that is not there, or not what it must be.
    """
    scenarios = build_scenarios() if WORLD in (*data.values(), train_data) else None
    found: list[QuestionSet] = []
    for name, source in data.items():
        if source == WORLD and scenarios is not None:
            found += _of_world(scenarios, limit)
        else:
            found.append(read_questions(source, _stem(name, limit), limit=limit))
    names = [one.name for one in found]
    if not names:
        raise InputError(f"nothing to diagnose on: give --data FILE, or --data {WORLD}")
    if twice := next((n for n in names if names.count(n) > 1 or n == TRAIN), None):
        raise InputError(f"the name {twice!r} of a set is taken; give --data NAME=FILE")
    if scenarios is not None and train_data in (None, WORLD):
        known = read_questions(scenarios.train, TRAIN, most=TRAIN_ROWS)
        return found, replace(known, source=WORLD)
    if train_data is None:
        return found, None
    return found, read_questions(train_data, TRAIN, most=TRAIN_ROWS)


def _of_world(scenarios: Scenarios, limit: int | None) -> list[QuestionSet]:
    parts = {**scenarios.groups(), "similar_pairs": scenarios.similar_pairs}
    return [
        replace(read_questions(rows, _stem(part, limit), limit=limit), source=WORLD)
        for part, rows in parts.items()
        if rows is not None
    ]


def _stem(name: str, limit: int | None) -> str:
    """A part of a set never passes for the whole."""
    return name if limit is None else f"{name}.first-{limit}"
