"""Errors that Trueward raises on purpose, and the exit code of each.

    TruewardError                (exit 1)  anything raised on purpose
    ├── InputError               (exit 2)  bad input: the message names what came and what to do
    │   ├── DataError                      a file, row or field of a dataset
    │   │   └── MissingSplitError          the data is there, the split is not
    │   ├── ObjectiveError                 an objective's name or parameters
    │   ├── ModelError                     a checkpoint, head, tokenizer or padding
    │   └── OutputExistsError              a result is there already
    └── RunError                 (exit 1)  a run that began and could not go on

Every message is one line: what was expected, what came, where, what to do.
"""

from difflib import get_close_matches
from typing import ClassVar


class TruewardError(Exception):
    """Anything Trueward raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(TruewardError, ValueError):
    """Bad input; nothing was written."""

    exit_code: ClassVar[int] = 2


class DataError(InputError):
    """A dataset, file, row or field is not what it must be."""


class MissingSplitError(DataError):
    """The data is there, but has no split of that name."""


class ObjectiveError(InputError):
    """An objective's name or parameter is unknown, or its parts do not fit together."""


class ModelError(InputError):
    """A checkpoint, head or tokenizer cannot serve as a reward model."""


class OutputExistsError(InputError):
    """The output directory or file holds a result already."""


class RunError(TruewardError, RuntimeError):
    """A run that began could not go on."""


class LayoutWarning(UserWarning):
    """A layout without padding failed with an error, where it should work or be refused."""


def reason(error: Exception) -> str:
    """Return the first line of another library's error, or its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def nearest(name: str, valid: list[str]) -> str:
    """Return the end of an error message: the nearest valid names, or all of them."""
    close = get_close_matches(name, valid, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    return "valid: " + ", ".join(sorted(valid))
