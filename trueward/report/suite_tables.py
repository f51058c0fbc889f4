"""Suites and their results on a terminal, eighty columns wide."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trueward.report.numbers import MISSING, count, fixed, listed, signed
from trueward.suites import Suite, SuiteDifference, SuiteResult
from trueward.types import Estimate

if TYPE_CHECKING:
    from rich.table import Table

_MODEL_WIDTH = 34
SUITE_NOTE = "Values times 100, with 95 % bootstrap intervals over prompts."
DIFFERENCE_NOTE = (
    "Differences are paired by prompt; p is corrected for all of them at once.\n"
    "*  95 % interval excludes zero.  ** It also survives Holm's correction."
)


def suite_list(suites: Sequence[Suite]) -> "Table":
    """What each suite measures, what one quotes of it, whose data it is and under which licence."""
    from rich.text import Text

    table = _table(["suite", "what it measures", "primary", "data · licence"])
    table.leading = 1
    for one in suites:
        data = Text.assemble(one.origin, (f" · {one.licence}", "dim"))
        table.add_row(Text(one.name, style="bold"), Text(one.measures), Text(one.primary), data)
    for column in table.columns:
        column.justify = "left"
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    table.columns[1].ratio = table.columns[3].ratio = 1
    return table


def suite_table(results: Sequence[SuiteResult]) -> "Table":
    """Each model's parts of one suite: items, ties, value and interval, times 100."""
    from rich.text import Text

    table = _table(["part", "n", "ties", "value", "interval"])
    table.columns[0].max_width = 44
    for result in results:
        if len(results) > 1:
            table.add_section()
            table.add_row(Text(result.scorer, style="bold"))
        for part in result.parts:
            style = "cyan" if part.name == result.primary else ""
            value = fixed(100 * part.estimate.value, 2)
            table.add_row(
                Text(part.name, style=style),
                f"{part.n:,}",
                f"{part.ties:,}",
                Text(value, style=style),
                _range(part.estimate),
            )
    table.caption = "\n".join(_notes(results)) or None
    return table


def difference_table(
    results: Mapping[str, Sequence[SuiteResult]], differences: Sequence[SuiteDifference]
) -> "Table":
    """Suite by suite the primary metric of each model, and its difference to the first model's."""
    from rich.text import Text

    first = next(iter(results))
    found = {(one.suite, one.scorer): one for one in differences}
    table = _table(["model", "value", "minus first", "interval", "p (Holm)", ""])
    table.columns[0].max_width = _MODEL_WIDTH
    for place, one in enumerate(results[first]):
        table.add_section()
        table.add_row(Text(f"{one.suite}, {one.primary}", style="bold"))
        for scorer, rows in results.items():
            gap = found.get((one.suite, scorer))
            value = fixed(100 * _primary(rows[place]), 2)
            table.add_row(Text(scorer), value, *(_gap(gap) if gap else ()))
    return table


def verdict(differences: Sequence[SuiteDifference]) -> list[str]:
    """Which differences survive, in words."""
    compared = count(len(differences), "comparison")
    surviving = [_sentence(one) for one in differences if one.significant_holm]
    lost = [_sentence(one) for one in differences if one.significant and not one.significant_holm]
    lines = [f"Survives Holm's correction over {compared}: {words}" for words in surviving]
    lines = lines or [f"No difference survives Holm's correction over {compared}."]
    return lines + [f"Does not survive, though its interval excludes zero: {w}" for w in lost]


def _sentence(one: SuiteDifference) -> str:
    better = "better" if one.estimate.value > 0 else "worse"
    gap = signed(100 * one.estimate.value, 2)
    return f"on {one.suite}, {one.scorer} is {better} than {one.baseline} ({gap})."


def _gap(one: SuiteDifference) -> tuple[str, str, str, str]:
    p = "<0.001" if one.p_holm < 0.001 else fixed(one.p_holm)
    gap = one.estimate
    low, high = (signed(100 * bound, 2) for bound in (gap.low, gap.high))
    return signed(100 * gap.value, 2), f"{low} to {high}", p, one.mark


def _range(estimate: Estimate) -> str:
    low, high = (fixed(100 * bound, 2) for bound in (estimate.low, estimate.high))
    return MISSING if low == MISSING else f"{low} to {high}"


def _primary(result: SuiteResult) -> float:
    known = {part.name: part.estimate.value for part in result.parts}
    return known.get(result.primary, float("nan"))


def _notes(results: Sequence[SuiteResult]) -> list[str]:
    notes = []
    if results[0].missing:
        notes.append(f"No data: {listed(list(results[0].missing))}; masked in what is above them.")
    for result in results:
        gone = sum(part.undefined for part in result.parts if part.name in result.cells)
        if gone:
            notes.append(f"{result.scorer}: {count(gone, 'undefined value')} left out.")
        if result.extras:
            words = ", ".join(f"{name} {fixed(value)}" for name, value in result.extras.items())
            notes.append(f"{result.scorer}: {words}.")
    return notes


def _table(headings: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left", title_justify="left"
    )
    for place, words in enumerate(headings):
        table.add_column(words, justify="right" if place else "left", overflow="fold")
    return table
