"""The figures of policies' runs: gold and reward by distance, and what else moved by step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import xlogy

from trueward.report.blocks import DASHED, Figure, Numbers, Panel, Plotly
from trueward.report.material import PolicyRun
from trueward.report.plots import GREY, axis, dots, figures, guide, layout, padded, whiskers
from trueward.report.words import fixed, number, short

GOLD, REWARD, ALARM = "#2a9d78", "#2f7fd1", "#d1495b"
MEASURES = {
    "length": "Length, tokens an answer",
    "truncated": "Share cut at the limit",
    "entropy": "Entropy, nats a token",
    "norm_outside": "Share of ‖h‖ outside its usual range",
    "distance": "√KL from the starting policy",
    "beta": "Coefficient of the KL penalty",
}
"""Titles of the measures that are drawn against training steps."""


def gold_figure(runs: Sequence[PolicyRun]) -> Figure:
    """Return a panel a run: gold above, reward below, by √KL; all on the same scales."""
    has_gold = any(run.has_gold for run in runs)
    legend = {"gold": GOLD, "reward": REWARD} if has_gold else {"reward": REWARD}
    if any(run.document["alarms"] for run in runs):
        legend["look that raised an alarm"] = ALARM
    golds = [v for r in runs for g in r.gold for v in (g.value, g.low, g.high) if v == v]
    end = max(0.1, *(number(point, "distance") for run in runs for point in run.points))
    scales = {
        "x": [-0.03 * end, 1.05 * end],
        "gold": padded(golds, 0.07),
        "proxy": padded([number(p, "proxy") for r in runs for p in r.points], 0.07),
    }
    caption = (
        "Against √KL from the starting policy, a point a look, in the order of training. Above: "
        "mean gold with 95 % intervals over prompts, and its fit R = d(α − β log d); below: the "
        "reward that is trained on. Where gold falls while the reward rises, training on does "
        "harm. Believe the points, not the fit, where its R² is below 0.9."
    )
    dashed = {"fit of gold": DASHED} if has_gold else {}
    return Figure(caption, legend | dashed, [_gold_panel(run, scales) for run in runs])


def step_panels(runs: Sequence[PolicyRun], colors: Mapping[str, str]) -> list[Panel]:
    """Return a panel for each measure that any run watched and that moved, with a line a run."""
    panels = []
    for name, title in MEASURES.items():
        watched = [r for r in runs if all(p.get(name) is not None for p in r.points)]
        if not any(len({number(p, name) for p in r.points}) > 1 for r in watched):
            continue
        traces, spoken = [], []
        for run in watched:
            steps = [number(point, "step") for point in run.points]
            values = [number(point, name) for point in run.points]
            hover = "%{fullData.name}, %{text}: %{y}"
            traces.append(_line(run, run.label, steps, values, colors[run.label], hover))
            spoken.append(f"{run.label} from {fixed(values[0])} to {fixed(values[-1])}")
        about = f"{title} against training steps: {', '.join(spoken)}."
        plan = layout(axis("step", rangemode="tozero"), axis(rangemode="tozero"))
        panels.append(Panel(title, about, traces, plan, 230))
    return panels


def _gold_panel(run: PolicyRun, scales: Mapping[str, list[float] | None]) -> Panel:
    x = [number(point, "distance") for point in run.points]
    y = [number(point, "proxy") for point in run.points]
    reward_line = _line(run, "reward", x, y, REWARD)
    reward = axis("reward", range=scales["proxy"])
    spoken = f"reward from {fixed(y[0])} to {fixed(y[-1])} at √KL {fixed(x[-1], 2)}"
    if not run.has_gold:
        traces = [reward_line, *_alarms(run, x, y)]
        plan = layout(axis("√KL", range=scales["x"]), reward)
        return Panel(run.label, f"{run.label}: {spoken}.", traces, plan, 230, note="no gold")
    golds = [mean.value for mean in run.gold]
    gold_line = _line(run, "gold", x, golds, GOLD)
    if not any(math.isnan(mean.low) for mean in run.gold):
        around = [
            replace(mean, low=min(mean.low, mean.value), high=max(mean.high, mean.value))
            for mean in run.gold
        ]
        gold_line["error_y"] = {**whiskers(around), "thickness": 1, "width": 2, "color": GOLD}
    plan = layout(
        axis("√KL", range=scales["x"], anchor="y2"),
        axis("gold", range=scales["gold"], domain=[0.54, 1]),
        yaxis2={**reward, "domain": [0, 0.46]},
    )
    traces = [*_fit(run, max(x)), gold_line, *_alarms(run, x, golds), reward_line | {"yaxis": "y2"}]
    about = f"{run.label}: gold from {fixed(golds[0])} to {fixed(golds[-1])}, {spoken}."
    return Panel(run.label, about, traces, plan, 380)


def _alarms(run: PolicyRun, x: Numbers, y: Numbers) -> list[Plotly]:
    """Return marks on the looks that raised an alarm."""
    raised = {alarm["step"] for alarm in run.document["alarms"]}
    looks = [i for i, point in enumerate(run.points) if point["step"] in raised]
    if not looks:
        return []
    marks = _line(run, "alarm", [x[i] for i in looks], [y[i] for i in looks], ALARM)
    marks["text"] = [marks["text"][i] for i in looks]
    shape = {"color": ALARM, "size": 10, "symbol": "diamond"}
    return [marks | {"mode": "markers", "marker": shape}]


def _fit(run: PolicyRun, end: float) -> list[Plotly]:
    fit = run.document.get("fit") or {}
    alpha, beta = number(fit, "alpha"), number(fit, "beta")
    if math.isnan(alpha) or math.isnan(beta):
        return []
    d = np.linspace(0, end, 80)
    gold = number(run.points[0], "gold") + alpha * d - beta * xlogy(d, d)
    return [guide(figures(d), figures(gold), {"color": GREY, "width": 1.5, "dash": "dash"})]


def _line(
    run: PolicyRun,
    name: str,
    x: Numbers,
    y: Numbers,
    color: str,
    hover: str = "%{fullData.name}, %{text}, √KL %{x}: %{y}",
) -> Plotly:
    steps = [f"step {short(number(point, 'step'))}" for point in run.points]
    return dots(name, x, y, {"color": color, "width": 2}, hover, steps)
