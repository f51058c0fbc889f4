"""Prompts to train on, and others to watch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from datasets import Dataset

from trueward.alignment.rl.reward_function import REFERENCE
from trueward.data import load_rows
from trueward.data.messages import checked_turns
from trueward.errors import DataError
from trueward.types import Turns


@dataclass(frozen=True)
class Prompts:
    """Training rows with `prompt` (and `reference`, where the file has it), and watched prompts."""

    train: Dataset
    watched: list[Turns]
    left_out: int
    """Rows whose prompt is watched, or came before; they are not trained on twice."""


def read_prompts(source: str, *, watch: int, seed: int, references: bool = False) -> Prompts:
    """Split rows `{prompt, reference (optional)}` into prompts to train on and to watch.

    Raises:
        DataError: a row without a prompt, text and messages mixed, too few different prompts, or
            with `references` a row to train on that has none.
    """
    rows: dict[str, tuple[int, dict[str, Turns]]] = {}
    data = load_rows(source)
    for number, row in enumerate(data):
        kept = _row(row, f"{source}: row {number}")
        rows.setdefault(repr(kept["prompt"]), (number, kept))
    if len({isinstance(row["prompt"], str) for _, row in rows.values()}) > 1:
        raise DataError(f"{source}: some prompts are text and some messages; give one kind")
    if len(rows) <= watch:
        raise DataError(
            f"{source}: expected more than the {watch} watched prompts, got {len(rows)} different "
            "ones; add prompts, or watch fewer"
        )
    drawn = list(rows.values())
    Random(f"watch/{seed}").shuffle(drawn)
    watched, train = drawn[:watch], drawn[watch:]
    if references:
        _check_references(train, source)
    kept_rows = Dataset.from_list([row for _, row in train])
    return Prompts(kept_rows, [row["prompt"] for _, row in watched], len(data) - len(rows))


def _check_references(rows: Sequence[tuple[int, Mapping[str, Turns]]], source: str) -> None:
    missing = [number for number, row in rows if not row.get(REFERENCE)]
    if missing:
        raise DataError(
            f"{source}: row {min(missing)}: centring needs a field {REFERENCE!r} with an answer, "
            f"and {len(missing)} of {len(rows)} rows to train on have none; add it, or leave "
            "centring off"
        )


def _row(row: dict[str, object], where: str) -> dict[str, Turns]:
    if row.get("prompt") in (None, "", []):
        raise DataError(f"{where}: expected a field 'prompt', got {', '.join(row) or 'nothing'}")
    names = [n for n in ("prompt", REFERENCE) if row.get(n) is not None]
    return {name: checked_turns(row[name], f"{where}, field {name!r}") for name in names}
