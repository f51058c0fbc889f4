"""Numbers as people read them."""

import math
from collections.abc import Sequence
from typing import Any

MINUS = "\N{MINUS SIGN}"
MISSING = "–"
_NO_BREAK = "\N{NO-BREAK SPACE}"


def fixed(value: float, digits: int = 3) -> str:
    """A number with fixed decimals and a true minus; a dash where it is undefined."""
    if math.isnan(value):
        return MISSING
    return f"{value:z.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """The same with its sign always shown."""
    if math.isnan(value):
        return MISSING
    return f"{value:+z.{digits}f}".replace("-", MINUS)


def short(value: float) -> str:
    """A number of any size in about four figures."""
    if math.isnan(value):
        return MISSING
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}".replace("-", MINUS)
    return f"{value:.4g}".replace("-", MINUS)


def percent(share: float) -> str:
    """`95 %`, which does not break."""
    return f"{100 * share:g}{_NO_BREAK}%"


def shown(value: Any) -> str:
    """A setting's value as text."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return "none" if value is None else str(value)


def count(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def spaced(name: str) -> str:
    """A set's or measure's name as words."""
    return name.replace("_", " ")


def mean(values: Sequence[int | float]) -> float:
    """Mean of the defined values; NaN without any."""
    defined = [v for v in values if not math.isnan(v)]
    return sum(defined) / len(defined) if defined else math.nan
