"""Policies trained on reward models, on the page: curves, tables, what else moved."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from trueward.report.alignment_fits import fit_of, fits_table, heads
from trueward.report.alignment_plots import gold_panels, key, step_panels
from trueward.report.alignment_verdict import alarm_words, shaping_words
from trueward.report.diagnosis_lines import number
from trueward.report.html import Html, element, table
from trueward.report.material import PolicyRun
from trueward.report.numbers import MISSING, count, fixed, percent, short, signed
from trueward.report.plots import SERIES, figure, legend_of
from trueward.report.tables import cell, facts, head_cells, row_of, text
from trueward.types import Estimate

LOOK = {
    "step": ("Step", 0),
    "distance": ("√KL, √nat", 2),
    "proxy": ("Reward", 3),
    "gold": ("Gold", 3),
    "kl_k1": ("KL by k1, nats", 2),
    "kl_k3": ("KL by k3, nats", 2),
    "length": ("Length, tokens", 1),
    "entropy": ("Entropy, nats a token", 3),
    "truncated": ("Cut at the limit", -1),
    "norm": ("‖h‖", 2),
    "norm_outside": ("‖h‖ outside", -1),
    "beta": ("KL coefficient", 3),
}
"""The numbers of a look: title and decimals; −1 for a share."""
SETTINGS = ("policy", "reward_models", "prompts", "algorithm", "gold", "seed", "training")


def alignment_section(runs: Sequence[PolicyRun]) -> list[Html]:
    """Gold and reward by distance, a table of runs, the fits, what moved, every look."""
    colors = {run.label: SERIES[i % len(SERIES)] for i, run in enumerate(runs)}
    caption = (
        "Against √KL from the starting policy, a point a look, in the order of training. Above: "
        "mean gold with 95 % intervals over prompts, and its fit R = d(α − β log d); below: the "
        "reward that is trained on. Where gold falls while the reward rises, training on does "
        "harm. Believe the points, not the fit, where its R² is below 0.9."
    )
    parts = [figure(caption, key(runs), gold_panels(runs)), runs_table(runs)]
    parts += [fits_table(fitted)] if (fitted := [r for r in runs if fit_of(r)]) else []
    panels = step_panels(runs, colors)
    if panels:
        words = "Against training steps. ‖h‖ is the first reward model's; an alarm needs 25 %."
        parts += [_group("What else moved"), figure(words, legend_of(colors), panels)]
    return [*parts, _group("Every look"), *_looks(runs)]


def _group(title: str) -> Html:
    return element("h3", title, class_="group")


def runs_table(runs: Sequence[PolicyRun]) -> Html:
    """One row a run: from where to where, and what was raised."""
    titles = ["Gold at the start", "Gold at the end", "Change of gold", "Best gold"]
    titles += ["Change of reward", "√KL at the end", "Steps"]
    rows = [
        row_of(
            run.label,
            [
                _value(run.gold[0]),
                _value(run.gold[-1]),
                _value(run.change, sign=True),
                cell(_best(run)),
                cell(signed(run.risen)),
                cell(fixed(number(run.points[-1], "distance"), 2)),
                cell(short(number(run.points[-1], "step"))),
                text(alarm_words(run)),
                text(shaping_words(run)),
                text(str(run.settings.get("algorithm", MISSING))),
            ],
        )
        for run in runs
    ]
    return table(
        "Policies, first look to last", heads(titles, ["Alarms", "Shaping", "Algorithm"]), rows
    )


def policy_settings(run: PolicyRun) -> Html:
    """What tells one run from another, then the rest behind a fold."""
    told = {name: run.settings[name] for name in SETTINGS if name in run.settings}
    rest = {name: value for name, value in run.settings.items() if name not in told}
    fold = element("details", element("summary", f"{len(rest)} more settings"), facts(rest))
    return element("div", facts(told), *([fold] if rest else []))


def _best(run: PolicyRun) -> str:
    best = run.document["best"]
    gold = number(best, "gold")
    return MISSING if math.isnan(gold) else f"{fixed(gold)} at step {short(number(best, 'step'))}"


def _looks(runs: Sequence[PolicyRun]) -> Iterator[Html]:
    for run in runs:
        names = [n for n in LOOK if any(p.get(n) is not None for p in run.points)]
        rows = [
            row_of(_shown(point, names[0]), [cell(_shown(point, n)) for n in names[1:]])
            for point in run.points
        ]
        head = head_cells(LOOK[names[0]][0], [LOOK[n][0] for n in names[1:]])
        title = f"{run.label}: {count(len(rows), 'look')}"
        yield element("details", element("summary", title), table(title, head, rows))


def _shown(point: Any, name: str) -> str:
    value, digits = number(point, name), LOOK[name][1]
    if math.isnan(value):
        return MISSING
    return percent(round(value, 2)) if digits < 0 else fixed(value, digits)


def _value(one: Estimate, *, sign: bool = False) -> Html:
    form = signed if sign else fixed
    known = not math.isnan(one.low)
    interval = [element("span", f"{form(one.low)} to {form(one.high)}", class_="interval")]
    return element(
        "td", element("span", form(one.value), class_="mean"), *(interval if known else [])
    )
