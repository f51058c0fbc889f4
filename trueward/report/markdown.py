"""Blocks as Markdown, fit for a model card."""

from trueward.report.blocks import Table, Value, Verdict


def table(one: Table) -> str:
    """Return a Markdown table, numbers to the right, and its notes.

    In brackets stands a value's difference, or else its interval.
    """
    head = [column.title for column in one.columns]
    rows = [[_entry(entry) for entry in row.entries] for row in one.rows]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    text = "\n".join("| " + " | ".join(plain(cell) for cell in line) + " |" for line in lines)
    return "\n\n".join([text, *map(plain, one.notes)])


def verdict(one: Verdict) -> list[str]:
    """Return a verdict's paragraphs."""
    parts = [f"**{plain(one.headline)}**"]
    if one.findings:
        parts.append("\n".join(f"- {plain(words)}" for words in one.findings))
    if one.warnings:
        parts += ["Warnings:", "\n".join(f"- {plain(words)}" for words in one.warnings)]
    return parts + [plain(words) for words in one.caveats]


def plain(words: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    for sign in "\\`|<":
        words = words.replace(sign, "\\" + sign)
    return " ".join(words.split())


def _entry(entry: str | Value) -> str:
    if isinstance(entry, str):
        return entry
    around = entry.difference or entry.interval
    return f"{entry.text} ({around})" if around else entry.text
