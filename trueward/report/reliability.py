"""Shares of pairs ranked right: by what the margin says, and by how alike the responses are."""

from collections.abc import Mapping, Sequence
from typing import Any

from trueward.report.diagnosis_lines import Block, number
from trueward.report.html import Html
from trueward.report.material import Diagnosis
from trueward.report.numbers import fixed, signed, spaced
from trueward.report.plots import GREY, Panel, axis, figure, layout, legend_of, model_colors

_FEW = 10
"""Predictions below which a bin of a reliability plot is noise; both orders of a pair count."""


def reliability(one: Diagnosis) -> Html | None:
    """A panel a set: how often a margin wins against how often it says it will, by model."""
    colors, panels = model_colors(one.names), []
    for name in one.sets:
        traces: list[dict[str, Any]] = [_diagonal()]
        spoken = []
        for model in one.models:
            found: Block = one.block(model, name).get("calibration") or {}
            which = found.get("after_temperature") or found.get("as_is")
            if which is None:
                continue
            rows = [row for row in which["table"] if row["n"] >= _FEW]
            traces.append(
                {
                    **_line(model["model"], colors[model["model"]], "lines+markers"),
                    "x": [round(row["confidence"], 4) for row in rows],
                    "y": [round(row["wins"], 4) for row in rows],
                    "hovertemplate": "%{fullData.name}: said %{x:.2f}, won %{y:.2f}<extra></extra>",
                }
            )
            heat = fixed(number(which, "temperature"), 2)
            spoken.append(f"{model['model']} ECE {fixed(which['ece'])} at temperature {heat}")
        if spoken:
            words = spaced(name)
            panels.append(
                Panel(
                    words,
                    f"Reliability on {words}: {'; '.join(spoken)}.",
                    traces,
                    layout(
                        axis("σ(margin / T)", range=[0, 1], nticks=5),
                        axis("wins", range=[0, 1], nticks=5),
                    ),
                    230,
                    note="; ".join(spoken),
                )
            )
    caption = (
        "Calibration after one temperature, fitted on other prompts (as it is where none could be "
        f"fitted). On the line, margins are log-odds. Bins of fewer than {_FEW} are not drawn."
    )
    return figure(caption, legend_of(colors), panels) if panels else None


def similarity_lines(one: Diagnosis) -> Html | None:
    """A panel a set: accuracy against how alike the two responses are, by model."""
    colors, panels = model_colors(one.names), []
    for name in one.sets:
        traces, spoken = [], []
        for model in one.models:
            found = one.block(model, name).get("similar_pairs")
            if not found or len(found["bins"]) < 2:
                continue
            bins: Sequence[Mapping[str, Any]] = found["bins"]
            traces.append(
                {
                    **_line(model["model"], colors[model["model"]], "lines+markers"),
                    "x": [round((b["low"] + b["high"]) / 2, 3) for b in bins],
                    "y": [round(b["accuracy"], 4) for b in bins],
                    "hovertemplate": "%{fullData.name}: %{y:.2f} at %{x:.2f}<extra></extra>",
                }
            )
            spoken.append(f"{model['model']} slope {signed(number(found, 'slope'), 2)}")
        if traces:
            words = spaced(name)
            panels.append(
                Panel(
                    words,
                    f"Accuracy by similarity of the two responses on {words}: {', '.join(spoken)}.",
                    traces,
                    layout(axis("similarity"), axis("accuracy", range=[0, 1.03], nticks=5)),
                    200,
                )
            )
    caption = "Pair accuracy in fifths of similarity (cosine of word bigrams), left to right."
    return figure(caption, legend_of(colors), panels) if panels else None


def _line(name: str, color: str, mode: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "line": {"color": color, "width": 1.8},
        "marker": {"color": color, "size": 5},
    }


def _diagonal() -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": GREY, "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
    }
