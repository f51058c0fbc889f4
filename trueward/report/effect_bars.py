"""What edits and probes do to rewards, as bars."""

import math
from typing import Any

from trueward.report.bars import whiskers
from trueward.report.diagnosis_lines import number
from trueward.report.html import Html
from trueward.report.material import Diagnosis
from trueward.report.numbers import signed, spaced
from trueward.report.plots import Panel, axis, figure, layout, legend_of, model_colors


def edit_bars(one: Diagnosis) -> Html | None:
    """A panel a set: how far each edit moves the reward, by model."""
    panels = [
        _bars(one, name, f"Shift under edits on {spaced(name)}", found, "margins")
        for name in one.sets
        if (found := _edits(one, name))
    ]
    caption = (
        "Mean change of reward when a response is edited, in mean clean margins (of the reference, "
        "its scale taken out, where there is one). Edits should not decide; truncation removes "
        "content, so some loss under it is right."
    )
    return figure(caption, legend_of(model_colors(one.names)), panels) if panels else None


def probe_bars(one: Diagnosis) -> Html | None:
    """A panel a set: on what share of prompts each senseless answer beats all real ones."""
    panels = [
        _bars(one, name, f"Probes that beat all on {spaced(name)}", found, "share", 1.0)
        for name in one.sets
        if (found := _probes(one, name))
    ]
    caption = (
        "Share of prompts on which an answer that no one would want beats every real response, "
        "with 95 % intervals. Healthy is none."
    )
    return figure(caption, legend_of(model_colors(one.names)), panels) if panels else None


Bars = dict[str, dict[str, tuple[float, float, float]]]
"""By model and name: value, low, high."""


def _edits(one: Diagnosis, name: str) -> Bars:
    found = {}
    for model in one.models:
        block = one.block(model, name).get("edits")
        if block and block["edits"]:
            found[str(model["model"])] = {
                edit: (number(e, "shift"), math.nan, math.nan) for edit, e in block["edits"].items()
            }
    return found


def _probes(one: Diagnosis, name: str) -> Bars:
    found = {}
    for model in one.models:
        probes = one.block(model, name).get("probes") or {}
        if probes:
            found[str(model["model"])] = {
                probe: (
                    number(p, "beats_all", "value"),
                    number(p, "beats_all", "low"),
                    number(p, "beats_all", "high"),
                )
                for probe, p in probes.items()
            }
    return found


def _bars(
    one: Diagnosis, name: str, title: str, found: Bars, unit: str, top: float | None = None
) -> Panel:
    colors = model_colors(one.names)
    traces: list[dict[str, Any]] = []
    for model, values in found.items():
        trace = {
            "type": "bar",
            "name": model,
            "x": list(values),
            "y": [round(value, 4) for value, _, _ in values.values()],
            "marker": {"color": colors[model]},
            "hovertemplate": "%{fullData.name}, %{x}: %{y:.2f}<extra></extra>",
        }
        if not any(math.isnan(low) for _, low, _ in values.values()):
            trace["error_y"] = whiskers(
                [(low, value, high) for value, low, high in values.values()]
            )
        traces.append(trace)
    spoken = "; ".join(
        f"{model}: " + ", ".join(f"{key} {signed(v, 2)}" for key, (v, _, _) in values.items())
        for model, values in found.items()
    )
    up = {"range": [0, 1.05 * top]} if top else {"zeroline": True}
    return Panel(
        spaced(name),
        f"{title}, {unit}. {spoken}.",
        traces,
        layout(axis(tickangle=-35, nticks=0), axis(unit, **up), barmode="group", bargap=0.25),
        250,
    )
