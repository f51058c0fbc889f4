"""`trueward objectives`: the table of objectives, or one of them explained."""

import argparse
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trueward.cli import Outcome

if TYPE_CHECKING:
    from trueward.objectives import Parameter, PartDescription

SUMMARY = "list the objectives, or explain one"
EXAMPLE = "trueward objectives aplot"

NOTATION = (
    "Δ = r⁺ − r⁻, the reward of the chosen less that of the rejected response; Δ′ = Δ − m, with m "
    "the margin; ℓ(x) = −log σ(x); h, hidden states; b, pairs in the batch; sg, no gradient; "
    "mean, over the batch. +name: needs that too (margin and target are columns of the data, "
    "foreign is the reward of a chosen response under another prompt)."
)
GRAMMAR = (
    "Join one preference loss (bt if none is named), at most one margin and any penalties with +:  "
    '--objective "aplot(omega=0.8) + bsr(weight=1e-3)"'
)
_HEADINGS = {
    "preference": "Preference losses: how the gap becomes a loss",
    "margin": "Margins: how far ahead the chosen response must be",
    "penalty": "Penalties: added to the loss",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("name", nargs="?", help="explain this one; without it, print the table")


def run(args: argparse.Namespace) -> Outcome:
    """Describe every objective, or the one named."""
    from trueward.objectives import describe, describe_all

    if args.name is not None:
        one = describe(args.name)
        return Outcome(asdict(one), partial(_explain, one))
    parts = describe_all()
    document = {"notation": NOTATION, "objectives": [asdict(part) for part in parts]}
    return Outcome(document, partial(_list, parts))


def _list(parts: "tuple[PartDescription, ...]", console: Console) -> None:
    for kind, heading in _HEADINGS.items():
        table = Table(box=SIMPLE_HEAD, title=heading, title_justify="left", leading=1)
        table.add_column("name, defaults", min_width=16, no_wrap=True)
        table.add_column("equation · choose it when · paper", ratio=1)
        table.add_column("hidden\nstates?")
        table.add_column("batch-\nlevel?")
        for part in parts:
            if part.kind == kind:
                table.add_row(_name(part), _about(part), _hidden(part), _yes(part.batch_level))
        console.print(table)
    console.print(Text(NOTATION), style="dim")
    console.print(Text(GRAMMAR))
    console.print("Explain one: trueward objectives NAME")


def _explain(part: "PartDescription", console: Console) -> None:
    console.print(Text.assemble((part.name, "bold"), f"  ({part.kind})"))
    console.print(Text(part.summary))
    console.print(Text(f"\n    {part.equation}\n"), style="cyan")
    if part.details:
        console.print(Text(part.details), highlight=False)
        console.print()
    if part.parameters:
        console.print(_parameters(part.parameters))
    facts = Table.grid(padding=(0, 2))
    facts.add_row("needs", Text(", ".join(part.needs)) or "the two rewards alone")
    facts.add_row("batch-level", _yes(part.batch_level))
    facts.add_row("choose when", Text(part.choose_when))
    facts.add_row("paper", Text(part.paper))
    console.print(facts)
    console.print(Text(f"\n{NOTATION}"), style="dim")


def _parameters(parameters: "tuple[Parameter, ...]") -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("parameter", "type", "default", "meaning"):
        table.add_column(heading)
    for p in parameters:
        table.add_row(p.name, p.type, p.default or "required", Text(p.meaning))
    return table


def _name(part: "PartDescription") -> Text:
    defaults = "".join(f"\n  {p.name}={p.default or '?'}" for p in part.parameters)
    return Text.assemble((part.name, "bold"), (defaults, "dim"))


def _about(part: "PartDescription") -> Text:
    lines = ((part.equation, "cyan"), f"\n{part.choose_when}\n", (part.paper, "dim"))
    return Text.assemble(*lines)


def _hidden(part: "PartDescription") -> str:
    others = [need for need in part.needs if need != "hidden"]
    return "\n".join([_yes("hidden" in part.needs), *(f"+{need}" for need in others)])


def _yes(value: bool) -> str:
    return "yes" if value else "no"
