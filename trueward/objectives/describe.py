"""What every registered part says of itself, as plain data for tables and JSON."""

import inspect
from dataclasses import MISSING, dataclass, fields
from typing import get_type_hints

from trueward.objectives.part import Part
from trueward.objectives.registry import PARTS, lookup
from trueward.objectives.values import show, type_name


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
    """One part: what it computes, with what, and when to choose it."""

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
    """The part registered as `name`; ObjectiveError with the nearest names if there is none."""
    return _describe(lookup(name))


def describe_all() -> tuple[PartDescription, ...]:
    """Every registered part: preference losses, then margins, then penalties."""
    order = ("preference", "margin", "penalty")
    return tuple(_describe(p) for p in sorted(PARTS.values(), key=lambda p: order.index(p.kind)))


def _describe(part: type[Part]) -> PartDescription:
    hints = get_type_hints(part)
    return PartDescription(
        name=part.name,
        kind=part.kind,
        summary=part.summary,
        details=_paragraphs(inspect.cleandoc(part.__doc__ or "").partition("\n")[2]),
        equation=part.equation,
        parameters=tuple(
            Parameter(
                f.name,
                type_name(hints[f.name]),
                None if f.default is MISSING else show(f.default),
                f.metadata.get("help", ""),
            )
            for f in fields(part)  # type: ignore[arg-type]
        ),
        needs=tuple(sorted(part.needs)),
        batch_level=part.batch_level,
        choose_when=part.choose_when,
        paper=part.paper,
    )


def _paragraphs(text: str) -> str:
    """The text with each paragraph on one line, for the reader's terminal to wrap."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
