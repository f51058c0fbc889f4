"""Differences to the baseline as points with their intervals, a panel a metric."""

import math
from typing import Any

from trueward.metrics import metric
from trueward.report.bars import whiskers
from trueward.report.html import Html
from trueward.report.numbers import signed
from trueward.report.plots import Panel, axis, colors_of, figure, layout, objectives_legend
from trueward.results import StudyResults


def difference_plot(results: StudyResults) -> Html:
    """A panel a metric: each objective's difference to the baseline with its interval."""
    comparison = results.comparison
    against = results.labels[comparison.baseline]
    reach = max(
        (
            abs(end)
            for e in comparison.entries
            if e.difference is not None
            for end in (e.difference.estimate.low, e.difference.estimate.high)
            if not math.isnan(end)
        ),
        default=1.0,
    )
    panels = [_forest(results, name, 1.08 * reach or 1.0) for name in comparison.metrics]
    caption = (
        f"Right of the line is better than {against}. Filled marks hold after Holm's correction; "
        "open ones do not. All panels share one scale."
    )
    return figure(caption, objectives_legend(results), panels)


def _forest(results: StudyResults, name: str, reach: float) -> Panel:
    comparison, colors = results.comparison, colors_of(results)
    others = [o for o in comparison.objectives if o != comparison.baseline]
    traces: list[dict[str, Any]] = []
    spoken = []
    for objective in others:
        gap = comparison.entry(name, objective).difference
        assert gap is not None
        point, color, label = gap.estimate, colors[objective], results.labels[objective]
        symbol = "circle" if gap.significant_holm else "circle-open"
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": [point.value],
                "y": [label],
                "error_x": {
                    **whiskers([(point.low, point.value, point.high)]),
                    "color": color,
                    "thickness": 2,
                    "width": 0,
                },
                "marker": {"color": color, "size": 9, "symbol": symbol},
                "hovertemplate": f"%{{fullData.name}}: {signed(point.value)} "
                f"({signed(point.low)} to {signed(point.high)})<extra></extra>",
            }
        )
        spoken.append(f"{label} {signed(point.value)}")
    zero: dict[str, Any] = {
        "zeroline": True,
        "zerolinewidth": 1.5,
        "range": [-reach, reach],
        "nticks": 5,
    }
    return Panel(
        metric(name).title,
        f"Differences on {metric(name).title}: {', '.join(spoken)}.",
        traces,
        layout(axis(**zero), axis(autorange="reversed", type="category", nticks=0)),
        40 + 26 * len(others),
    )
