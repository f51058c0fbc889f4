"""Training runs on the page: what each is, its held-out numbers, its curves, its settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from trueward.metrics import metric
from trueward.report.curves import curve_panels
from trueward.report.diagnosis_lines import number
from trueward.report.html import Html, element, table
from trueward.report.material import TrainedRun
from trueward.report.numbers import MISSING, fixed, short, spaced
from trueward.report.plots import SERIES, figure, legend_of
from trueward.report.tables import cell, facts, head_cells, row_of, text

SETTINGS = (
    "model_name_or_path",
    "dataset_name",
    "objective",
    "learning_rate",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_train_epochs",
    "max_steps",
    "max_length",
    "truncation",
    "seed",
    "use_peft",
)
"""Of the hundred settings of a job those that tell one run from another."""


def runs_section(runs: Sequence[TrainedRun]) -> list[Html]:
    """A table of runs, then their curves."""
    parts = [_table(runs)]
    groups = {
        run.label: (SERIES[i % len(SERIES)], [run.curve]) for i, run in enumerate(runs) if run.curve
    }
    if groups:
        colors = {label: color for label, (color, _) in groups.items()}
        caption = "Against optimiser steps, as the trainer logged them."
        parts.append(figure(caption, legend_of(colors), curve_panels(groups)))
    without = [run.label for run in runs if not run.curve]
    if without:
        words = f"No curve: {', '.join(without)} kept no checkpoint with a trainer_state.json."
        parts.append(element("p", words, class_="note"))
    notices = [f"{run.label}: {one}" for run in runs for one in run.result.get("notices", [])]
    if notices:
        parts.append(element("ul", *(element("li", one) for one in notices), class_="note"))
    return parts


def run_settings(run: TrainedRun) -> Html:
    """The settings that matter, then all of them behind a fold."""
    told = {name: run.job[name] for name in SETTINGS if run.job.get(name) is not None}
    rest = element(
        "details", element("summary", f"All {len(run.job)} settings of the run"), facts(run.job)
    )
    return element("div", facts(told), rest)


def _table(runs: Sequence[TrainedRun]) -> Html:
    held = dict.fromkeys(name for run in runs for name in run.result.get("held_out", {}))
    scalars = dict.fromkeys(name for run in runs for name in run.result.get("scalars", {}))
    titles = ["Objective", "Steps", *(metric(n).title for n in held), *map(spaced, scalars)]
    rows = [
        row_of(
            run.label,
            [
                text(str(run.result.get("objective") or run.job.get("objective", MISSING))),
                cell(f"{run.result['steps']:,}" if run.result.get("steps") else MISSING),
                *(_estimate(run.result.get("held_out", {}).get(name)) for name in held),
                *(cell(short(number(run.result, "scalars", name))) for name in scalars),
            ],
        )
        for run in runs
    ]
    return table(
        "Training runs: held-out means with intervals", head_cells("Run", titles, texts=1), rows
    )


def _estimate(one: Mapping[str, Any] | None) -> Html:
    if one is None:
        return cell(MISSING)
    return element(
        "td",
        element("span", fixed(number(one, "value")), class_="mean"),
        element(
            "span",
            f"{fixed(number(one, 'low'))} to {fixed(number(one, 'high'))}",
            class_="interval",
        ),
    )
