"""`trueward export`: a checkpoint in the form that another program reads."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from trueward.cli import Outcome, say
from trueward.cli.flags import add_fields
from trueward.settings import ScoreSettings

if TYPE_CHECKING:
    from trueward.export import Exported

SUMMARY = "Write a checkpoint in the form that another program reads."
EXAMPLE = "trueward export runs/mine --for rewardbench -o exported"
TARGETS = ("rewardbench",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument(
        "checkpoint", help="a reward model or an adapter of one: folder or hub name"
    )
    parser.add_argument("--for", dest="target", choices=TARGETS, required=True, help="the program")
    parser.add_argument("-o", "--output_dir", type=Path, required=True, help="where to write")
    parser.add_argument(
        "--data", help="preference pairs to convert as well: file, folder or hub name"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    add_fields(parser, ScoreSettings, "model_revision", "trust_remote_code")


def run(args: argparse.Namespace) -> Outcome:
    """Export the checkpoint.

    Raises:
        InputError: there is no such reward model, or the output is taken.
    """
    from trueward.export import export_for_rewardbench

    exported = export_for_rewardbench(
        args.checkpoint,
        args.output_dir,
        data=args.data,
        overwrite=args.overwrite,
        revision=args.model_revision,
        trust_remote_code=args.trust_remote_code,
    )
    document = {
        "output_dir": str(exported.folder),
        "for": args.target,
        "changes": list(exported.changes),
        "pairs": exported.pairs,
        "command": exported.command,
    }
    return Outcome(document, partial(_show, exported))


def _show(exported: "Exported", console: Console) -> None:
    console.print(f"Wrote {exported.folder}:")
    for change in exported.changes:
        console.print(f"  {change}", highlight=False)
    console.print("Next, in the environment of that program:")
    say(console, f"  {exported.command}")
