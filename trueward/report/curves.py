"""Training curves: the mean over seeds as a line, every seed as a thin one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray

from trueward.report.html import Html
from trueward.report.numbers import fixed
from trueward.report.plots import Panel, axis, colors_of, figure, layout, objectives_legend
from trueward.report.tables import runs_of
from trueward.results import StudyResults

POINTS = 40
TITLES = {
    "loss": "Training loss, nats",
    "accuracy": "Accuracy on training batches",
    "eval_accuracy": "Accuracy on held-out pairs",
    "hidden_norm": "‖h‖ at the read-out",
    "difference_norm": "‖h⁺ − h⁻‖",
    "head_norm": "‖W‖",
    "margin": "r⁺ − r⁻, logits",
}


Curve: TypeAlias = Mapping[str, Sequence[int | float]]
"""Lists by name, against `step`, or `eval_step` for names that begin with `eval_`."""


def training_curves(results: StudyResults) -> Html:
    """A panel a curve that any run logged, in the order of the titles."""
    groups = {
        results.labels[objective]: (color, [run.curve for run in runs_of(results, objective)])
        for objective, color in colors_of(results).items()
    }
    caption = (
        "Against optimiser steps. Strong lines are means over seeds, thin ones single seeds; "
        f"long logs are averaged into at most {POINTS} points."
    )
    return figure(caption, objectives_legend(results), curve_panels(groups))


def curve_panels(groups: Mapping[str, tuple[str, Sequence[Curve]]]) -> list[Panel]:
    """A panel a name; by label its colour and the curves of its runs."""
    curves = [curve for _, group in groups.values() for curve in group]
    keys = dict.fromkeys([*TITLES, *(key for curve in curves for key in curve)])
    return [
        _curves(groups, key)
        for key in keys
        if key not in ("step", "eval_step") and any(_points(c, key)[0].size for c in curves)
    ]


def _curves(groups: Mapping[str, tuple[str, Sequence[Curve]]], key: str) -> Panel:
    traces: list[dict[str, Any]] = []
    spoken = []
    for label, (color, group) in groups.items():
        curves = [c for c in (_points(curve, key) for curve in group) if c[0].size]
        if not curves:
            continue
        thin = {"width": 0.7, "color": color}
        if len(curves) > 1:
            traces += [
                _trace(label, *c, thin) | {"opacity": 0.3, "hoverinfo": "skip"} for c in curves
            ]
        steps, values = _mean_curve(curves)
        traces.append(_trace(label, steps, values, {"width": 2.2, "color": color}))
        spoken.append(f"{label} ends at {fixed(float(values[-1]))}")
    title = TITLES.get(key, key.replace("_", " "))
    return Panel(
        title,
        f"{title} against training steps: {', '.join(spoken)}.",
        traces,
        layout(axis("step"), axis()),
        230,
    )


def _trace(name: str, steps: ndarray, values: ndarray, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if len(steps) > 3 else "lines+markers",
        "name": name,
        "x": np.round(steps, 1),
        "y": [float(f"{v:.4g}") for v in values],
        "line": line,
        "hovertemplate": "%{fullData.name}: %{y:.4g} at %{x}<extra></extra>",
    }


def _points(curve: Curve, key: str) -> tuple[ndarray, ndarray]:
    """Steps and values of a curve, without undefined values, averaged into few points."""
    steps = curve.get("eval_step" if key.startswith("eval_") else "step", [])
    values = curve.get(key, [])
    kept = [(s, v) for s, v in zip(steps, values, strict=False) if not math.isnan(v)]
    if not kept:
        return np.empty(0), np.empty(0)
    groups = np.array_split(np.array(kept, dtype=np.float64), min(POINTS, len(kept)))
    means = np.array([group.mean(axis=0) for group in groups])
    return means[:, 0], means[:, 1]


def _mean_curve(curves: Sequence[tuple[ndarray, ndarray]]) -> tuple[ndarray, ndarray]:
    """Mean over seeds where all of them have values, on the first one's steps."""
    last = min(steps[-1] for steps, _ in curves)
    first = max(steps[0] for steps, _ in curves)
    steps = curves[0][0]
    shared = steps[(steps >= first) & (steps <= last)]
    return shared, np.mean([np.interp(shared, s, v) for s, v in curves], axis=0)
