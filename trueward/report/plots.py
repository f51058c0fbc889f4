"""What every plot shares: colours, a plain layout, and the markup that carries its data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueward.files import plain
from trueward.report.html import Html, element
from trueward.results import StudyResults

GREY = "#808a96"
SERIES = ("#2f7fd1", "#d9772b", "#2a9d78", "#b65fb8", "#c09a1f", "#d1495b", "#5c6bc0", "#4d9aa8")
"""Mid-toned, so that they stand on a light and on a dark page."""
SPLITS = ("#808a96", "#2a9d78", "#2f7fd1", "#b65fb8", "#d1495b", "#c09a1f", "#4d9aa8")
"""Training data, then the scenarios as they move away from it."""


@dataclass(frozen=True)
class Panel:
    """One small plot: its words, its traces and its layout, in plotly.js's own terms."""

    title: str
    description: str
    """What a person who cannot see the plot is told."""
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int
    note: str = ""
    """A second, quieter line under the title."""


def colors_of(results: StudyResults) -> dict[str, str]:
    """A colour for each objective, in their order; the baseline is grey."""
    baseline = results.comparison.baseline
    others = [o for o in results.comparison.objectives if o != baseline]
    found = {o: SERIES[i % len(SERIES)] for i, o in enumerate(others)} | {baseline: GREY}
    return {o: found[o] for o in results.comparison.objectives}


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """A colour for each model; the first, which others are compared with, is grey if not alone."""
    if len(models) == 1:
        return {models[0]: SERIES[0]}
    return {m: SERIES[(i - 1) % len(SERIES)] if i else GREY for i, m in enumerate(models)}


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis with its title and nothing that moves under a finger."""
    return {
        "title": {"text": title, "standoff": 6},
        "fixedrange": True,
        "automargin": True,
        "zeroline": False,
        "nticks": 6,
        "exponentformat": "e",
        **more,
    }


def layout(x: Mapping[str, Any], y: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A plain layout; the style sheet sets the colours of text, axes and grid."""
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


def figure(caption: str, legend: Html, panels: Sequence[Panel], size: str = "medium") -> Html:
    """Panels side by side as the page's width allows, with one legend and one caption."""
    return element(
        "figure",
        legend,
        element("div", *map(_panel, panels), class_=f"panels {size}"),
        *([element("figcaption", caption)] if caption else []),
    )


def legend_of(names: Mapping[str, str], *extra: Html) -> Html:
    """Colours and what they stand for."""
    items = [
        element(
            "li",
            element("span", class_="swatch", style=f"background:{color}", aria_hidden="true"),
            name,
        )
        for name, color in names.items()
    ]
    return element("ul", *items, *extra, class_="legend")


def objectives_legend(results: StudyResults, *extra: Html) -> Html:
    """The legend of the objectives."""
    colors = colors_of(results)
    return legend_of({results.labels[o]: color for o, color in colors.items()}, *extra)


def _panel(panel: Panel) -> Html:
    document = json.dumps(plain({"data": panel.traces, "layout": panel.layout}), allow_nan=False)
    # inside a script element only "<" can end it
    data = Html(document.replace("<", "\\u003c"))
    plot = element(
        "div",
        class_="plot",
        role="img",
        aria_label=panel.description,
        style=f"height:{panel.height}px",
    )
    note = [element("p", panel.note, class_="note")] if panel.note else []
    return element(
        "div",
        element("h3", panel.title),
        *note,
        plot,
        element("script", data, type="application/json"),
        class_="panel",
    )
