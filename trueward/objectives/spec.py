"""Objectives in words: read from a string or mapping, and every part described.

    objective = term ("+" term)*
    term      = name | name "(" parameter "=" value ("," parameter "=" value)* ")"

The mapping form, for YAML, is `{name: {parameter: value, ...}, ...}`.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trueward.errors import ObjectiveError, nearest
from trueward.objectives.composition import Objective, show
from trueward.objectives.part import PARTS, Margin, Part, Penalty, Preference, lookup

_PLUS = re.compile(r"\+(?![^()]*\))")
_TERM = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*")
_PARAMETER = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")


def objective(spec: str | Objective | Mapping[str, Any]) -> Objective:
    """Build the objective that `spec` names, such as `"aplot + bsr(weight=1e-3)"`.

    At most one preference loss (`bt` if none is named), at most one margin, distinct penalties.

    Raises:
        ObjectiveError: a name or parameter is unknown, a value does not fit, or the parts don't.
    """
    if isinstance(spec, Objective):
        return spec
    if isinstance(spec, Mapping):
        if not spec:
            raise ObjectiveError("the objective's mapping is empty; name at least one part")
        return _compose([_build(str(name), given) for name, given in spec.items()])
    if not isinstance(spec, str):
        raise ObjectiveError(f"an objective is a string such as 'aplot + bsr', got {spec!r}")
    return _compose([_parse(term) for term in _PLUS.split(spec)])


def _compose(parts: list[Part]) -> Objective:
    preferences = [part for part in parts if isinstance(part, Preference)]
    margins = [part for part in parts if isinstance(part, Margin)]
    penalties = tuple(part for part in parts if isinstance(part, Penalty))
    for kind, same in (("preference loss", preferences), ("margin", margins)):
        if len(same) > 1:
            names = " and ".join(repr(part.name) for part in same)
            raise ObjectiveError(f"an objective has one {kind}, got {names}; keep one")
    margin = margins[0] if margins else None
    if not preferences:
        return Objective(margin=margin, penalties=penalties)
    return Objective(preferences[0], margin, penalties)


def _parse(term: str) -> Part:
    match = _TERM.fullmatch(term)
    if match is None:
        raise ObjectiveError(
            f"cannot read objective term {term.strip()!r}; "
            "write name or name(parameter=value, ...), joined by +"
        )
    name, inside = match.groups()
    given: dict[str, str] = {}
    for piece in (inside or "").split(",") if (inside or "").strip() else []:
        parameter = _PARAMETER.fullmatch(piece)
        if parameter is None:
            first = next((f.name for f in fields(lookup(name))), "parameter")
            raise ObjectiveError(
                f"cannot read {piece.strip()!r} in {term.strip()!r}; write e.g. {name}({first}=...)"
            )
        key, value = parameter.groups()
        if key in given:
            raise ObjectiveError(f"{name}: parameter {key!r} is given twice; keep one")
        given[key] = value
    return _build(name, given)


def _build(name: str, given: Any) -> Part:
    part = lookup(name)
    if given is not None and not isinstance(given, Mapping):
        raise ObjectiveError(f"{name}: expected a mapping of parameters, got {given!r}")
    hints = get_type_hints(part)
    known = {f.name: f for f in fields(part)}
    values: dict[str, Any] = {}
    for key, value in (given or {}).items():
        if key not in known:
            hint = nearest(str(key), list(known)) if known else "it has none"
            raise ObjectiveError(f"{name} has no parameter {key!r}; {hint}")
        try:
            values[key] = coerce(value, hints[key])
        except ValueError:
            expected = type_name(hints[key])
            raise ObjectiveError(f"{name}: {key} must be {expected}, got {value!r}") from None
    missing = [k for k, f in known.items() if k not in values and f.default is MISSING]
    if missing:
        raise ObjectiveError(f"{name} needs {missing[0]}; write {name}({missing[0]}=...)")
    return part(**values)


def coerce(value: Any, hint: Any) -> Any:
    """Return `value` as the type `hint`: bool, int, float, str, a Literal, or a union of these.

    Text is read as the type (YAML 1.1 reads `1e-3` as text); ValueError if it cannot be.
    """
    if get_origin(hint) in (Union, UnionType):
        for one in get_args(hint):
            with suppress(ValueError):
                return coerce(value, one)
        raise ValueError(value)
    if get_origin(hint) is Literal:
        value = value.strip().strip("\"'") if isinstance(value, str) else value
        if value not in get_args(hint):
            raise ValueError(value)
        return value
    if isinstance(value, str) and hint is not str:
        value = _READ[hint](value.strip())
    elif hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise ValueError(value)
    return value


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_READ: dict[Any, Callable[[str], Any]] = {bool: _read_bool, int: int, float: float}


def type_name(hint: Any) -> str:
    """Name a type for people: `float`, `"batch" or float`."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(type_name(one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(hint))
    return str(hint.__name__)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a part."""

    name: str
    type: str
    default: str | None
    """As an objective string writes it; None if the parameter must be given."""
    meaning: str


@dataclass(frozen=True)
class PartDescription:
    """One part as plain data: its equation, parameters, needs and the case to choose it in."""

    name: str
    kind: str
    summary: str
    details: str
    equation: str
    parameters: tuple[Parameter, ...]
    needs: tuple[str, ...]
    batch_level: bool
    choose_when: str
    paper: str


def describe(name: str) -> PartDescription:
    """Describe the part of that name; ObjectiveError with the nearest names if there is none."""
    return _describe(lookup(name))


def describe_all() -> tuple[PartDescription, ...]:
    """Describe every registered part: preference losses, then margins, then penalties."""
    order = ("preference", "margin", "penalty")
    return tuple(_describe(p) for p in sorted(PARTS.values(), key=lambda p: order.index(p.kind)))


def _describe(part: type[Part]) -> PartDescription:
    hints = get_type_hints(part)
    paragraphs = inspect.cleandoc(part.__doc__ or "").partition("\n")[2].strip().split("\n\n")
    return PartDescription(
        name=part.name,
        kind=part.kind,
        summary=part.summary,
        # each paragraph on one line, for the reader's terminal to wrap
        details="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs),
        equation=part.equation,
        parameters=tuple(
            Parameter(
                f.name,
                type_name(hints[f.name]),
                None if f.default is MISSING else show(f.default),
                f.metadata.get("help", ""),
            )
            for f in fields(part)
        ),
        needs=tuple(sorted(part.needs)),
        batch_level=part.batch_level,
        choose_when=part.choose_when,
        paper=part.paper,
    )
