"""Results on a terminal, eighty columns wide."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trueward.metrics import metric
from trueward.report.numbers import MISSING, count, fixed, percent, signed
from trueward.results import Entry, StudyResults
from trueward.types import Estimate

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_NAME_WIDTH = 18


def terminal_table(results: StudyResults) -> "Table":
    """Objectives × metrics: the mean, below it the difference to the baseline and its mark."""
    from rich.text import Text

    comparison, labels = results.comparison, results.labels
    table = _table("objective", [metric(name).short for name in comparison.metrics])
    for objective in comparison.objectives:
        entries = [comparison.entry(name, objective) for name in comparison.metrics]
        table.add_row(Text(labels[objective]), *map(_cell, entries))
    table.add_section()
    for name, means in results.baselines.items():
        values = [means.get(m) for m in comparison.metrics]
        words = [MISSING if v is None else fixed(v) for v in values]
        table.add_row(Text(name, style="dim"), *(Text(w, style="dim") for w in words))
    table.caption = _footnotes(results)
    return table


def held_out_table(means: Mapping[str, Estimate]) -> "Table":
    """One model's held-out results: a metric a row, with its 95 % interval and what it is."""
    from rich.text import Text

    table = _table("held-out metric", ["mean", "interval", "what it is"])
    for name, value in means.items():
        declared = metric(name)
        interval = f"{fixed(value.low)} to {fixed(value.high)}"
        table.add_row(Text(declared.title), fixed(value.value), interval, Text(declared.meaning))
    table.columns[3].justify = "left"
    table.columns[0].max_width = 26
    return table


def _table(first: str, others: list[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left")
    table.add_column(first, max_width=_NAME_WIDTH, overflow="fold")
    for words in others:
        table.add_column(words, justify="right", overflow="fold")
    return table


def _cell(entry: Entry) -> "Text":
    from rich.text import Text

    text = Text(fixed(entry.mean.value))
    if entry.difference is not None:
        gap = entry.difference
        style = "dim"
        if gap.significant:
            style = "green" if gap.estimate.value > 0 else "red"
        text.append("\n" + signed(gap.estimate.value) + gap.mark, style=style)
    return text


def _footnotes(results: StudyResults) -> str:
    comparison = results.comparison
    others = count(len(comparison.objectives) - 1, "objective")
    lines = [
        f"Mean over {count(len(comparison.seeds), 'seed')}; below it the difference to "
        f"{results.labels[comparison.baseline]}.",
        f"*  {percent(comparison.confidence)} bootstrap interval over {comparison.resampled} "
        "excludes zero.",
        f"** It also holds after Holm correction over {others}.",
        "accuracy: pairs ranked right; similar: nearly equal responses.",
        "τ: Kendall τ per prompt against the gold score; new prompts, new response",
        "   sources, or both (mutual).",
    ]
    if "length" in results.baselines:
        lines.append("length: a scorer that only counts words.")
    if "oracle" in results.baselines:
        lines.append("oracle: the gold score itself.")
    return "\n".join(lines)
