"""The blocks that reports are made of, said once; terminal, HTML and Markdown each render them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trueward.report.words import fixed, interval, signed
from trueward.results import PairedDifference
from trueward.types import Estimate

Plotly: TypeAlias = dict[str, Any]
"""A trace, an axis or a layout in plotly.js's own terms."""
Numbers: TypeAlias = Sequence[int | float]
"""Coordinates along one axis."""
DASHED = "dashed"
"""Stands for a dashed grey line where a legend takes a colour."""


@dataclass(frozen=True)
class Value:
    """A table's entry that is more than plain words."""

    text: str
    interval: str | None = None
    """`low to high`; None where no interval belongs, empty where one is missing."""
    difference: str = ""
    """The difference to the baseline, with its mark."""
    difference_interval: str = ""
    sign: int = 0
    """1 or −1, as a significant difference is positive or negative; else 0."""
    note: str = ""
    """Quieter words after the text."""
    style: str = ""
    """Style on a terminal, such as `bold`."""


@dataclass(frozen=True)
class Column:
    """A table's column, of numbers unless it is declared to be of text."""

    title: str
    text: bool = False
    width: int | None = None
    """The most characters on a terminal."""
    whole: bool = False
    """True where words are never broken into lines."""
    stretched: bool = False
    """True where the column takes its share of the width that is left."""


@dataclass(frozen=True)
class Row:
    """A table's row; its first entry names it."""

    entries: tuple[str | Value, ...]
    kind: str = ""
    """`reference` for a row that only serves comparison, `heading` for a line over others."""


@dataclass(frozen=True)
class Table:
    """Rows under columns, with a caption, and notes below."""

    caption: str
    """The table's name on a page."""
    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    """The title on a terminal, where captions are not shown."""
    notes: Sequence[str] = ()
    """Lines below the table."""
    emphasis: bool = False
    """True where the values stand out from their intervals."""
    loose: bool = False
    """True where a blank line parts rows on a terminal."""
    ruled: bool = False
    """True where lines part columns on a terminal."""


@dataclass(frozen=True)
class Panel:
    """One small plot: title, description, traces and layout."""

    title: str
    description: str
    """The plot in words, for a person who cannot see it."""
    traces: Sequence[Plotly]
    layout: Plotly
    height: int
    note: str = ""
    """A quieter line under the title."""


@dataclass(frozen=True)
class Figure:
    """Panels side by side as the page's width allows, with one legend and one caption."""

    caption: str
    legend: Mapping[str, str]
    """Colour, or `DASHED`, of each name."""
    panels: Sequence[Panel]
    size: str = "medium"
    """Size of a panel: `tiny`, `small`, `medium` or `large`."""


@dataclass(frozen=True)
class Verdict:
    """A headline, a sentence for every finding, and the caveats."""

    about: str
    """The subject, such as `Study NAME`."""
    headline: str
    findings: tuple[str, ...]
    caveats: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """Troubles to expect, by rules of thumb."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str
    kind: str = "note"
    """Class of the element on a page; a `note` is dim on a terminal."""


@dataclass(frozen=True)
class Lines:
    """A list of sentences."""

    items: Sequence[str]
    kind: str = "note"


@dataclass(frozen=True)
class Heading:
    """A title within a section."""

    title: str


@dataclass(frozen=True)
class Facts:
    """Names and values; nested mappings are flattened with dots."""

    items: Mapping[str, object]


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str
    label: str
    """Name of the box for screen readers."""


@dataclass(frozen=True)
class Fold:
    """A block that is hidden until its title is clicked."""

    title: str
    block: "Block"


@dataclass(frozen=True)
class Group:
    """Blocks that belong together, under a title if they have one."""

    blocks: Sequence["Block"]
    title: str = ""
    kind: str = ""


Block: TypeAlias = Table | Figure | Verdict | Text | Lines | Heading | Facts | Code | Fold | Group


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading."""

    identifier: str
    """Its anchor."""
    title: str
    blocks: Sequence[Block]


def row(*entries: str | Value, kind: str = "") -> Row:
    """Return a row of these entries."""
    return Row(entries, kind)


def columns(first: str, *titles: str, texts: int = 0) -> list[Column]:
    """Return a column of names and one for each other title, the first `texts` of them of text."""
    others = [Column(title, text=place < texts) for place, title in enumerate(titles)]
    return [Column(first, text=True), *others]


def compared(
    mean: Estimate,
    difference: PairedDifference | None,
    form: Callable[[float], str] = fixed,
    signed_form: Callable[[float], str] = signed,
) -> Value:
    """Return a mean with its interval and its difference to the baseline, unless it is that."""
    around = interval(mean, form, "")
    if difference is None:
        return Value(form(mean.value), around)
    gap = difference.estimate
    return Value(
        form(mean.value),
        around,
        signed_form(gap.value) + difference.mark,
        interval(gap, signed_form, ""),
        sign=0 if not difference.significant else 1 if gap.value > 0 else -1,
    )
