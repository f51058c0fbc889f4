"""`trueward suites`: the benchmark suites that `trueward eval` knows."""

import argparse
from typing import TYPE_CHECKING

from trueward.cli import Outcome

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY = "List the benchmark suites: what each measures, whose data, which licence."
EXAMPLE = "trueward suites"
FACTS = ("name", "measures", "primary", "tie_rule", "local_format", "citation", "origin", "licence")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: there are no flags."""


def run(args: argparse.Namespace) -> Outcome:
    """Describe every suite."""
    from trueward.report import show, suite_list
    from trueward.suites import SUITES

    described = [
        {fact: getattr(one, fact) for fact in FACTS}
        | {"hub": [{"name": table.hub, "split": table.split} for table in one.tables]}
        for one in SUITES
    ]

    def present(console: "Console") -> None:
        show(console, suite_list(SUITES))
        console.print("Data stays where it is: mind each licence. Formats: docs/suites.md")
        console.print("next     trueward eval MODEL --suite NAME")

    return Outcome({"suites": described}, present)
