"""Reward against gold score: a row of panels an objective, a panel a scenario."""

import math
from collections.abc import Sequence

from scipy.stats import spearmanr

from trueward.report.html import Html, element, join
from trueward.report.numbers import fixed
from trueward.report.plots import Panel, axis, colors_of, figure, layout, legend_of
from trueward.report.tables import runs_of
from trueward.results import RunResult, StudyResults


def reward_against_gold(results: StudyResults) -> Html:
    """The first seed's responses, gold score across and reward upwards."""
    rows = []
    for objective, color in colors_of(results).items():
        run = runs_of(results, objective)[0]
        if run.scatter:
            panels = [_panel(run, scenario, color) for scenario in run.scatter]
            legend = legend_of({f"{run.label}, seed {run.seed}": color})
            rows.append(figure("", legend, panels, "tiny"))
    words = (
        "Across: gold score; upwards: reward in logits. Each point is a response; ρ is Spearman's "
        "rank correlation over the responses shown, all prompts together."
    )
    return join(element("p", words if rows else "No responses were kept.", class_="note"), *rows)


def _panel(run: RunResult, scenario: str, color: str) -> Panel:
    gold, reward = run.scatter[scenario]["gold"], run.scatter[scenario]["reward"]
    rho = _rank_correlation(gold, reward)
    words = scenario.replace("_", "-")
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [float(f"{v:.4g}") for v in gold],
        "y": [float(f"{v:.4g}") for v in reward],
        "marker": {"color": color, "size": 4, "opacity": 0.55, "symbol": "circle"},
        "hovertemplate": "gold %{x}, reward %{y}<extra></extra>",
    }
    rewards = [v for points in run.scatter.values() for v in points["reward"] if not math.isnan(v)]
    golds = [v for points in run.scatter.values() for v in points["gold"] if not math.isnan(v)]
    return Panel(
        words,
        f"{len(gold)} responses of {run.label}, {words}: reward against gold score, "
        f"rank correlation {fixed(rho, 2)}.",
        [trace],
        layout(
            axis(range=_padded(golds), nticks=4),
            axis(range=_padded(rewards), nticks=4),
            margin={"l": 30, "r": 6, "t": 4, "b": 24},
        ),
        150,
        note=f"ρ {fixed(rho, 2)}",
    )


def _rank_correlation(gold: Sequence[int | float], reward: Sequence[int | float]) -> float:
    if min(len(set(gold)), len(set(reward))) < 2:
        return math.nan
    return float(spearmanr(gold, reward).statistic)


def _padded(values: Sequence[int | float]) -> list[float] | None:
    if not values:
        return None
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 1.0
    return [low - room, high + room]
