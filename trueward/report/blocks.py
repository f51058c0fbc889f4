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
DASHED = "dashed"
"""In place of a colour in a legend: a dashed grey line."""


@dataclass(frozen=True)
class Value:
    """A table's entry that is more than plain words."""

    text: str
    interval: str | None = None
    """None where none belongs here, empty where there could be one."""
    difference: str = ""
    """To the baseline, with its mark."""
    difference_interval: str = ""
    sign: int = 0
    """Of the difference where it is significant, else 0."""
    note: str = ""
    """Quieter words after the text."""
    style: str = ""
    """On a terminal, such as `bold`."""


@dataclass(frozen=True)
class Column:
    """A table's column, of numbers unless it is said to be of text."""

    title: str
    text: bool = False
    width: int | None = None
    """At most, on a terminal."""
    whole: bool = False
    """Never broken into lines."""
    stretched: bool = False
    """Takes its share of the width that is left."""


@dataclass(frozen=True)
class Row:
    """A table's row; its first entry names it."""

    entries: tuple[str | Value, ...]
    kind: str = ""
    """`reference` of what only serves comparison, `heading` of a line over the rows below."""


@dataclass(frozen=True)
class Table:
    """Rows under columns."""

    caption: str
    """Names the table on a page."""
    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    """Stands over it on a terminal, where captions are not shown."""
    notes: Sequence[str] = ()
    """Lines below it."""
    emphasis: bool = False
    """True where the values stand out from their intervals."""
    loose: bool = False
    """True where a blank line parts rows on a terminal."""
    ruled: bool = False
    """True where lines part columns on a terminal."""


@dataclass(frozen=True)
class Panel:
    """One small plot: its words, its traces and its layout."""

    title: str
    description: str
    """For a person who cannot see the plot."""
    traces: Sequence[Plotly]
    layout: Plotly
    height: int
    note: str = ""
    """A second, quieter line under the title."""


@dataclass(frozen=True)
class Figure:
    """Panels side by side as the page's width allows, with one legend and one caption."""

    caption: str
    legend: Mapping[str, str]
    """Colours, or `DASHED`, by what they stand for."""
    panels: Sequence[Panel]
    size: str = "medium"
    """Of a panel: `tiny`, `small`, `medium` or `large`."""


@dataclass(frozen=True)
class Verdict:
    """A headline, a statement for every finding, and what to bear in mind."""

    about: str
    headline: str
    findings: tuple[str, ...]
    caveats: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """Of what will break, by rules of thumb."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str
    kind: str = "note"


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

    items: Mapping[str, Any]


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str
    label: str


@dataclass(frozen=True)
class Fold:
    """A block behind a title that opens it."""

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
    """A heading and what stands under it."""

    identifier: str
    title: str
    blocks: Sequence[Block]


def row(*entries: str | Value, kind: str = "") -> Row:
    """Return a row of these entries."""
    return Row(entries, kind)


def columns(first: str, *numbers: str, texts: int = 0) -> list[Column]:
    """Return columns: the rows' names, then `texts` of text, then numbers."""
    others = [Column(title, text=place < texts) for place, title in enumerate(numbers)]
    return [Column(first, text=True), *others]


def compared(
    mean: Estimate,
    difference: PairedDifference | None,
    form: Callable[[float], str] = fixed,
    signed_form: Callable[[float], str] = signed,
) -> Value:
    """Return a mean with its interval and, but for the baseline, its difference to that."""
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
