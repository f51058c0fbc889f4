"""Where rewards lie, source by source."""

from collections.abc import Mapping
from typing import Any

from trueward.report.bars import whiskers
from trueward.report.diagnosis_lines import Block, number
from trueward.report.html import Html
from trueward.report.material import Diagnosis
from trueward.report.numbers import short, spaced
from trueward.report.plots import Panel, axis, figure, layout, legend_of, model_colors

_SOURCES = 8


def reward_ranges(one: Diagnosis) -> Html | None:
    """A panel a set: where each source's rewards lie, by model."""
    colors, panels = model_colors(one.names), []
    for name in one.sets:
        blocks = {str(m["model"]): one.block(m, name).get("rewards") for m in one.models}
        found = {model: _sources(block) for model, block in blocks.items() if block}
        if name == "train" or not found:
            continue
        traces = [
            trace
            for model, ranges in found.items()
            for trace in _ranges(model, ranges, colors[model])
        ]
        spoken = "; ".join(
            f"{model}: " + ", ".join(f"{s} {short(_level(r, '0.5'))}" for s, r in ranges.items())
            for model, ranges in found.items()
        )
        rows = sum(map(len, found.values()))
        panels.append(
            Panel(
                spaced(name),
                f"Median rewards by source on {spaced(name)}. {spoken}.",
                traces,
                layout(
                    axis("reward, logits"),
                    axis(autorange="reversed", type="category", nticks=0),
                    scattermode="group",
                ),
                60 + 14 * rows,
            )
        )
    caption = (
        "Rewards by what wrote the response: median, middle half (thick) and 90 % (thin), in "
        f"logits; at most {_SOURCES} sources of each set, the largest."
    )
    return figure(caption, legend_of(colors), panels) if panels else None


def _sources(block: Block) -> dict[str, Block]:
    named = block["sources"] or {"all responses": block["all"]}
    return {n: named[n] for n in sorted(named, key=lambda name: -named[name]["n"])[:_SOURCES]}


def _level(block: Block, level: str) -> float:
    return number(block, "quantiles", level)


def _ranges(model: str, ranges: Mapping[str, Block], color: str) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for low, high, width in (("0.05", "0.95", 1.2), ("0.25", "0.75", 5)):
        ends = [(_level(r, low), _level(r, "0.5"), _level(r, high)) for r in ranges.values()]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": model,
                "x": [float(f"{middle:.4g}") for _, middle, _ in ends],
                "y": list(ranges),
                "orientation": "h",
                "offsetgroup": model,
                "error_x": {**whiskers(ends), "color": color, "thickness": width, "width": 0},
                "marker": {"color": color, "size": 7},
                "hovertemplate": "%{fullData.name}, %{y}: %{x:.2f}<extra></extra>",
            }
        )
    return traces
