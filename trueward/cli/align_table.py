"""What `trueward align` shows a person."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Mapping[str, str] = {
    "step": "{}",
    "proxy": "{:.3f}",
    "gold": "{:.3f}",
    "distance": "{:.2f}",
    "kl_k1": "{:.2f}",
    "length": "{:.1f}",
    "entropy": "{:.3f}",
    "truncated": "{:.0%}",
    "norm": "{:.2f}",
    "norm_outside": "{:.0%}",
    "beta": "{:.3g}",
}


def show_run(console: "Console", document: Mapping[str, Any], folder: str) -> None:
    """The looks, the alarms, and where the policies are."""
    table = Table(*("√KL" if name == "distance" else name for name in COLUMNS))
    for point in document["points"]:
        table.add_row(*(_cell(point[name], form) for name, form in COLUMNS.items()))
    console.print(table)
    console.print(f"shaping  {_shaping(document['settings'])}", highlight=False)
    for alarm in document["alarms"]:
        console.print(f"alarm    {alarm['kind']}: {alarm['message']}", highlight=False)
    top = document["best"]
    console.print(f"best     step {top['step']} by {document['criterion']}: {folder}/best")
    console.print(f"last     {folder}/policy\nresults  {folder}/align.json", highlight=False)


def show_demo(console: "Console", document: Mapping[str, Any], folder: Path) -> None:
    """Gold along each objective's runs, and what that comes to."""
    table = Table(
        "objective", "seed", "gold start", "best", "last", "√KL last", "first alarm @ step"
    )
    for run in document["runs"]:
        alarm = min(run["alarms"], key=lambda a: a["step"], default=None)
        table.add_row(
            run["objective"],
            str(run["seed"]),
            *(f"{run[name]:.3f}" for name in ("gold_start", "gold_best", "gold_last")),
            f"{run['distance_last']:.2f}",
            f"{alarm['kind']} @ {alarm['step']}" if alarm else "none",
        )
    console.print(table)
    for line in document["verdict"]:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"results  {folder}/demo.json", highlight=False)


def _shaping(settings: Mapping[str, Any]) -> str:
    """What is on of it, in the order in which it is done."""
    s = settings["shaping"]
    ensemble = f"{s['ensemble']} of {len(settings['reward_models'])}"
    if s["ensemble"] == "uncertainty":
        ensemble += f", λ {s['penalty']:g}"
    steps = {
        "center": s["center"],
        ensemble: len(settings["reward_models"]) > 1,
        "normalize": s["normalize"],
        f"clip {s['clip']}": s["clip"] is not None,
        f"β adapted to {s['kl_target']} nats": s["kl_target"] is not None,
    }
    return "; ".join(name for name, on in steps.items() if on) or "none"


def _cell(value: Any, form: str) -> str:
    return "" if value is None else form.format(value)
