"""`trueward score`: rewards for your own rows."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trueward.cli import Outcome, progress, say
from trueward.cli.flags import add_scoring_flags, score_settings
from trueward.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from trueward.results import ScoreDocument

RESUMES = True
SUMMARY = "Add rewards to your own rows of prompts and responses."
EXAMPLE = "trueward score rm responses.jsonl -o rewards.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to score, with what, and where to."""
    parser.add_argument("model", help="folder or hub name of a reward model")
    parser.add_argument(
        "file",
        help="rows {prompt, response}, {prompt, responses} or {prompt, chosen, rejected}: "
        "JSONL, JSON, CSV, Parquet, a saved data set or a hub name",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="JSONL file to write, every field kept"
    )
    add_scoring_flags(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier output")


def run(args: argparse.Namespace) -> Outcome:
    """Score every row.

    Raises:
        InputError: the output is a folder, or as `score_rows` does.
    """
    from trueward.evaluate import score_rows
    from trueward.runs import facts_of

    if args.output.is_dir():
        raise InputError(f"{args.output} is a folder; name the JSONL file to write, with -o")
    settings, facts = score_settings(args), facts_of(args.command)
    with progress() as begin:
        scored = score_rows(
            args.model,
            args.file,
            args.output,
            settings,
            overwrite=args.overwrite,
            begin=begin,
            facts=facts,
        )
    lengths = scored.lengths

    def show(console: "Console") -> None:
        console.print(
            f"{scored.rows:,} rows, {lengths.responses:,} responses, {lengths.truncated:,} "
            f"truncated (longest {lengths.longest:,} tokens)",
            highlight=False,
        )
        say(console, f"rewards  {scored.path}")

    document: ScoreDocument = {
        "schema": "trueward.score/1",
        "output": str(scored.path),
        "rows": scored.rows,
        "responses": lengths.responses,
        "truncated": lengths.truncated,
        "longest": lengths.longest,
    }
    return Outcome(document, show)
