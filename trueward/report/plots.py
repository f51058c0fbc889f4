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

Point = tuple[str, str, Estimate, bool]
"""Of a forest plot: its label, its colour, where it lies, and whether it survives correction."""


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


def line(
    name: str, x: Numbers | ndarray, y: Numbers | ndarray, style: Plotly, hover: str, **more: Any
) -> Plotly:
    """Return a line that has a name; `more` may hold its mode, texts and marker."""
    rest = {key: more[key] for key in ("marker",) if key in more}
    texts = {"text": more["text"]} if "text" in more else {}
    return {
        "type": "scatter",
        "mode": more.get("mode", "lines"),
        "name": name,
        "x": x,
        "y": y,
        **texts,
        "line": style,
        **rest,
        "hovertemplate": hover + "<extra></extra>",
    }


def guide(x: Numbers, y: Numbers, style: Plotly) -> Plotly:
    """Return a nameless line for the eye."""
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": style, "hoverinfo": "skip"}


def whiskers(points: Sequence[Estimate]) -> Plotly:
    """Return error bars as plotly.js takes them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [one.high - one.value for one in points],
        "arrayminus": [one.value - one.low for one in points],
        "thickness": 1.2,
        "width": 3,
    }


def forest(
    panels: Mapping[str, Sequence[Point]], form: Callable[[float], str], **names: Any
) -> list[Panel]:
    """Return a panel a title: differences as points with intervals, all on one scale.

    `form` writes a difference; `names` go to the axis of labels.
    """
    shown = [one for points in panels.values() for _, _, one, _ in points]
    ends = [abs(end) for one in shown for end in (one.low, one.high) if not math.isnan(end)]
    reach = 1.08 * max(ends, default=1.0) or 1.0
    return [_forest_panel(title, points, reach, form, names) for title, points in panels.items()]


def _forest_panel(
    title: str,
    points: Sequence[Point],
    reach: float,
    form: Callable[[float], str],
    names: Mapping[str, Any],
) -> Panel:
    traces: list[Plotly] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label,
            "x": [one.value],
            "y": [label],
            "error_x": {**whiskers([one]), "color": color, "thickness": 2, "width": 0},
            "marker": {"color": color, "size": 9, "symbol": "circle" if sure else "circle-open"},
            "hovertemplate": f"%{{fullData.name}}: {form(one.value)} "
            f"({form(one.low)} to {form(one.high)})<extra></extra>",
        }
        for label, color, one, sure in points
    ]
    spoken = ", ".join(f"{label} {form(one.value)}" for label, _, one, _ in points)
    zero = axis(zeroline=True, zerolinewidth=1.5, range=[-reach, reach], nticks=5)
    labels = axis(autorange="reversed", type="category", nticks=0, **names)
    return Panel(
        title,
        f"Differences on {title}: {spoken}.",
        traces,
        layout(zero, labels),
        40 + 26 * len(points),
    )
