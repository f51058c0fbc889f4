"""Preference pairs as the rewardbench package reads them: two message lists a line."""

import json
from pathlib import Path
from typing import Any

from trueward.data import PairingReport, load_rows, to_messages, to_pairs
from trueward.errors import DataError
from trueward.types import Message

Pair = dict[str, list[Message]]


def read_pairs(source: str) -> tuple[list[Pair], PairingReport]:
    """`{"chosen": messages, "rejected": messages}` of each pair; texts become messages.

    The package calls the turns of a prompt user and assistant in alternation, whatever their
    roles, takes one response message, and knows no tools. Other conversations would be scored as
    something else, and are refused.

    Raises:
        DataError: no pairs there, or a conversation that the package would change.
    """
    pairs, report = to_pairs(load_rows(source))
    if "chosen" not in pairs.column_names:
        raise DataError(f"{source}: expected text or messages, got tokens; give the text itself")
    rows = to_messages(pairs)
    return [_pair(row, f"{source}, pair {i}") for i, row in enumerate(rows)], report


def write_pairs(pairs: list[Pair], file: Path) -> None:
    """One JSON object a line."""
    lines = (json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    file.write_text("".join(lines), encoding="utf-8")


def _pair(row: dict[str, Any], where: str) -> Pair:
    for field in ("tools", "chat_template_kwargs"):
        if row.get(field):
            raise DataError(f"{where}, field {field!r}: rewardbench cannot take it; leave it out")
    prompt = _turns(row["prompt"], where, "prompt")
    roles = [message["role"] for message in prompt]
    expected = [("user", "assistant")[i % 2] for i in range(len(roles))]
    if roles != expected or len(roles) % 2 == 0:
        raise DataError(
            f"{where}, field 'prompt': expected turns of user and assistant in alternation that "
            f"end with the user, got {', '.join(roles) or 'none'}; rewardbench takes no other"
        )
    return {side: prompt + _response(row[side], where, side) for side in ("chosen", "rejected")}


def _response(turns: list[Message], where: str, field: str) -> list[Message]:
    response = _turns(turns, where, field)
    roles = [message["role"] for message in response]
    if roles != ["assistant"]:
        raise DataError(
            f"{where}, field {field!r}: expected one message of the assistant, "
            f"got {', '.join(roles) or 'none'}; rewardbench takes no other"
        )
    return response


def _turns(turns: list[Message], where: str, field: str) -> list[Message]:
    for message in turns:
        if not isinstance(message["content"], str):
            raise DataError(
                f"{where}, field {field!r}: expected text as content, got "
                f"{type(message['content']).__name__}; rewardbench takes text only"
            )
    return [{"role": m["role"], "content": m["content"]} for m in turns]
