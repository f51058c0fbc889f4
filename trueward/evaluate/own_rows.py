"""The user's own rows: prompts, responses, and the columns that rewards go to."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.data import load_rows
from trueward.data.files import check_depth
from trueward.data.messages import check_text, checked_turns, described
from trueward.errors import DataError
from trueward.types import Turns

FORMS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("response",): ("reward",),
    ("responses",): ("rewards",),
    ("chosen", "rejected"): ("chosen_reward", "rejected_reward"),
}
"""Columns with responses, and the columns that take their rewards."""


@dataclass(frozen=True)
class OwnRow:
    """One row, understood."""

    fields: Mapping[str, Any]
    """All of it, as it came."""
    name: str
    """For messages: file and row."""
    prompt: Turns
    responses: list[Turns]
    takes: tuple[str, ...]
    """The columns for the rewards."""

    def with_rewards(self, rewards: Sequence[float]) -> dict[str, Any]:
        """The row with its rewards, in logits."""
        values = [list(rewards)] if self.takes == ("rewards",) else rewards
        return {**self.fields, **dict(zip(self.takes, values, strict=True))}


def own_rows(source: str) -> Iterator[OwnRow]:
    """The rows of a file, folder or hub name that `load_rows` reads; JSONL line by line.

    Raises:
        DataError: naming the row and the field that is not what it must be.
    """
    for number, fields in enumerate(raw_rows(source)):
        yield _understood(fields, f"{source}: row {number}")


def raw_rows(source: str) -> Iterator[Mapping[str, Any]]:
    """Rows as they are, whatever their fields. Raises as `own_rows`."""
    yield from _lines(source) if _is_jsonl(source) else load_rows(source)


def _understood(fields: Mapping[str, Any], name: str) -> OwnRow:
    form = next((f for f in FORMS if all(fields.get(c) is not None for c in f)), None)
    if form is None or fields.get("prompt") is None:
        raise DataError(
            f"{name}: expected prompt with response, responses, or chosen and rejected; got "
            f"{', '.join(k for k, v in fields.items() if v is not None) or 'nothing'}"
        )
    for column in FORMS[form]:
        if column in fields:
            raise DataError(f"{name}: field {column!r} is there already; rename it, for the reward")
    responses = fields["responses"] if form == ("responses",) else [fields[c] for c in form]
    if not isinstance(responses, list) or not responses:
        raise DataError(
            f"{name}, field 'responses': expected a list of at least one response, got "
            f"{described(responses)}"
        )
    for column, value in fields.items():  # what is only kept is written too
        check_text([column, value], f"{name}, field {column!r}")
    columns = form * len(responses) if form == ("responses",) else form
    turns = [
        checked_turns(response, f"{name}, field {column!r}")
        for column, response in zip(columns, responses, strict=True)
    ]
    prompt = checked_turns(fields["prompt"], f"{name}, field 'prompt'")
    return OwnRow(fields, name, prompt, turns, FORMS[form])


def _is_jsonl(source: str) -> bool:
    return Path(source).is_file() and source.lower().removesuffix(".gz").endswith(".jsonl")


def _lines(source: str) -> Iterator[dict[str, Any]]:
    """Rows one by one, from bytes: a text stream would meet a bad byte before its row."""
    opened = gzip.open if source.lower().endswith(".gz") else open
    number = 0
    try:
        with opened(source, "rb") as stream:
            for line in stream:
                text = _text(line, f"{source}: row {number}", first=number == 0)
                if text.strip():
                    yield _row(text, f"{source}: row {number}")
                    number += 1
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{source}: row {number} cannot be read ({error}); mend the file"
        ) from error
    if number == 0:
        raise DataError(f"{source}: no rows; expected at least one")


def _text(line: bytes, where: str, *, first: bool) -> str:
    try:
        return line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "save the file as UTF-8"
        ) from error


def _row(text: str, where: str) -> dict[str, Any]:
    check_depth(text, where)
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where} is not valid JSON ({error.msg}); expected one object a line"
        ) from error
    except ValueError as error:  # too long a whole number
        raise DataError(f"{where} cannot be read ({error}); mend the file") from error
    return _object(row, where)


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object with named fields, got {described(row)}")
    return row
