"""The figures of a diagnosis, a panel a set: rewards, calibration, edits, probes, similarity."""

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from trueward.report.blocks import Figure, Numbers, Panel, Plotly
from trueward.report.material import Diagnosis
from trueward.report.plots import (
    GREY,
    ROWS,
    axis,
    figures,
    guide,
    layout,
    model_colors,
    trace,
    whiskers,
)
from trueward.report.words import estimate, fixed, number, short, signed, spaced
from trueward.results import SetBlock
from trueward.results.diagnosis import RewardBlock, RewardsBlock
from trueward.types import Estimate

Blocks: TypeAlias = Mapping[str, SetBlock]
"""The results on one set, by model."""
Colors: TypeAlias = Mapping[str, str]
"""The colour of each model."""

_FEW = 10
"""Predictions below which a bin of a reliability plot is noise; both orders of a pair count."""
_SOURCES = 8


def diagnosis_figures(one: Diagnosis) -> dict[str, Figure]:
    """Return the figures by heading, without those for which no set has numbers."""
    colors = model_colors(one.names)
    drawn = {}
    for title, (draw, caption) in _FIGURES.items():
        panels = [p for name in one.sets if (p := draw(name, one.blocks(name), colors))]
        if panels:
            drawn[title] = Figure(caption, colors, panels)
    return drawn


def _reward_ranges(name: str, blocks: Blocks, colors: Colors) -> Panel | None:
    """Return the range of each source's rewards, by model."""
    sources = {m: _sources(rewards) for m, b in blocks.items() if (rewards := b["rewards"])}
    if name == "train" or not sources:
        return None
    traces = [t for model, named in sources.items() for t in _ranges(model, named, colors[model])]
    medians = {
        model: {source: short(_level(rewards, "0.5")) for source, rewards in named.items()}
        for model, named in sources.items()
    }
    return Panel(
        spaced(name),
        f"Median rewards by source on {spaced(name)}. {_spoken(medians)}.",
        traces,
        layout(
            axis("reward, logits"),
            axis(**ROWS),
            scattermode="group",
        ),
        60 + 14 * sum(map(len, sources.values())),
    )


def _sources(rewards: RewardsBlock) -> dict[str, RewardBlock]:
    """Return the largest sources; all responses as one where none has a name."""
    named = rewards["sources"] or {"all responses": rewards["all"]}
    return {n: named[n] for n in sorted(named, key=lambda name: -named[name]["n"])[:_SOURCES]}


def _level(rewards: RewardBlock, level: str) -> float:
    return number(rewards, "quantiles", level)


def _ranges(model: str, sources: Mapping[str, RewardBlock], color: str) -> list[Plotly]:
    traces: list[Plotly] = []
    for low, high, width in (("0.05", "0.95", 1.2), ("0.25", "0.75", 5)):
        spans = [
            Estimate(_level(r, "0.5"), _level(r, low), _level(r, high)) for r in sources.values()
        ]
        traces.append(
            trace(
                "%{fullData.name}, %{y}: %{x:.2f}",
                mode="markers",
                name=model,
                x=figures([span.value for span in spans]),
                y=list(sources),
                orientation="h",
                offsetgroup=model,
                error_x={**whiskers(spans), "color": color, "thickness": width, "width": 0},
                marker={"color": color, "size": 7},
            )
        )
    return traces


def _reliability(name: str, blocks: Blocks, colors: Colors) -> Panel | None:
    """Return how often a margin wins against how often it says it will, by model."""
    traces = [guide([0, 1], [0, 1], {"color": GREY, "width": 1, "dash": "dot"})]
    spoken = []
    for model, block in blocks.items():
        if (calibration := block["calibration"]) is None:
            continue
        curve = calibration["after_temperature"] or calibration["as_is"]
        rows = [row for row in curve["table"] if row["n"] >= _FEW]
        said = [round(number(row, "confidence"), 4) for row in rows]
        won = [round(number(row, "wins"), 4) for row in rows]
        hover = "%{fullData.name}: said %{x:.2f}, won %{y:.2f}"
        traces.append(_line(model, said, won, colors[model], hover))
        ece, temperature = number(curve, "ece"), number(curve, "temperature")
        spoken.append(f"{model} ECE {fixed(ece)} at temperature {fixed(temperature, 2)}")
    if not spoken:
        return None
    words = "; ".join(spoken)
    x, y = (axis(title, range=[0, 1], nticks=5) for title in ("σ(margin / T)", "wins"))
    about = f"Reliability on {spaced(name)}: {words}."
    return Panel(spaced(name), about, traces, layout(x, y), 230, note=words)


