"""Diagnostics of one model on a terminal, eighty columns wide."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueward.report.diagnosis_lines import LINES
from trueward.report.numbers import MISSING, count, spaced

if TYPE_CHECKING:
    from rich.table import Table

_SETS = 5
"""Sets side by side at most."""
Cell = Callable[[Mapping[str, Any]], str]


def diagnostics_table(model: Mapping[str, Any]) -> "Table":
    """One row a number, a column a set."""
    from rich import box
    from rich.table import Table

    sets = model["sets"][:_SETS]
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=model["model"], title_justify="left"
    )
    table.add_column("", no_wrap=True)
    for block in sets:
        table.add_column(spaced(block["name"]), justify="right", overflow="fold")
    for title, read in LINES:
        cells = [read(block) for block in sets]
        if any(words != MISSING for words in cells):
            table.add_row(title, *cells)
    if len(model["sets"]) > _SETS:
        more = count(len(model["sets"]) - _SETS, "further set")
        table.caption = f"{more} in diagnostics.json."
    return table


def not_computed(document: Mapping[str, Any]) -> list[str]:
    """A line for each diagnostic that the data did not allow, and what it would need."""
    sets: dict[tuple[str, str], list[str]] = {}
    for model in document["models"]:
        for one in model["not_computed"]:
            found = sets.setdefault((spaced(one["diagnostic"]), one["needs"]), [])
            found += [one["set"]] if one["set"] not in found else []
    lines = [f"not computed  {_on(what, on)}: needs {need}" for (what, need), on in sets.items()]
    given: Mapping[str, str] = document["not_given"]
    return lines + [f"not computed  {what}: needs {need}" for what, need in given.items()]


def _on(what: str, sets: Sequence[str]) -> str:
    return f"{what} on {', '.join(sets)}"
