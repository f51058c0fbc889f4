"""The figures of a diagnosis, a panel a set: rewards, calibration, edits, probes, similarity."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from trueward.report.blocks import Figure, Numbers, Panel, Plotly
from trueward.report.material import Diagnosis
from trueward.report.plots import GREY, axis, figures, guide, layout, model_colors, whiskers
from trueward.report.words import estimate, fixed, number, short, signed, spaced
from trueward.types import Estimate

Drawn: TypeAlias = Mapping[str, Mapping[str, Estimate]]
"""Bars by model and name."""

_FEW = 10
"""Predictions below which a bin of a reliability plot is noise; both orders of a pair count."""
_SOURCES = 8


def reward_ranges(one: Diagnosis) -> Figure | None:
    """Return where each source's rewards lie, by model."""
    colors, panels = model_colors(one.names), []
    for name in one.sets:
        found = {m: _sources(block) for m, block in _blocks(one, name, "rewards").items()}
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
        labels = axis(autorange="reversed", type="category", nticks=0)
        panels.append(
            Panel(
                spaced(name),
                f"Median rewards by source on {spaced(name)}. {spoken}.",
                traces,
                layout(axis("reward, logits"), labels, scattermode="group"),
                60 + 14 * sum(map(len, found.values())),
            )
        )
    caption = (
        "Rewards by what wrote the response: median, middle half (thick) and 90 % (thin), in "
        f"logits; at most {_SOURCES} sources of each set, the largest."
    )
    return Figure(caption, colors, panels) if panels else None


def reliability(one: Diagnosis) -> Figure | None:
    """Return how often a margin wins against how often it says it will, by model."""
    colors, panels = model_colors(one.names), []
    for name in one.sets:
        traces = [guide([0, 1], [0, 1], {"color": GREY, "width": 1, "dash": "dot"})]
        spoken = []
        for model, found in _blocks(one, name, "calibration").items():
            which = found.get("after_temperature") or found.get("as_is")
            if which is None:
                continue
            rows = [row for row in which["table"] if row["n"] >= _FEW]
            said = [round(row["confidence"], 4) for row in rows]
            won = [round(row["wins"], 4) for row in rows]
            hover = "%{fullData.name}: said %{x:.2f}, won %{y:.2f}"
            traces.append(_line(model, said, won, colors[model], hover))
            heat = fixed(number(which, "temperature"), 2)
            spoken.append(f"{model} ECE {fixed(which['ece'])} at temperature {heat}")
        if spoken:
            words = "; ".join(spoken)
            plan = layout(
                axis("σ(margin / T)", range=[0, 1], nticks=5), axis("wins", range=[0, 1], nticks=5)
            )
            about = f"Reliability on {spaced(name)}: {words}."
            panels.append(Panel(spaced(name), about, traces, plan, 230, note=words))
    caption = (
        "Calibration after one temperature, fitted on other prompts (as it is where none could be "
        f"fitted). On the line, margins are log-odds. Bins of fewer than {_FEW} are not drawn."
    )
    return Figure(caption, colors, panels) if panels else None


def edit_bars(one: Diagnosis) -> Figure | None:
    """Return how far each edit moves the reward, by model."""
    panels = []
    for name in one.sets:
        drawn = {
            model: {
                edit: Estimate(number(found, "shift"), math.nan, math.nan)
                for edit, found in (block.get("edits") or {}).items()
            }
            for model, block in _blocks(one, name, "edits").items()
        }
        title = f"Shift under edits on {spaced(name)}"
        panels += _bars(one, name, title, drawn, axis("margins", zeroline=True))
    caption = (
        "Mean change of reward when a response is edited, in mean clean margins (of the reference, "
        "its scale taken out, where there is one). Edits should not decide; truncation removes "
        "content, so some loss under it is right."
    )
    return Figure(caption, model_colors(one.names), panels) if panels else None


def probe_bars(one: Diagnosis) -> Figure | None:
    """Return on what share of prompts each senseless answer beats all real ones, by model."""
    panels = []
    for name in one.sets:
        drawn = {
            model: {probe: estimate(found, "beats_all") for probe, found in block.items()}
            for model, block in _blocks(one, name, "probes").items()
        }
        title = f"Probes that beat all on {spaced(name)}"
        panels += _bars(one, name, title, drawn, axis("share", range=[0, 1.05]))
    caption = (
        "Share of prompts on which an answer that no one would want beats every real response, "
        "with 95 % intervals. Healthy is none."
    )
    return Figure(caption, model_colors(one.names), panels) if panels else None