def _edit_bars(name: str, blocks: Blocks, colors: Colors) -> Panel | None:
    """Return the shift of the reward under each edit, by model."""
    shifts = {
        model: {
            edit: Estimate(number(effect, "shift"), math.nan, math.nan)
            for edit, effect in edits["edits"].items()
        }
        for model, block in blocks.items()
        if (edits := block.get("edits"))
    }
    title = f"Shift under edits on {spaced(name)}"
    return _bars(name, title, shifts, axis("margins", zeroline=True), colors)


def _probe_bars(name: str, blocks: Blocks, colors: Colors) -> Panel | None:
    """Return the share of prompts on which each senseless answer beats all real ones, by model."""
    shares = {
        model: {probe: estimate(shown, "beats_all") for probe, shown in probes.items()}
        for model, block in blocks.items()
        if (probes := block.get("probes"))
    }
    title = f"Probes that beat all on {spaced(name)}"
    return _bars(name, title, shares, axis("share", range=[0, 1.05]), colors)


def _bars(
    name: str,
    title: str,
    bars: Mapping[str, Mapping[str, Estimate]],
    upwards: Plotly,
    colors: Colors,
) -> Panel | None:
    """Return bars by model and name; whiskers where every bar has an interval."""
    bars = {model: heights for model, heights in bars.items() if heights}
    if not bars:
        return None
    traces = []
    for model, heights in bars.items():
        bar = trace(
            "%{fullData.name}, %{x}: %{y:.2f}",
            "bar",
            name=model,
            x=list(heights),
            y=[round(height.value, 4) for height in heights.values()],
            marker={"color": colors[model]},
        )
        if not any(math.isnan(height.low) for height in heights.values()):
            bar["error_y"] = whiskers([*heights.values()])
        traces.append(bar)
    words = _spoken(
        {m: {key: signed(h.value, 2) for key, h in heights.items()} for m, heights in bars.items()}
    )
    about = f"{title}, {upwards['title']['text']}. {words}."
    plan = layout(axis(tickangle=-35, nticks=0), upwards, barmode="group", bargap=0.25)
    return Panel(spaced(name), about, traces, plan, 250)


def _similarity_lines(name: str, blocks: Blocks, colors: Colors) -> Panel | None:
    """Return accuracy against the similarity of the two responses, by model."""
    traces, spoken = [], []
    for model, block in blocks.items():
        pairs = block["similar_pairs"]
        if pairs is None or len(pairs["bins"]) < 2:
            continue
        bins = pairs["bins"]
        alike = [round((number(b, "low") + number(b, "high")) / 2, 3) for b in bins]
        right = [round(number(b, "accuracy"), 4) for b in bins]
        hover = "%{fullData.name}: %{y:.2f} at %{x:.2f}"
        traces.append(_line(model, alike, right, colors[model], hover))
        spoken.append(f"{model} slope {signed(number(pairs, 'slope'), 2)}")
    if not traces:
        return None
    about = f"Accuracy by similarity of the two responses on {spaced(name)}: {', '.join(spoken)}."
    plan = layout(axis("similarity"), axis("accuracy", range=[0, 1.03], nticks=5))
    return Panel(spaced(name), about, traces, plan, 200)


def _line(name: str, x: Numbers, y: Numbers, color: str, hover: str) -> Plotly:
    style, marker = {"color": color, "width": 1.8}, {"color": color, "size": 5}
    return trace(hover, mode="lines+markers", name=name, line=style, marker=marker, x=x, y=y)


def _spoken(words: Mapping[str, Mapping[str, str]]) -> str:
    """Return `model: name number, name number; model: …`."""
    return "; ".join(
        f"{model}: " + ", ".join(f"{name} {text}" for name, text in named.items())
        for model, named in words.items()
    )


_FIGURES: Mapping[str, tuple[Callable[[str, Blocks, Colors], Panel | None], str]] = {
    "Rewards by source": (
        _reward_ranges,
        "Rewards by what wrote the response: median, middle half (thick) and 90 % (thin), in "
        f"logits; at most {_SOURCES} sources of each set, the largest.",
    ),
    "Calibration": (
        _reliability,
        "Calibration after one temperature, fitted on other prompts (as it is where none could be "
        f"fitted). On the line, margins are log-odds. Bins of fewer than {_FEW} are not drawn.",
    ),
    "Edits": (
        _edit_bars,
        "Mean change of reward when a response is edited, in mean clean margins (of the reference, "
        "its scale taken out, where there is one). Edits should not decide; truncation removes "
        "content, so some loss under it is right.",
    ),
    "Probes of reward hacking": (
        _probe_bars,
        "Share of prompts on which an answer that no one would want beats every real response, "
        "with 95 % intervals. Healthy is none.",
    ),
    "Similar pairs": (
        _similarity_lines,
        "Pair accuracy in fifths of similarity (cosine of word bigrams), left to right.",
    ),
}
"""The panel of a set and the caption, by the heading that the figure stands under."""
