"""Differences on suites as points with their intervals, a panel a suite."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trueward.report.bars import whiskers
from trueward.report.html import Html
from trueward.report.numbers import signed
from trueward.report.plots import Panel, axis, figure, layout, legend_of, model_colors
from trueward.suites import SuiteDifference


def suite_forest(
    models: Sequence[str], names: Sequence[str], differences: Sequence[SuiteDifference]
) -> Html:
    """Every model against the first, suite by suite, on one scale."""
    colors = model_colors(models)
    reach = 1.08 * max(
        (
            abs(100 * e)
            for d in differences
            for e in (d.estimate.low, d.estimate.high)
            if not math.isnan(e)
        ),
        default=1.0,
    )
    first = models[0]
    panels = []
    for name in names:
        shown = [one for one in differences if one.suite == name]
        if shown:
            panels.append(_panel(name, shown, colors, reach or 1.0))
    caption = (
        f"Difference to {first}, times 100; right of the line is better. Filled marks survive "
        "Holm's correction, open ones do not. All panels share one scale."
    )
    others = {model: color for model, color in colors.items() if model != first}
    return figure(caption, legend_of(others), panels)


def _panel(
    name: str, shown: Sequence[SuiteDifference], colors: Mapping[str, str], reach: float
) -> Panel:
    traces: list[dict[str, Any]] = []
    for one in shown:
        value, low, high = (
            100 * v for v in (one.estimate.value, one.estimate.low, one.estimate.high)
        )
        color = colors[one.scorer]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": one.scorer,
                "x": [value],
                "y": [one.scorer],
                "error_x": {
                    **whiskers([(low, value, high)]),
                    "color": color,
                    "thickness": 2,
                    "width": 0,
                },
                "marker": {
                    "color": color,
                    "size": 9,
                    "symbol": "circle" if one.significant_holm else "circle-open",
                },
                "hovertemplate": f"%{{fullData.name}}: {signed(value, 1)} "
                f"({signed(low, 1)} to {signed(high, 1)})<extra></extra>",
            }
        )
    spoken = ", ".join(f"{one.scorer} {signed(100 * one.estimate.value, 1)}" for one in shown)
    zero: dict[str, Any] = {
        "zeroline": True,
        "zerolinewidth": 1.5,
        "range": [-reach, reach],
        "nticks": 5,
    }
    return Panel(
        name,
        f"Differences on {name}: {spoken}.",
        traces,
        layout(
            axis(**zero),
            axis(autorange="reversed", type="category", nticks=0, showticklabels=False),
        ),
        40 + 26 * len(shown),
    )
