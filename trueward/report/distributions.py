"""Distributions of ‖h‖ by split, before and after the final norm."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy import ndarray

from trueward.report.html import Html, join
from trueward.report.numbers import short
from trueward.report.plots import SPLITS, Panel, axis, figure, layout, legend_of
from trueward.report.tables import runs_of
from trueward.results import HistogramCounts, NormBlock, RunResult, StudyResults

BINS = 50
REACH = 3.5
"""Standard deviations around a mean that the scale must show."""
Place: TypeAlias = Literal["pre_norm", "hidden"]
PLACES: Mapping[Place, str] = {
    "pre_norm": "before the final norm",
    "hidden": "after it, at the head's input",
}


def norm_distributions(results: StudyResults) -> Html:
    """For each place a figure with a panel an objective, all on one scale."""
    return join(*(_figure(results, place) for place in PLACES if _blocks(results, place)))


def _figure(results: StudyResults, place: Place) -> Html:
    edges = _shared_edges(_blocks(results, place))
    panels = [
        _panel(results.labels[o], runs_of(results, o), place, edges)
        for o in results.comparison.objectives
    ]
    splits = dict.fromkeys(s for run in results.runs.values() for s in run.norms)
    colors = {split.replace("_", " "): color for split, color in _colors(list(splits)).items()}
    where = PLACES[place]
    if not _blocks(results, "pre_norm"):
        where = "at the head's input; the backbone has no final norm that could be read before"
    caption = f"Distribution of ‖h‖ {where}: share of sequences, far outliers cut off."
    return figure(caption, legend_of(colors), panels, "small")


def _panel(label: str, runs: Sequence[RunResult], place: Place, edges: ndarray) -> Panel:
    splits = list(dict.fromkeys(split for run in runs for split in run.norms))
    traces: list[dict[str, Any]] = []
    spoken = []
    for split, color in _colors(splits).items():
        blocks = [b for run in runs if (b := _norm(run, split, place))]
        if not blocks:
            continue
        shares = np.mean([_rebinned(block["histogram"], edges) for block in blocks], axis=0)
        traces.append(_trace(split.replace("_", " "), edges, shares, color))
        mean = float(np.mean([block["mean"] for block in blocks]))
        spoken.append(f"{split.replace('_', ' ')} mean {short(mean)}")
    return Panel(
        label,
        f"Distribution of hidden-state norms of {label}: {', '.join(spoken)}.",
        traces,
        layout(axis("‖h‖"), axis(showticklabels=False, rangemode="tozero")),
        190,
    )


def _trace(name: str, edges: ndarray, shares: ndarray, color: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [float(f"{x:.4g}") for x in (edges[:-1] + edges[1:]) / 2],
        "y": np.round(shares, 5),
        "line": {"color": color, "width": 1.6},
        "hovertemplate": "%{fullData.name}: %{x}<extra></extra>",
    }


def _blocks(results: StudyResults, place: Place) -> list[NormBlock]:
    found = [_norm(run, s, place) for run in results.runs.values() for s in run.norms]
    return [block for block in found if block]


def _norm(run: RunResult, split: str, place: Place) -> NormBlock | None:
    return run.norms[split].get(place) if split in run.norms else None


def _shared_edges(blocks: Sequence[NormBlock]) -> ndarray:
    """Bins over the range of the data, without outliers far from every mean."""
    low = min(max(b["histogram"]["edges"][0], b["mean"] - REACH * b["std"]) for b in blocks)
    high = max(min(b["histogram"]["edges"][-1], b["mean"] + REACH * b["std"]) for b in blocks)
    return np.linspace(low, high, BINS + 1)


def _rebinned(histogram: HistogramCounts, edges: ndarray) -> ndarray:
    """The share of each new bin, counts spread evenly within the old ones."""
    below = np.concatenate([[0.0], np.cumsum(histogram["counts"])])
    return np.diff(np.interp(edges, histogram["edges"], below)) / below[-1]


def _colors(splits: list[str]) -> dict[str, str]:
    return {split: SPLITS[i % len(SPLITS)] for i, split in enumerate(splits)}
