"""From a string or mapping to an objective.

    objective = term ("+" term)*
    term      = name | name "(" parameter "=" value ("," parameter "=" value)* ")"

The mapping form, for YAML, is `{name: {parameter: value, ...}, ...}`.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from trueward.errors import ObjectiveError, nearest
from trueward.objectives.composition import Objective
from trueward.objectives.part import Margin, Part, Penalty, Preference
from trueward.objectives.registry import lookup
from trueward.objectives.values import coerce, type_name

_PLUS = re.compile(r"\+(?![^()]*\))")
_TERM = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*")
_PARAMETER = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")


def objective(spec: str | Objective | Mapping[str, Any]) -> Objective:
    """The objective that `spec` describes, such as `"aplot + bsr(weight=1e-3)"`.

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
            first = next((f.name for f in fields(lookup(name))), "parameter")  # type: ignore[arg-type]
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
    known = {f.name: f for f in fields(part)}  # type: ignore[arg-type]
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
