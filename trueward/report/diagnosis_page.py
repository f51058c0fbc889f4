"""Diagnostics on the page: one table of what matters, then a figure a question."""

from collections.abc import Callable, Mapping
from typing import Any

from trueward.report.bars import scenario_bars
from trueward.report.diagnosis_lines import LINES, Block
from trueward.report.diagnosis_terminal import not_computed
from trueward.report.differences import difference_plot
from trueward.report.distributions import norm_distributions
from trueward.report.effect_bars import edit_bars, probe_bars
from trueward.report.html import Html, element, join, table
from trueward.report.judges import hidden_table
from trueward.report.material import Diagnosis
from trueward.report.numbers import MISSING, fixed, short, spaced
from trueward.report.reliability import reliability, similarity_lines
from trueward.report.reward_ranges import reward_ranges
from trueward.report.tables import cell, comparison_table, head_cells, row_of, text


def diagnosis_sections(one: Diagnosis) -> list[Html]:
    """Comparison, summary, figures, and what could not be computed."""
    parts: list[Html] = []
    study = one.as_study()
    if study is not None and len(one.models) > 1:
        parts += [comparison_table(study, "model"), difference_plot(study), scenario_bars(study)]
    parts.append(_summary(one))
    if study is not None:
        norms = join(norm_distributions(study), hidden_table(study, "model"))
        parts += _titled("Hidden states", norms)
    for title, draw in _FIGURES.items():
        parts += _titled(title, draw(one))
    if noise := one.document.get("label_noise"):
        parts += _titled("Label noise", _label_noise(noise))
    lines = [line.removeprefix("not computed  ") for line in not_computed(one.document)]
    if lines:
        told = element("ul", *(element("li", line) for line in lines), class_="note")
        parts += _titled("Not computed, and what it would need", told)
    return parts


_FIGURES: Mapping[str, Callable[[Diagnosis], Html | None]] = {
    "Rewards by source": reward_ranges,
    "Calibration": reliability,
    "Edits": edit_bars,
    "Probes of reward hacking": probe_bars,
    "Similar pairs": similarity_lines,
}


def _titled(title: str, part: Html | None) -> list[Html]:
    return [] if part is None else [element("h3", title, class_="group"), part]


def _summary(one: Diagnosis) -> Html:
    """A row a model and set, a column a number that was computed anywhere."""
    blocks = [(m["model"], m_set) for m in one.models for m_set in m["sets"]]
    shown = [
        (title, read)
        for title, read in _unfolded()
        if any(read(block) != MISSING for _, block in blocks)
    ]
    rows = [
        row_of(
            model,
            [text(spaced(block["name"])), *(cell(read(block)) for _, read in shown)],
        )
        for model, block in blocks
    ]
    head = head_cells("Model", ["Set", *(title for title, _ in shown)], texts=1)
    return table("Every number, a row a model and set", head, rows)


def _unfolded() -> list[tuple[str, Callable[[Block], str]]]:
    """Titles that stand by themselves: `… against train` with what it is of."""
    found: list[tuple[str, Callable[[Block], str]]] = []
    of = ""
    for title, read in LINES:
        of = of if title.startswith("…") else title
        found.append((f"{of}{title.replace('…', ',')}" if title.startswith("…") else title, read))
    return found


def _label_noise(noise: Mapping[str, Any]) -> Html:
    rates = list(dict.fromkeys(rate for block in noise.values() for rate in block["mean"]))
    rows = [
        row_of(
            spaced(name),
            [
                cell(short(float(block["slope"]))),
                *(
                    cell(f"{fixed(block['mean'][r])} ({fixed(block['retained'][r], 2)} retained)")
                    for r in rates
                ),
            ],
        )
        for name, block in noise.items()
    ]
    head = head_cells("Set", ["Slope", *(f"ε = {rate}" for rate in rates)])
    return table("Label noise: accuracy by rate of flipped training labels", head, rows)
