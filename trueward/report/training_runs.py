"""Runs of `trueward train` in a report and on a terminal: verdict, page, settings."""

from collections.abc import Mapping, Sequence

from trueward.metrics import metric
from trueward.report.blocks import (
    Block,
    Column,
    Facts,
    Figure,
    Fold,
    Group,
    Lines,
    Table,
    Text,
    Value,
    Verdict,
    columns,
    row,
)
from trueward.report.material import TrainedRun
from trueward.report.plots import colors_of
from trueward.report.study_figures import curve_panels
from trueward.report.words import (
    MISSING,
    count,
    estimate,
    fixed,
    interval,
    listed,
    lower,
    number,
    percent,
    short,
    spaced,
)
from trueward.types import Estimate

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
"""Settings that are shown first, as they differ between runs; a job has a hundred."""


def runs_verdict(runs: Sequence[TrainedRun]) -> Verdict:
    """Return a sentence a run: its objective, its steps and its held-out numbers."""
    done = sum(run.finished for run in runs)
    headline = f"{count(len(runs), 'training run')}, {done} finished."
    caveat = (
        "Held-out numbers of single runs are not paired, and may be of different data: compare "
        "runs by trueward study, eval or diagnose on the same items."
    )
    caveats = (caveat,) if len(runs) > 1 else ()
    return Verdict("Training runs", headline, tuple(map(run_sentence, runs)), caveats)


def run_sentence(run: TrainedRun) -> str:
    """Return the objective and steps of a run, and its held-out numbers, in words."""
    if not run.finished:
        return f"{run.label} is not finished, so it was not judged."
    parts = [
        f"{lower(metric(name).title)} {fixed(one.value)} ({interval(one)})"
        for name, one in held_out(run).items()
    ]
    level = f"; {percent(0.95)} intervals: {listed(parts)}" if parts else ""
    steps = count(int(run.result.get("steps", 0)), "step")
    return f"{run.label} was trained with {run.result.get('objective', '?')} for {steps}{level}."


def held_out(run: TrainedRun) -> dict[str, Estimate]:
    """Return held-out means by metric; empty where the run is not finished."""
    return {name: estimate(one) for name, one in run.result.get("held_out", {}).items()}


def runs_blocks(runs: Sequence[TrainedRun]) -> list[Block]:
    """Return a page's blocks: a table of runs, their curves and their notices."""
    blocks: list[Block] = [_runs_table(runs)]
    palette = colors_of([str(place) for place in range(len(runs))])
    groups = {
        run.label: (color, [run.curve])
        for run, color in zip(runs, palette.values(), strict=True)
        if run.curve
    }
    if groups:
        colors = {label: color for label, (color, _) in groups.items()}
        caption = "Against optimiser steps, as the trainer logged them."
        blocks.append(Figure(caption, colors, curve_panels(groups)))
    if without := [run.label for run in runs if not run.curve]:
        words = f"No curve: {', '.join(without)} kept no checkpoint with a trainer_state.json."
        blocks.append(Text(words))
    blocks += [one for run in runs for one in sources_tables(run)]
    if notices := [f"{run.label}: {one}" for run in runs for one in run.result.get("notices", [])]:
        blocks.append(Lines(notices))
    return blocks


def run_settings(run: TrainedRun) -> Block:
    """Return the settings that matter, then all of them behind a fold."""
    rest = Fold(f"All {len(run.job)} settings of the run", Facts(run.job))
    return Group([Facts(main_settings(run)), rest])


def main_settings(run: TrainedRun) -> dict[str, object]:
    """Return the settings that differ between runs, where they are set."""
    settings = {name: run.job[name] for name in SETTINGS if run.job.get(name) is not None}
    if isinstance(given := settings.get("dataset_name"), list):
        names = (str(one.get("name") if isinstance(one, dict) else one) for one in given)
        settings["dataset_name"] = ", ".join(names)
    return settings


def sources_tables(run: TrainedRun) -> list[Table]:
    """Return the table of what each data set of a mixture gave, if the run had one."""
    rows = [
        row(
            one["dataset"],
            MISSING if one["weight"] is None else f"{one['weight']:g}",
            *(f"{one[key]:,}" for key in ("rows", "pairs", "trained", "held_out")),
        )
        for one in run.result.get("sources", ())
    ]
    head = columns("Data set", "Weight", "Rows", "Pairs", "Trained on", "Held out")
    return [Table(f"{run.label}: pairs by data set", head, rows)] if rows else []


def _runs_table(runs: Sequence[TrainedRun]) -> Table:
    held = dict.fromkeys(name for run in runs for name in held_out(run))
    scalars = dict.fromkeys(name for run in runs for name in run.result.get("scalars", {}))
    titles = ["Objective", "Steps", *(metric(n).title for n in held), *map(spaced, scalars)]
    rows = []
    for run in runs:
        known = held_out(run)
        values = [
            Value(fixed(known[n].value), interval(known[n])) if n in known else MISSING
            for n in held
        ]
        steps = f"{run.result['steps']:,}" if run.result.get("steps") else MISSING
        objective = str(run.result.get("objective") or run.job.get("objective", MISSING))
        numbers = [short(number(run.result, "scalars", name)) for name in scalars]
        rows.append(row(run.label, objective, steps, *values, *numbers))
    caption = "Training runs: held-out means with intervals"
    return Table(caption, columns("Run", *titles, texts=1), rows)


def held_out_table(means: Mapping[str, Estimate]) -> Table:
    """Return one run's held-out results for a terminal: a metric a row, with its meaning."""
    first = Column("held-out metric", text=True, width=26)
    head = [first, Column("mean"), Column("interval"), Column("what it is", text=True)]
    rows = [
        row(metric(name).title, fixed(one.value), interval(one), metric(name).meaning)
        for name, one in means.items()
    ]
    return Table("", head, rows)
