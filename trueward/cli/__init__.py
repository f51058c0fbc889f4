"""The `trueward` command: a verb a file, heavy imports inside the verb."""

import argparse
import json
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from trueward.errors import InputError, TruewardError

if TYPE_CHECKING:
    from trueward.cli.outcome import Outcome

VERBS = ("train", "study", "objectives", "goldworld")
"""In the order in which one uses them."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with every verb's summary; a verb adds its own flags when it is chosen."""
    parser = argparse.ArgumentParser(
        prog="trueward",
        description="Train, prove, compare and serve robust reward models.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit codes: 0 done, 1 failed, 2 bad input.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs, in the order of use")
    for name in VERBS:
        verb = _module(name)
        sub = verbs.add_parser(
            name,
            help=f"{verb.SUMMARY}  e.g. {verb.EXAMPLE}",
            description=verb.SUMMARY,
            epilog=f"example:\n  {verb.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.add_arguments(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def _module(name: str) -> ModuleType:
    return import_module(f"trueward.cli.{name}")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.version:
        from trueward import __version__

        sys.stdout.write(f"trueward {__version__}\n")
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    try:
        outcome: Outcome = _module(args.verb).run(args)
    except TruewardError as error:
        sys.stderr.write(f"trueward {args.verb}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"trueward {args.verb}: interrupted; the same command resumes\n")
        return 130
    _print(outcome, as_json=args.json)
    return 0


def _print(outcome: "Outcome", *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(outcome.document, indent=2, ensure_ascii=False) + "\n")
        return
    from rich.console import Console

    outcome.show(Console())


__all__ = ["InputError", "build_parser", "main"]
