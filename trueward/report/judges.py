"""Tables of the other judges: scalars of a run, and the hidden states of each split."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueward.report.html import Html, element, table
from trueward.report.numbers import MISSING, fixed, mean, short, signed
from trueward.report.tables import cell, head_cells, row_of, runs_of, text
from trueward.results import RunResult, StudyResults

Reader = Callable[[Mapping[str, Any], Mapping[str, Any]], float]
"""A statistic of a split's block, given the train split's block too."""


def scalars_table(results: StudyResults) -> Html:
    """One row a scalar, a column an objective: mean over seeds, and its range."""
    groups = {o: runs_of(results, o) for o in results.comparison.objectives}
    names = dict.fromkeys(name for run in results.runs.values() for name in run.scalars)
    head = head_cells("Judge", [results.labels[o] for o in groups])
    rows = [
        row_of(
            name.replace("_", " "),
            [_spread([float(r.scalars.get(name, math.nan)) for r in g]) for g in groups.values()],
        )
        for name in names
    ]
    return table("Other judges: mean over seeds, and smallest to largest", head, rows)


def hidden_table(results: StudyResults, noun: str = "objective") -> Html:
    """One row an objective and split: norms, their shift from train, effective rank."""
    rows = [
        row_of(results.labels[o], [text(split.replace("_", " ")), *_statistics(runs, split)])
        for o in results.comparison.objectives
        if (runs := runs_of(results, o))
        for split in runs[0].norms
    ]
    head = head_cells(noun.capitalize(), ["Split", *(title for title, _, _ in _COLUMNS)], texts=1)
    over = "Hidden states: means over seeds" if noun == "objective" else "Hidden states"
    return table(over, head, rows)


def _of(place: str, statistic: str) -> Reader:
    def read(block: Mapping[str, Any], train: Mapping[str, Any]) -> float:
        found = block.get(place)
        return math.nan if found is None else float(found[statistic])

    return read


def _shift(place: str) -> Reader:
    """How far a mean norm is from the train split's, as a share of the latter."""
    norm = _of(place, "mean")
    return lambda block, train: norm(block, train) / norm(train, train) - 1


def _effective_rank(block: Mapping[str, Any], train: Mapping[str, Any]) -> float:
    return float(block["effective_rank"])


def _share(value: float) -> str:
    return signed(100 * value, 1) + " %"


def _two(value: float) -> str:
    return fixed(value, 2)


_COLUMNS: tuple[tuple[str, Reader, Callable[[float], str]], ...] = (
    ("‖h‖ before final norm", _of("pre_norm", "mean"), _two),
    ("std/mean", _of("pre_norm", "cv"), fixed),
    ("against train", _shift("pre_norm"), _share),
    ("‖h‖ at the head", _of("hidden", "mean"), _two),
    ("std/mean", _of("hidden", "cv"), fixed),
    ("against train", _shift("hidden"), _share),
    ("‖h⁺ − h⁻‖", _of("difference", "mean"), _two),
    ("Effective rank", _effective_rank, lambda value: fixed(value, 1)),
)


def _statistics(runs: Sequence[RunResult], split: str) -> list[Html]:
    blocks: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
        (r.norms[split], r.norms.get("train") or {}) for r in runs if split in r.norms
    ]
    return [cell(form(mean([read(*pair) for pair in blocks]))) for _, read, form in _COLUMNS]


def _spread(values: list[float]) -> Html:
    defined = [v for v in values if not math.isnan(v)]
    if not defined:
        return cell(MISSING)
    notes = []
    if min(defined) < max(defined):
        notes.append(f"{short(min(defined))} to {short(max(defined))}")
    if len(defined) < len(values):
        notes.append(f"undefined in {len(values) - len(defined)} of {len(values)}")
    return element(
        "td",
        element("span", short(mean(defined)), class_="mean"),
        element("span", ", ".join(notes), class_="interval"),
    )
