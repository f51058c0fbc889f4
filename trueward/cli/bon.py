"""`trueward bon`: best-of-n curves of reward models, and best-of-n selection."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueward.cli import Outcome, progress, say
from trueward.cli.flags import (
    add_fields,
    add_scoring_flags,
    check_at_least,
    from_fields,
    labelled,
    score_settings,
)
from trueward.errors import InputError
from trueward.settings import SamplingSettings, ScoreSettings

if TYPE_CHECKING:
    from rich.console import Console

    from trueward.alignment import ResponseSource, ScoredPrompts
    from trueward.results import BestOfNDocument, SelectDocument

RESUMES = True
SUMMARY = "Best-of-n: gold against reward for every n, or each row's best response."
EXAMPLE = "trueward bon responses.jsonl --reward-model rm --n 1,4,16 -o runs/bon"
SAMPLING = ("samples", "max_new_tokens", "temperature")
"""Flags without effect unless a policy is sampled."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the source, the reward models, the sizes and where results go."""
    parser.add_argument(
        "file",
        nargs="?",
        help="rows {prompt, proxy: [..], gold: [..]}, or with --reward-model {prompt, responses, "
        "gold (optional)}, or with --policy {prompt}",
    )
    parser.add_argument("--n", help="sizes, such as 1,2,4 (powers of two up to the samples)")
    parser.add_argument(
        "--reward_model",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="folder or hub name; give several to compare them, the first is the baseline",
    )
    parser.add_argument(
        "-o", "--output_dir", type=Path, default=Path("runs/bon"), help="results (runs/bon)"
    )
    parser.add_argument(
        "--select", type=Path, metavar="OUT.jsonl", help="write the best response of each row"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    draw = parser.add_argument_group("sampling")
    draw.add_argument("--policy", metavar="PATH", help="causal language model to sample from")
    add_fields(draw, SamplingSettings)
    draw.add_argument(
        "--gold_world",
        action="store_true",
        help="gold of the embedded world; without a FILE also its prompts, without --policy also "
        "its writers' responses",
    )
    draw.add_argument("--prompts", type=int, default=150, help="prompts of the world (150)")
    add_scoring_flags(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Draw the curves of the reward models, or select each row's best response."""
    models = labelled(args.reward_model, "reward models")
    return _select(args, models) if args.select else _draw_curves(args, models)


def _select(args: argparse.Namespace, models: Mapping[str, str]) -> Outcome:
    _check_selection(args, models)
    from trueward.alignment import select_rows

    (model,) = models.values()
    (n,) = _sizes(args) or (None,)
    settings = score_settings(args)
    with progress() as begin:
        done = select_rows(
            model, args.file, args.select, settings, n=n, overwrite=args.overwrite, begin=begin
        )

    def show(console: "Console") -> None:
        counts = f"{done.rows:,} rows, best of {done.lengths.responses:,} responses"
        say(console, f"{counts}, {done.lengths.truncated:,} truncated", f"selected  {done.path}")

    document: SelectDocument = {
        "schema": "trueward.select/1",
        "output": str(done.path),
        "rows": done.rows,
        "responses": done.lengths.responses,
        "truncated": done.lengths.truncated,
        "n": n,
    }
    return Outcome(document, show)


def _draw_curves(args: argparse.Namespace, models: Mapping[str, str]) -> Outcome:
    _check(args, models)
    from trueward.alignment import (
        best_of_n_curves,
        best_of_n_document,
        check_request,
        read_scores,
        write_document,
    )
    from trueward.runs import environment

    settings = score_settings(args)
    source = _source(args, settings)
    check_request(source, models, args.output_dir, settings)
    if models:
        scored, facts = _scored(args, source, models, settings)
    else:
        scored, facts = read_scores(args.file), {"source": args.file, "models": {}}
    result = best_of_n_curves(scored, _sizes(args), seed=args.seed)
    document = best_of_n_document(result, scored, {"seed": args.seed, **facts})
    document |= {"command": args.command, "environment": environment()}
    path = write_document(document, args.output_dir, overwrite=args.overwrite)
    return Outcome(document, lambda console: _show(console, document, path))


def _scored(
    args: argparse.Namespace,
    source: "ResponseSource",
    models: Mapping[str, str],
    settings: ScoreSettings,
) -> "tuple[ScoredPrompts, dict[str, Any]]":
    from trueward.alignment import judge_responses, response_rows

    args.output_dir.mkdir(parents=True, exist_ok=True)
    folder, overwrite = args.output_dir, args.overwrite
    with progress() as begin:
        rows = response_rows(source, folder, overwrite=overwrite, begin=begin)
        judged = judge_responses(rows, models, settings, folder, overwrite=overwrite, begin=begin)
    facts = {
        "source": rows,
        "models": dict(models),
        "policy": args.policy,
        "truncated": dict(judged.truncated),
        "cut": judged.cut,
    }
    return judged.scored, facts


def _show(console: "Console", document: "BestOfNDocument", path: Path) -> None:
    from trueward.report import Lines, best_of_n_sentences, best_of_n_tables, show

    settings: Any = document["settings"]
    lines = [*best_of_n_sentences(document), *document["notices"]]
    if cut := settings.get("cut", 0):
        lines.append(f"{cut:,} samples ended at --max_new_tokens")
    for label, count in settings.get("truncated", {}).items():
        if count:
            lines.append(f"{label}: {count:,} responses truncated")
    show(console, *best_of_n_tables(document), Lines(lines, ""))
    say(console, f"results  {path}")


def _sizes(args: argparse.Namespace) -> list[int] | None:
    try:
        return [int(word) for word in args.n.split(",")] if args.n else None
    except ValueError:
        raise InputError(
            f"--n {args.n!r}: expected whole numbers and commas, such as 1,2,4"
        ) from None


def _check(args: argparse.Namespace, models: Mapping[str, str]) -> None:
    """Raise InputError where flags do not go together, before anything is loaded."""
    sampled = bool(args.policy)
    embedded = args.gold_world and args.file is None
    if not models and (sampled or args.gold_world):
        raise InputError("--policy and --gold_world need a --reward_model to judge the responses")
    if args.file is None and not args.gold_world:
        raise InputError("no rows: name a FILE, or give --gold_world for the world's own prompts")
    idle = [name for name in SAMPLING if name in args.given and not sampled]
    if embedded:
        idle = [name for name in idle if name != "samples"]
    elif "prompts" in args.given:
        idle.append("prompts")
    if idle:
        raise InputError(f"--{idle[0]} has no effect here: nothing is sampled; leave it out")
    for path in (args.output_dir, *args.output_dir.parents):
        if path.exists() and not path.is_dir():
            raise InputError(
                f"-o {args.output_dir}: {path} is a file, not a folder; choose another -o"
            )
    check_at_least(1, args, "samples", "prompts")
    check_at_least(0, args, "seed")
    sizes = _sizes(args) or [1]
    if min(sizes) < 1:
        raise InputError(f"--n {args.n}: expected sizes of at least 1")
    if (sampled or embedded) and max(sizes) > args.samples:
        raise InputError(f"--n {args.n}: more than --samples {args.samples}; draw more")


def _check_selection(args: argparse.Namespace, models: Mapping[str, str]) -> None:
    if len(models) != 1 or args.file is None:
        raise InputError("--select: expected a FILE and one --reward_model")
    if args.policy or args.gold_world:
        raise InputError("--select: chooses among the responses of FILE; sample them first")
    if len(_sizes(args) or [1]) != 1:
        raise InputError(f"--n {args.n}: --select takes one size")


def _source(args: argparse.Namespace, scoring: ScoreSettings) -> "ResponseSource":
    from trueward.alignment import ResponseSource, Sampler, WorldSource

    sampler = None
    if args.policy:
        settings = from_fields(SamplingSettings, args, dtype=scoring.identity()["dtype"])
        sampler = Sampler(args.policy, settings, args.device, args.gold_world)
    world = WorldSource(args.prompts, args.samples, args.seed)
    return ResponseSource(args.file, sampler, args.gold_world, world)
