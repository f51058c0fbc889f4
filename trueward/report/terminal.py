"""Blocks on a terminal, eighty columns wide."""

from typing import TYPE_CHECKING

from trueward.report.blocks import Lines, Row, Table, Text, Value

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text as RichText


def show(console: "Console", *blocks: Table | Text | Lines) -> None:
    """Print blocks one after the other; notes are dim."""
    for block in blocks:
        if isinstance(block, Table):
            console.print(rich_table(block))
            continue
        style = "dim" if block.kind == "note" else None
        for line in [block.words] if isinstance(block, Text) else block.items:
            console.print(line, style=style, highlight=False, markup=False)


def rich_table(one: Table) -> "RichTable":
    """Return a table for rich; the interval of a value that has a difference is left out."""
    from rich import box
    from rich.table import Table as RichTable

    if one.ruled:
        table = RichTable(*(column.title for column in one.columns))
    else:
        table = RichTable(
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            title=one.title or None,
            title_justify="left",
            caption="\n".join(one.notes) or None,
            caption_justify="center" if one.title else "left",
            leading=1 if one.loose else 0,
        )
        for column in one.columns:
            table.add_column(
                column.title,
                justify="left" if column.text else "right",
                overflow="fold",
                max_width=column.width,
                no_wrap=column.whole,
                ratio=1 if column.stretched else None,
            )
    kind = ""
    for row in one.rows:
        if row.kind == "heading" or row.kind != kind == "":
            table.add_section()
        kind = row.kind
        table.add_row(*(_entry(entry, row) for entry in row.entries))
    return table


def _entry(entry: str | Value, row: Row) -> "RichText":
    from rich.text import Text as RichText

    style = {"reference": "dim", "heading": "bold"}.get(row.kind, "")
    if isinstance(entry, str):
        return RichText(entry, style=style)
    text = RichText(entry.text, style=style or entry.style)
    if entry.difference:
        color = {1: "green", -1: "red"}.get(entry.sign, "dim")
        text.append("\n" + entry.difference, style=color)
    return text.append(entry.note, style="dim") if entry.note else text
