"""Plots of policies' runs: gold and reward by distance, and what else moved by step."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import xlogy

from trueward.report.diagnosis_lines import number
from trueward.report.html import Html, element
from trueward.report.material import PolicyRun
from trueward.report.numbers import fixed, short
from trueward.report.plots import GREY, Panel, axis, layout, legend_of

GOLD, REWARD, ALARM = "#2a9d78", "#2f7fd1", "#d1495b"
BY_STEP = {
    "length": "Length, tokens an answer",
    "truncated": "Share cut at the limit",
    "entropy": "Entropy, nats a token",
    "norm_outside": "Share of ‖h‖ outside its usual range",
    "distance": "√KL from the starting policy",
    "beta": "Coefficient of the KL penalty",
}
_BAND = "rgba(42,157,120,0.15)"


def key(runs: Sequence[PolicyRun]) -> Html:
    """What the colours stand for."""
    names = {"reward": REWARD}
    extra = []
    if any(run.has_gold for run in runs):
        names = {"gold": GOLD, **names}
        dashed = element("span", class_="swatch dashed", aria_hidden="true")
        extra.append(element("li", dashed, "fit of gold"))
    if any(run.document["alarms"] for run in runs):
        names["look that raised an alarm"] = ALARM
    return legend_of(names, *extra)


def gold_panels(runs: Sequence[PolicyRun]) -> list[Panel]:
    """A panel a run: gold above, reward below, by √KL; all on the same scales."""
    golds = [v for r in runs for g in r.gold for v in (g.value, g.low, g.high) if v == v]
    proxies = [number(p, "proxy") for r in runs for p in r.points]
    ends = [number(p, "distance") for r in runs for p in r.points]
    scales = {
        "x": [-0.03 * max(*ends, 0.1), 1.05 * max(*ends, 0.1)],
        "gold": _padded(golds),
        "proxy": _padded(proxies),
    }
    return [_panel(run, scales) for run in runs]


def _panel(run: PolicyRun, scales: Mapping[str, Any]) -> Panel:
    x = [number(point, "distance") for point in run.points]
    y = [number(point, "proxy") for point in run.points]
    line = _line(run, "reward", x, y, REWARD)
    reward = axis("reward", range=scales["proxy"])
    spoken = f"reward from {fixed(y[0])} to {fixed(y[-1])} at √KL {fixed(x[-1], 2)}"
    if not run.has_gold:
        traces = [line, *_alarms(run, x, y)]
        plan = layout(axis("√KL", range=scales["x"]), reward)
        return Panel(run.label, f"{run.label}: {spoken}.", traces, plan, 230, note="no gold")
    ends = " to ".join(fixed(run.gold[i].value) for i in (0, -1))
    plan = layout(
        axis("√KL", range=scales["x"], anchor="y2"),
        axis("gold", range=scales["gold"], domain=[0.54, 1]),
        yaxis2={**reward, "domain": [0, 0.46]},
    )
    traces = [*_gold_traces(run, x), line | {"yaxis": "y2"}]
    return Panel(run.label, f"{run.label}: gold from {ends}, {spoken}.", traces, plan, 380)


def _gold_traces(run: PolicyRun, x: Sequence[float]) -> list[dict[str, Any]]:
    """The fit, the gold with its intervals, and the looks that raised an alarm."""
    values = [one.value for one in run.gold]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [max(one.high - one.value, 0) for one in run.gold],
        "arrayminus": [max(one.value - one.low, 0) for one in run.gold],
        "thickness": 1,
        "width": 2,
        "color": GOLD,
    }
    line = _line(run, "gold", x, values, GOLD)
    known = not any(math.isnan(one.low) for one in run.gold)
    gold = line | ({"error_y": bars} if known else {})
    return [*_fit(run, max(x)), gold, *_alarms(run, x, values)]


def _alarms(run: PolicyRun, x: Sequence[float], y: Sequence[float]) -> list[dict[str, Any]]:
    raised = {alarm["step"] for alarm in run.document["alarms"]}
    at = [i for i, point in enumerate(run.points) if point["step"] in raised]
    if not at:
        return []
    marks = _line(run, "alarm", [x[i] for i in at], [y[i] for i in at], ALARM)
    words = [f"step {short(number(run.points[i], 'step'))}" for i in at]
    shape = {"color": ALARM, "size": 10, "symbol": "diamond"}
    return [marks | {"mode": "markers", "marker": shape, "text": words}]


def _fit(run: PolicyRun, end: float) -> list[dict[str, Any]]:
    fit = run.document.get("fit") or {}
    alpha, beta = number(fit, "alpha"), number(fit, "beta")
    if math.isnan(alpha) or math.isnan(beta):
        return []
    d = np.linspace(0, end, 80)
    gold = number(run.points[0], "gold") + alpha * d - beta * xlogy(d, d)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [float(f"{v:.4g}") for v in d],
            "y": [float(f"{v:.4g}") for v in gold],
            "line": {"color": GREY, "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
        }
    ]


def _line(
    run: PolicyRun, name: str, x: Sequence[float], y: Sequence[float], color: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [float(f"{v:.4g}") for v in x],
        "y": [float(f"{v:.4g}") for v in y],
        "text": [f"step {short(number(point, 'step'))}" for point in run.points],
        "line": {"color": color, "width": 2},
        "marker": {"size": 5, "color": color},
        "hovertemplate": "%{fullData.name}, %{text}, √KL %{x}: %{y}<extra></extra>",
    }


def step_panels(runs: Sequence[PolicyRun], colors: Mapping[str, str]) -> list[Panel]:
    """A panel a measure that any run watched and that moved, a line a run."""
    found = []
    for name, title in BY_STEP.items():
        watched = [r for r in runs if all(p.get(name) is not None for p in r.points)]
        if not any(len({number(p, name) for p in r.points}) > 1 for r in watched):
            continue
        traces, spoken = [], []
        for run in watched:
            steps = [number(point, "step") for point in run.points]
            values = [number(point, name) for point in run.points]
            traces.append(_line(run, run.label, steps, values, colors[run.label]))
            traces[-1]["hovertemplate"] = "%{fullData.name}, %{text}: %{y}<extra></extra>"
            spoken.append(f"{run.label} from {fixed(values[0])} to {fixed(values[-1])}")
        description = f"{title} against training steps: {', '.join(spoken)}."
        plan = layout(axis("step", rangemode="tozero"), axis(rangemode="tozero"))
        found.append(Panel(title, description, traces, plan, 230))
    return found


def _padded(values: Sequence[float]) -> list[float] | None:
    if not values:
        return None
    room = 0.07 * (max(values) - min(values)) or 1.0
    return [min(values) - room, max(values) + room]
