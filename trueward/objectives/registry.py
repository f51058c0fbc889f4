"""The parts by name, and the one decorator that adds to them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

from trueward.errors import ObjectiveError, nearest
from trueward.objectives.part import NEEDS, Margin, Part, Penalty, Preference, param

PARTS: dict[str, type[Part]] = {}
"""Every registered part by name, in the order of registration."""

P = TypeVar("P", bound=Part)


@dataclass_transform(frozen_default=True, field_specifiers=(param,))
def register(name: str) -> Callable[[type[P]], type[P]]:
    """Make a class a frozen dataclass and a part that objective strings can name.

    The class subclasses `Preference`, `Margin` or `Penalty` and has a docstring. Registering a
    class again under its own name replaces it, so a notebook cell can be run twice.

    Raises:
        ObjectiveError: the name is taken or not a plain word, or the class is not a part.
    """

    def add(cls: type[P]) -> type[P]:
        _check(name, cls)
        summary = (inspect.cleandoc(cls.__doc__ or "")).split("\n")[0]
        part = dataclass(frozen=True)(cls)
        part.name = name
        part.summary = summary
        PARTS[name] = part
        return part

    return add


def lookup(name: str) -> type[Part]:
    """The part registered as `name`; ObjectiveError with the nearest names if there is none."""
    if name not in PARTS:
        raise ObjectiveError(f"unknown objective {name!r}; {nearest(name.lower(), list(PARTS))}")
    return PARTS[name]


def _check(name: str, cls: type[Part]) -> None:
    if not name.isidentifier():
        raise ObjectiveError(f"register({name!r}): use letters, digits and underscores")
    if not issubclass(cls, Preference | Margin | Penalty):
        raise ObjectiveError(
            f"register({name!r}): {cls.__name__} must subclass Preference, Margin or Penalty"
        )
    if not cls.__dict__.get("__doc__"):
        raise ObjectiveError(f"register({name!r}): {cls.__name__} needs a docstring")
    unknown = sorted(cls.needs - NEEDS.keys())
    if unknown:
        raise ObjectiveError(f"register({name!r}): needs {unknown}; {nearest('', list(NEEDS))}")
    old = PARTS.get(name)
    if old is not None and _home(old) != _home(cls):
        raise ObjectiveError(f"register({name!r}): the name is taken by {'.'.join(_home(old))}")


def _home(cls: type[Part]) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__
