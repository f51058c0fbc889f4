"""The page's tables: means with differences, per-seed numbers, settings."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from trueward.metrics import metric
from trueward.report.html import Html, element, table
from trueward.report.numbers import MISSING, fixed, mean, shown, signed
from trueward.results import Entry, RunResult, StudyResults


def comparison_table(results: StudyResults, noun: str = "objective") -> Html:
    """Objectives × metrics: mean and interval, then difference to the baseline and interval."""
    comparison, labels = results.comparison, results.labels
    head = head_cells(noun.capitalize(), [metric(name).title for name in comparison.metrics])
    rows = [
        row_of(labels[o], [_cell(comparison.entry(m, o)) for m in comparison.metrics])
        for o in comparison.objectives
    ]
    rows += [
        row_of(_reference(name), [_plain(means.get(m)) for m in comparison.metrics], "reference")
        for name, means in results.baselines.items()
    ]
    caption = f"Means, and differences to {labels[comparison.baseline]}"
    return table(caption, head, rows, "means")


def seeds_table(results: StudyResults) -> Html:
    """One row a run: its mean on every metric."""
    metrics = results.comparison.metrics
    head = head_cells(
        "Objective", ["Seed", *(metric(m).title for m in metrics), "Steps", "Seconds"]
    )
    rows = [
        row_of(
            run.label,
            [
                cell(str(run.seed)),
                *(cell(fixed(mean(run.scores[m].values))) for m in metrics),
                cell(f"{run.steps:,}"),
                cell(fixed(run.seconds, 1)),
            ],
        )
        for run in results.runs.values()
    ]
    return table("Every run by itself", head, rows)


def facts(items: Mapping[str, Any]) -> Html:
    """Names and values, nested mappings flattened with dots."""
    rows = [
        element("div", element("dt", name), element("dd", shown(value)))
        for name, value in _flat(items).items()
    ]
    return element("dl", *rows)


def runs_of(results: StudyResults, objective: str) -> list[RunResult]:
    """The runs of an objective, seed by seed."""
    return [run for run in results.runs.values() if run.objective == objective]


def head_cells(first: str, others: list[str], texts: int = 0) -> list[Html]:
    """The cells of a header row; the first `texts` of the others stand over text."""
    return [
        element("th", words, scope="col", class_="text" if 0 < place <= texts else None)
        for place, words in enumerate((first, *others))
    ]


def row_of(name: str, cells: list[Html], class_: str | None = None) -> Html:
    """A row that its first cell names."""
    return element("tr", element("th", name, scope="row"), *cells, class_=class_)


def cell(words: str) -> Html:
    """A cell of plain text."""
    return element("td", words)


def text(words: str) -> Html:
    """A cell of text among numbers."""
    return element("td", words, class_="text")


def _cell(entry: Entry) -> Html:
    value = element("span", fixed(entry.mean.value), class_="mean")
    interval = element("span", _range(entry.mean.low, entry.mean.high), class_="interval")
    if entry.difference is None:
        return element("td", value, interval)
    difference = entry.difference
    gap = difference.estimate
    sign = "" if not difference.significant else " up" if gap.value > 0 else " down"
    words = element("span", signed(gap.value) + difference.mark, class_="gap" + sign)
    around = element("span", _range(gap.low, gap.high, signed), class_="interval")
    return element("td", value, interval, words, around)


def _range(low: float, high: float, form: Callable[[float], str] = fixed) -> str:
    return "" if math.isnan(low) else f"{form(low)} to {form(high)}"


def _plain(value: float | None) -> Html:
    words = MISSING if value is None else fixed(value)
    return element("td", element("span", words, class_="mean"))


def _reference(name: str) -> str:
    return {"length": "length alone", "oracle": "gold score"}.get(name, name)


def _flat(items: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in items.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, path + ".")
        else:
            flat[path] = value
    return flat
