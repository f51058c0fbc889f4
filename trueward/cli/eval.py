"""`trueward eval`: reward models, or files of scores, side by side on benchmark suites."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueward.cli.eval_input import check, tasks_of, without_seen
from trueward.cli.outcome import Outcome
from trueward.cli.scoring import add_scoring_flags, labelled, progress, settings_of

if TYPE_CHECKING:
    from rich.console import Console

    from trueward.evaluate import Evaluated, Exposure, Task
    from trueward.suites import SuiteDifference, SuiteResult

RESUMES = True
"""Whether an interrupted run goes on when the verb is given again."""
SUMMARY = "Judge reward models on benchmark suites, with intervals, and compare them."
EXAMPLE = "trueward eval rm org/other-rm --suite judgebench --suite rm-bench -o runs/eval"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to judge, on what, and where results go."""
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="folders or hub names, or NAME=PATH"
    )
    parser.add_argument(
        "--suite", action="append", default=[], help="what to judge on; see trueward suites"
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[SUITE=]PATH",
        help="the suite's data: file, folder or hub name (the suite's own hub table)",
    )
    parser.add_argument(
        "--scores",
        nargs="+",
        default=[],
        metavar="FILE",
        help="files of {id, scores} rows beside or instead of models, or NAME=FILE",
    )
    parser.add_argument(
        "-o", "--output_dir", type=Path, default=Path("runs/eval"), help="results (runs/eval)"
    )
    parser.add_argument("--limit", type=int, help="only the first N items of each subset")
    parser.add_argument(
        "--train_data",
        action="append",
        default=[],
        metavar="FILE|RUN",
        help="training data, or a run's folder, to look for the suites' prompts in",
    )
    parser.add_argument(
        "--exclude_contaminated", action="store_true", help="leave out what training saw"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    add_scoring_flags(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Score what is missing, judge, compare."""
    from trueward.evaluate import compare_models, evaluate, exposures, known_prompts
    from trueward.runs import environment

    models = labelled(args.models, "models")
    files = labelled(args.scores, "score files")
    check(args, models, files)
    tasks = tasks_of(args)
    known, notices = known_prompts(models.values(), args.train_data)
    seen = exposures(tasks, known)
    if args.exclude_contaminated:
        tasks = without_seen(tasks, seen)
    settings = settings_of(args)
    facts = {"command": args.command, "environment": environment()}
    with progress() as begin:
        done = evaluate(
            models,
            files,
            tasks,
            settings,
            args.output_dir,
            facts=facts,
            overwrite=args.overwrite,
            begin=begin,
        )
    results: dict[str, list[SuiteResult]] = {}
    for one in done:
        results.setdefault(one.label, []).append(one.result)
    compared = compare_models(results)
    notices += compared.left_out

    def show(console: "Console") -> None:
        _show(console, tasks, results, compared.differences)
        for line in (*_counts(done), *map(_exposed, seen), *notices):
            console.print(line, highlight=False)
        console.print(f"results  {args.output_dir}", highlight=False, soft_wrap=True)

    document = {
        "schema": "trueward.eval/1",
        "results": [_entry(one) for one in done],
        "differences": [asdict(one) for one in compared.differences],
        "contamination": [one.document() for one in seen],
        "notices": notices,
    }
    return Outcome(document, show)


def _entry(one: "Evaluated") -> dict[str, Any]:
    result = one.result.to_dict()
    kept = ("suite", "primary", "parts", "missing", "extras", "draws", "confidence")
    return {
        "model": one.label,
        **{name: result[name] for name in kept},
        "limit": one.task.limit,
        "excluded": one.task.excluded,
        "truncated": one.truncated,
        "file": str(one.path),
    }


def _show(
    console: "Console",
    tasks: "Sequence[Task]",
    results: "Mapping[str, Sequence[SuiteResult]]",
    differences: "Sequence[SuiteDifference]",
) -> None:
    from rich.text import Text

    from trueward.report import (
        DIFFERENCE_NOTE,
        SUITE_NOTE,
        difference_table,
        suite_table,
        verdict,
    )

    for place, task in enumerate(tasks):
        about = Text.assemble((task.suite.name, "bold"), f": {task.suite.measures}")
        console.print(about.append(f" ({task.partial})" if task.partial else "", style="red"))
        console.print(suite_table([rows[place] for rows in results.values()]))
    console.print(SUITE_NOTE, style="dim", highlight=False)
    if differences:
        console.print(difference_table(results, differences))
        console.print(DIFFERENCE_NOTE, style="dim", highlight=False)
        for line in verdict(differences):
            console.print(line, highlight=False)


def _counts(done: "Sequence[Evaluated]") -> list[str]:
    return [
        f"{one.label} on {one.task.stem}: {one.truncated:,} responses truncated"
        for one in done
        if one.truncated
    ]


def _exposed(one: "Exposure") -> str:
    exact, near = (one.found.kinds.count(kind) for kind in ("exact", "near"))
    return (
        f"contamination  {one.source}: {exact} of {len(one.found.kinds)} items of "
        f"{one.task.stem} exact, " + (f"{near} near" if one.near_checked else "near not checked")
    )