def similarity_lines(one: Diagnosis) -> Figure | None:
    """Return accuracy against how alike the two responses are, by model."""
    colors, panels = model_colors(one.names), []
    for name in one.sets:
        traces, spoken = [], []
        for model, found in _blocks(one, name, "similar_pairs").items():
            bins: Sequence[Mapping[str, Any]] = found["bins"]
            if len(bins) < 2:
                continue
            alike = [round((b["low"] + b["high"]) / 2, 3) for b in bins]
            right = [round(b["accuracy"], 4) for b in bins]
            hover = "%{fullData.name}: %{y:.2f} at %{x:.2f}"
            traces.append(_line(model, alike, right, colors[model], hover))
            spoken.append(f"{model} slope {signed(number(found, 'slope'), 2)}")
        if traces:
            words = ", ".join(spoken)
            about = f"Accuracy by similarity of the two responses on {spaced(name)}: {words}."
            plan = layout(axis("similarity"), axis("accuracy", range=[0, 1.03], nticks=5))
            panels.append(Panel(spaced(name), about, traces, plan, 200))
    caption = "Pair accuracy in fifths of similarity (cosine of word bigrams), left to right."
    return Figure(caption, colors, panels) if panels else None


FIGURES: Mapping[str, Callable[[Diagnosis], Figure | None]] = {
    "Rewards by source": reward_ranges,
    "Calibration": reliability,
    "Edits": edit_bars,
    "Probes of reward hacking": probe_bars,
    "Similar pairs": similarity_lines,
}
"""By the heading that each stands under."""


def _blocks(one: Diagnosis, name: str, diagnostic: str) -> dict[str, Mapping[str, Any]]:
    """Return one diagnostic of a set by model, of those that have it."""
    found: dict[str, Any] = {m["model"]: one.block(m, name).get(diagnostic) for m in one.models}
    return {model: block for model, block in found.items() if block}


def _sources(block: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    named = block["sources"] or {"all responses": block["all"]}
    return {n: named[n] for n in sorted(named, key=lambda name: -named[name]["n"])[:_SOURCES]}


def _level(block: Mapping[str, Any], level: str) -> float:
    return number(block, "quantiles", level)


def _ranges(model: str, ranges: Mapping[str, Mapping[str, Any]], color: str) -> list[Plotly]:
    traces: list[Plotly] = []
    for low, high, width in (("0.05", "0.95", 1.2), ("0.25", "0.75", 5)):
        ends = [
            Estimate(_level(r, "0.5"), _level(r, low), _level(r, high)) for r in ranges.values()
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": model,
                "x": figures([one.value for one in ends]),
                "y": list(ranges),
                "orientation": "h",
                "offsetgroup": model,
                "error_x": {**whiskers(ends), "color": color, "thickness": width, "width": 0},
                "marker": {"color": color, "size": 7},
                "hovertemplate": "%{fullData.name}, %{y}: %{x:.2f}<extra></extra>",
            }
        )
    return traces


def _bars(one: Diagnosis, name: str, title: str, drawn: Drawn, up: Plotly) -> list[Panel]:
    """Return a panel of bars by model; none where no model has any."""
    drawn = {model: values for model, values in drawn.items() if values}
    if not drawn:
        return []
    colors, traces = model_colors(one.names), []
    for model, values in drawn.items():
        trace: Plotly = {
            "type": "bar",
            "name": model,
            "x": list(values),
            "y": [round(bar.value, 4) for bar in values.values()],
            "marker": {"color": colors[model]},
            "hovertemplate": "%{fullData.name}, %{x}: %{y:.2f}<extra></extra>",
        }
        if not any(math.isnan(bar.low) for bar in values.values()):
            trace["error_y"] = whiskers([*values.values()])
        traces.append(trace)
    spoken = "; ".join(
        f"{model}: " + ", ".join(f"{key} {signed(bar.value, 2)}" for key, bar in values.items())
        for model, values in drawn.items()
    )
    about = f"{title}, {up['title']['text']}. {spoken}."
    plan = layout(axis(tickangle=-35, nticks=0), up, barmode="group", bargap=0.25)
    return [Panel(spaced(name), about, traces, plan, 250)]


def _line(name: str, x: Numbers, y: Numbers, color: str, hover: str) -> Plotly:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "line": {"color": color, "width": 1.8},
        "marker": {"color": color, "size": 5},
        "x": x,
        "y": y,
        "hovertemplate": f"{hover}<extra></extra>",
    }
