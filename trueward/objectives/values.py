"""Parameter values: from objective strings and YAML to the declared type, and back to text."""

import math
from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin


def coerce(value: Any, hint: Any) -> Any:
    """`value` as the type `hint`: bool, int, float, str, a Literal, or a union of these.

    Text is read as the type (YAML 1.1 reads `1e-3` as text); ValueError if it cannot be.
    """
    if get_origin(hint) in (Union, UnionType):
        return _first(value, get_args(hint))
    if get_origin(hint) is Literal:
        return _literal(value, get_args(hint))
    if isinstance(value, str) and hint is not str:
        value = _READ[hint](value.strip())
    elif hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise ValueError(value)
    return value


def show(value: object) -> str:
    """A parameter value as an objective string writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def type_name(hint: Any) -> str:
    """A type for people: `float`, `"batch" or float`."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(type_name(h) for h in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(hint))
    return str(hint.__name__)


def _first(value: object, hints: tuple[Any, ...]) -> Any:
    for hint in hints:
        try:
            return coerce(value, hint)
        except ValueError:
            continue
    raise ValueError(value)


def _literal(value: object, choices: tuple[Any, ...]) -> Any:
    bare = value.strip().strip("\"'") if isinstance(value, str) else value
    if bare not in choices:
        raise ValueError(value)
    return bare


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_READ: dict[Any, Callable[[str], Any]] = {bool: _read_bool, int: int, float: float}
