"""The parts of plots: colours, axes, layouts and the traces that several figures draw."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy import ndarray

from trueward.report.blocks import Numbers, Panel, Plotly
from trueward.types import Estimate

GREY = "#808a96"
SERIES = ("#2f7fd1", "#d9772b", "#2a9d78", "#b65fb8", "#c09a1f", "#d1495b", "#5c6bc0", "#4d9aa8")
"""Mid-toned, so that they stand on a light and on a dark page."""
SPLITS = ("#808a96", "#2a9d78", "#2f7fd1", "#b65fb8", "#d1495b", "#c09a1f", "#4d9aa8")
"""Training data, then the scenarios as they move away from it."""

ROWS: Plotly = {"autorange": "reversed", "type": "category", "nticks": 0}
"""Settings of an axis that names rows from top to bottom."""
Point = tuple[str, str, Estimate, bool]
"""A row of a forest plot: label, colour, difference, and whether it survives correction."""


def colors_of(names: Sequence[str], palette: Sequence[str] = SERIES) -> dict[str, str]:
    """Return a colour for each name, in their order."""
    return {name: palette[i % len(palette)] for i, name in enumerate(names)}


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """Return a colour for each model; the first, the baseline, is grey if not alone."""
    if len(models) == 1:
        return {models[0]: SERIES[0]}
    return {models[0]: GREY, **colors_of(models[1:])}


def axis(title: str = "", **more: Any) -> Plotly:
    """Return an axis with its title and nothing that moves under a finger."""
    return {
        "title": {"text": title, "standoff": 6},
        "fixedrange": True,
        "automargin": True,
        "zeroline": False,
        "nticks": 6,
        "exponentformat": "e",
        **more,
    }


def layout(x: Plotly, y: Plotly, **more: Any) -> Plotly:
    """Return a plain layout; the style sheet sets the colours of text, axes and grid."""
    return {
        "xaxis": x,
        "yaxis": y,
        "margin": {"l": 40, "r": 10, "t": 8, "b": 24},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "hoverlabel": {"font": {"color": "#ffffff"}, "bgcolor": "#22282f"},
        **more,
    }


def figures(values: Numbers | ndarray) -> list[float]:
    """Return the values in four figures, which is as much as a plot shows."""
    return [float(f"{value:.4g}") for value in values]


def padded(values: Numbers, room: float) -> list[float] | None:
    """Return an axis' range: from the least to the most, with this share of room around."""
    if not values:
        return None
    low, high = min(values), max(values)
    around = room * (high - low) or 1.0
    return [low - around, high + around]


def trace(hover: str, kind: str = "scatter", **parts: Any) -> Plotly:
    """Return a trace of these parts, in their order, with the words that a pointer brings up."""
    return {"type": kind, **parts, "hovertemplate": hover + "<extra></extra>"}


def dots(
    name: str, x: Numbers, y: Numbers, style: Plotly, hover: str, text: Sequence[str]
) -> Plotly:
    """Return a line through dots, with a text for each."""
    return trace(
        hover,
        mode="lines+markers",
        name=name,
        x=figures(x),
        y=figures(y),
        text=text,
        line=style,
        marker={"size": 5, "color": style["color"]},
    )


def guide(x: Numbers, y: Numbers, style: Plotly) -> Plotly:
    """Return a nameless line for the eye."""
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": style, "hoverinfo": "skip"}


def whiskers(points: Sequence[Estimate]) -> Plotly:
    """Return error bars as plotly.js takes them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [point.high - point.value for point in points],
        "arrayminus": [point.value - point.low for point in points],
        "thickness": 1.2,
        "width": 3,
    }


def forest(
    panels: Mapping[str, Sequence[Point]], form: Callable[[float], str], **labels: Any
) -> list[Panel]:
    """Return a panel a title: differences as points with intervals, all on one scale.

    `form` writes a difference; `labels` are settings of the axis of labels.
    """
    gaps = [gap for points in panels.values() for _, _, gap, _ in points]
    ends = [abs(end) for gap in gaps for end in (gap.low, gap.high) if not math.isnan(end)]
    reach = 1.08 * max(ends, default=1.0) or 1.0
    return [
        _forest_panel(title, points, reach, form, axis(**ROWS, **labels))
        for title, points in panels.items()
    ]


def _forest_panel(
    title: str,
    points: Sequence[Point],
    reach: float,
    form: Callable[[float], str],
    labels: Plotly,
) -> Panel:
    traces = [
        trace(
            f"%{{fullData.name}}: {form(gap.value)} ({form(gap.low)} to {form(gap.high)})",
            mode="markers",
            name=label,
            x=[gap.value],
            y=[label],
            error_x={**whiskers([gap]), "color": color, "thickness": 2, "width": 0},
            marker={"color": color, "size": 9, "symbol": "circle" if sure else "circle-open"},
        )
        for label, color, gap, sure in points
    ]
    spoken = ", ".join(f"{label} {form(gap.value)}" for label, _, gap, _ in points)
    zero = axis(zeroline=True, zerolinewidth=1.5, range=[-reach, reach], nticks=5)
    return Panel(
        title,
        f"Differences on {title}: {spoken}.",
        traces,
        layout(zero, labels),
        40 + 26 * len(points),
    )
