"""Over-optimization curves: what best-of-n brings in gold, by its KL distance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueward.report.diagnosis_lines import number
from trueward.report.html import Html, element, table
from trueward.report.material import Material
from trueward.report.numbers import MISSING, fixed, short, spaced
from trueward.report.plots import GREY, Panel, axis, figure, layout, legend_of, model_colors
from trueward.report.tables import cell, head_cells, row_of, text


@dataclass(frozen=True)
class Curve:
    """Gold at each n, of one model on one set."""

    place: str
    model: str
    n: Sequence[int]
    kl: Sequence[float]
    gold: Sequence[Mapping[str, Any]]
    fit: Mapping[str, Any]
    best: Sequence[Mapping[str, Any]] | None = None
    """By gold itself: no reward can do better."""


def curves_of(material: Material) -> list[Curve]:
    """Those of diagnoses, then those of `trueward bon`."""
    found = [
        Curve(
            spaced(block["name"]),
            str(model["model"]),
            one["n"],
            one["kl"],
            one["gold"],
            one["fit"],
            one["best"],
        )
        for diagnosis in material.diagnoses
        for model in diagnosis.models
        for block in model["sets"]
        if (one := block.get("best_of_n"))
    ]
    return found + [
        Curve(path, str(one["model"]), document["n"], document["kl"], one["gold"], _with_peak(one))
        for path, document in material.optimizations.items()
        for one in document["curves"]
        if one["gold"]
    ]


def _with_peak(one: Mapping[str, Any]) -> dict[str, Any]:
    peak = one.get("peak") or {}
    return {**(one.get("fit") or {}), "peak_n": peak.get("n")}


def optimization_section(curves: Sequence[Curve]) -> list[Html]:
    """A panel a set, a line a model; then the fits."""
    places = list(dict.fromkeys(curve.place for curve in curves))
    colors = model_colors(list(dict.fromkeys(curve.model for curve in curves)))
    panels = [_panel(place, [c for c in curves if c.place == place], colors) for place in places]
    dashed = element(
        "li", element("span", class_="swatch dashed", aria_hidden="true"), "by gold itself"
    )
    legend = legend_of(colors, *([dashed] if any(c.best for c in curves) else []))
    caption = (
        "Mean gold score of the best of n samples by reward, against its KL distance from the "
        "policy that wrote them; bands are 95 % intervals. Where a line falls, optimising further "
        "against that reward does harm."
    )
    return [figure(caption, legend, panels), _fits(curves)]


def _panel(place: str, curves: Sequence[Curve], colors: Mapping[str, str]) -> Panel:
    traces: list[dict[str, Any]] = []
    best = next((curve for curve in curves if curve.best), None)
    if best is not None and best.best is not None:
        line = {"color": GREY, "width": 1.5, "dash": "dot"}
        traces.append(_trace("by gold itself", best, best.best, line))
    for curve in curves:
        color = colors[curve.model]
        traces.append(_band(curve, color))
        traces.append(_trace(curve.model, curve, curve.gold, {"color": color, "width": 2.2}))
    spoken = ", ".join(
        f"{c.model} from {fixed(number(c.gold[0], 'value'))} to "
        f"{fixed(number(c.gold[-1], 'value'))} at n = {c.n[-1]}"
        for c in curves
    )
    return Panel(
        place,
        f"Gold by best-of-n on {place}: {spoken}.",
        traces,
        layout(axis("KL, nats", rangemode="tozero"), axis("gold")),
        240,
    )


def _trace(
    name: str, curve: Curve, points: Sequence[Mapping[str, Any]], line: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [float(f"{kl:.4g}") for kl in curve.kl],
        "y": [float(f"{number(p, 'value'):.4g}") for p in points],
        "text": [f"n = {n}" for n in curve.n],
        "line": line,
        "marker": {"size": 5, "color": line["color"]},
        "hovertemplate": "%{fullData.name}, %{text}: %{y:.3f}<extra></extra>",
    }


def _band(curve: Curve, color: str) -> dict[str, Any]:
    ends = [number(p, "low") for p in curve.gold] + [number(p, "high") for p in curve.gold][::-1]
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*curve.kl, *list(curve.kl)[::-1]],
        "y": ends,
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.15)",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _fits(curves: Sequence[Curve]) -> Html:
    rows = [
        row_of(
            curve.model,
            [
                text(curve.place),
                cell(fixed(number(curve.gold[0], "value"))),
                cell(_best(curve)),
                *(cell(fixed(number(curve.fit, name))) for name in ("alpha", "beta", "r_squared")),
                cell(_peak(curve)),
            ],
        )
        for curve in curves
    ]
    titles = ["Set", "Gold at n = 1", "Best measured", "α", "β", "R²", "Peak n, fitted"]
    caption = "Fits R = d(α − βd), d = √KL: β eats up what α brings"
    return table(caption, head_cells("Model", titles, texts=1), rows)


def _best(curve: Curve) -> str:
    values = [float(f"{number(point, 'value'):.12g}") for point in curve.gold]  # without rounding
    place = max(range(len(values)), key=values.__getitem__)
    return f"{fixed(values[place])} at n = {curve.n[place]}"


def _peak(curve: Curve) -> str:
    if curve.fit.get("alpha") is None:
        return MISSING
    peak = number(curve.fit, "peak_n")
    beyond = math.isnan(peak) or peak >= max(curve.n)
    return f"beyond {max(curve.n)}" if beyond else short(float(f"{peak:.2g}"))
