"""Means by scenario as bars with their intervals."""

import math
from typing import Any

from trueward.metrics import metric
from trueward.report.html import Html, element
from trueward.report.numbers import fixed, percent
from trueward.report.plots import Panel, axis, colors_of, figure, layout, objectives_legend
from trueward.results import StudyResults


def scenario_bars(results: StudyResults) -> Html:
    """Means by metric and objective as bars: accuracies in one panel, Kendall τ in the other."""
    metrics = results.comparison.metrics
    accuracies = [m for m in metrics if m.startswith("accuracy")]
    others = [m for m in metrics if m not in accuracies]
    panels = [
        _bars(results, title, group)
        for title, group in (("Pair accuracy", accuracies), ("Kendall τ per prompt", others))
        if group
    ]
    dashed = element(
        "li", element("span", class_="swatch dashed", aria_hidden="true"), "counting words"
    )
    extra = [dashed] if "length" in results.baselines else []
    over = " over seeds" if len(results.comparison.seeds) > 1 else ""
    caption = f"Means{over} with {percent(results.comparison.confidence)} intervals."
    return figure(caption, objectives_legend(results, *extra), panels, "large")


def _bars(results: StudyResults, title: str, metrics: list[str]) -> Panel:
    comparison, colors = results.comparison, colors_of(results)
    names = [metric(m).short for m in metrics]
    traces = []
    for objective, color in colors.items():
        means = [comparison.entry(m, objective).mean for m in metrics]
        traces.append(
            {
                "type": "bar",
                "name": results.labels[objective],
                "x": names,
                "y": [m.value for m in means],
                "error_y": whiskers([(m.low, m.value, m.high) for m in means]),
                "marker": {"color": color},
                "hovertemplate": "%{fullData.name}: %{y:.3f}<extra></extra>",
            }
        )
    spoken = "; ".join(
        f"{metric(m).title}: "
        + ", ".join(
            f"{results.labels[o]} {fixed(comparison.entry(m, o).mean.value)}" for o in colors
        )
        for m in metrics
    )
    words = results.baselines.get("length", {})
    lines = [
        _line(i, words[m]) for i, m in enumerate(metrics) if not math.isnan(words.get(m, math.nan))
    ]
    return Panel(
        title,
        f"Bars of {title.lower()}. {spoken}.",
        traces,
        layout(
            axis(), axis(range=_span(traces, lines)), barmode="group", bargap=0.25, shapes=lines
        ),
        300,
    )


def _span(traces: list[dict[str, Any]], lines: list[dict[str, Any]]) -> list[float]:
    """From the lowest to the highest end of any bar, whisker or line, zero included."""
    ends = [0.0, *(line["y0"] for line in lines)]
    for trace in traces:
        up, down = trace["error_y"]["array"], trace["error_y"]["arrayminus"]
        ends += [y + u for y, u in zip(trace["y"], up, strict=True)]
        ends += [y - d for y, d in zip(trace["y"], down, strict=True)]
    defined = [end for end in ends if not math.isnan(end)]
    low, high = min(defined), max(defined)
    room = 0.06 * (high - low)
    return [low - room if low < 0 else 0.0, high + room]


def _line(place: int, height: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": place - 0.42,
        "x1": place + 0.42,
        "y0": height,
        "y1": height,
        "line": {"color": "#59626d", "width": 2, "dash": "dash"},
    }


def whiskers(points: list[tuple[float, float, float]]) -> dict[str, Any]:
    """Error bars from (low, value, high), as plotly.js takes them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for _, value, high in points],
        "arrayminus": [value - low for low, value, _ in points],
        "thickness": 1.2,
        "width": 3,
    }
