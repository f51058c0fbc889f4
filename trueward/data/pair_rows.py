"""One row that is a pair already: text, messages, a transcript, or token ids."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from trueward.data.columns import PAIR_NUMBERS, TEMPLATE_COLUMNS
from trueward.data.messages import (
    as_messages,
    checked_turns,
    described,
    is_transcript,
    parse_transcript,
    split_shared_text,
    split_shared_turns,
    without_nulls,
)
from trueward.data.rule import PairRule
from trueward.errors import DataError
from trueward.types import Turns

Row: TypeAlias = Mapping[str, Any]
PairOrReason: TypeAlias = dict[str, Any] | str
"""The pair's columns, or the reason why it is left out."""
RowReader: TypeAlias = Callable[[Row, Mapping[str, str], PairRule, str], PairOrReason]
"""(row, role to column, rule, where) to a pair or a reason."""

IDENTITY = ("prompt_id", "chosen_source", "rejected_source")
SCORES = ("chosen_score", "rejected_score")
_RANGES = {"target": (0.0, 1.0), "weight": (0.0, math.inf)}


def read_text_pair(row: Row, roles: Mapping[str, str], rule: PairRule, where: str) -> PairOrReason:
    """Text or messages, with or without a prompt column."""
    sides = {}
    for role in ("prompt", "chosen", "rejected"):
        if role in roles:
            if row[roles[role]] is None:
                return f"rows with null {role}"
            sides[role] = checked_turns(row[roles[role]], f"{where}, field {roles[role]!r}")
    if sides["chosen"] == sides["rejected"]:
        return "rows with identical responses"
    return _with_carried(_named(_aligned(**sides)), row, roles, rule, where)


def read_transcript_pair(
    row: Row, roles: Mapping[str, str], rule: PairRule, where: str
) -> PairOrReason:
    """Two hh-rlhf transcripts; the leading turns they share are the prompt."""
    chosen, rejected = row[roles["chosen"]], row[roles["rejected"]]
    if not is_transcript(chosen) or not is_transcript(rejected):
        return "rows that are not transcripts"
    sides = (parse_transcript(chosen), parse_transcript(rejected))
    if sides[0] == sides[1]:
        return "rows with identical responses"
    if any(side[-1]["role"] != "assistant" for side in sides):
        return "rows that do not end on the assistant's turn"
    return _with_carried(_named(split_shared_turns(*sides)), row, roles, rule, where)


def read_tokenized_pair(
    row: Row, roles: Mapping[str, str], rule: PairRule, where: str
) -> PairOrReason:
    """Token ids of both sides; ids under a zero of the attention mask are padding and go."""
    pair: dict[str, Any] = {}
    for side in ("chosen", "rejected"):
        column = roles[side]
        ids, mask = row[column], row.get(column.replace("input_ids", "attention_mask"))
        if ids is None:
            return f"rows with null {side}"
        if not isinstance(ids, list) or not all(type(token) is int for token in ids):
            raise DataError(f"{where}, field {column!r}: expected token ids, got {described(ids)}")
        kept = [True] * len(ids) if mask is None or "input_ids" not in column else mask
        pair[f"{side}_ids"] = [token for token, keep in zip(ids, kept, strict=True) if keep]
        if not pair[f"{side}_ids"]:
            return f"rows with no {side} tokens"
    if pair["chosen_ids"] == pair["rejected_ids"]:
        return "rows with identical responses"
    return _with_carried(pair, row, roles, rule, where)


def _aligned(
    prompt: Turns | None = None, *, chosen: Turns, rejected: Turns
) -> tuple[Turns, Turns, Turns]:
    """All text or all messages, the prompt split off where it is implicit or repeated."""
    if isinstance(chosen, str) and isinstance(rejected, str) and isinstance(prompt, str | None):
        return split_shared_text(chosen, rejected) if prompt is None else (prompt, chosen, rejected)
    chosen, rejected = as_messages(chosen, "assistant"), as_messages(rejected, "assistant")
    if prompt is None:
        return split_shared_turns(chosen, rejected)
    prompt = as_messages(prompt, "user")
    if chosen[: len(prompt)] == prompt == rejected[: len(prompt)]:
        return prompt, chosen[len(prompt) :], rejected[len(prompt) :]
    return prompt, chosen, rejected


def _named(sides: tuple[Turns, Turns, Turns]) -> dict[str, Any]:
    return dict(zip(("prompt", "chosen", "rejected"), sides, strict=True))


def _with_carried(
    pair: dict[str, Any], row: Row, roles: Mapping[str, str], rule: PairRule, where: str
) -> PairOrReason:
    """Add what the row brings beside its responses, and what the rule makes of its scores."""
    for role in IDENTITY:
        if role in roles:
            pair[role] = row[roles[role]]
    pair |= {column: without_nulls(row[column]) for column in TEMPLATE_COLUMNS if column in row}
    numbers = {column: column for column in PAIR_NUMBERS if column in row}
    numbers |= {role: roles[role] for role in SCORES if role in roles}
    for role, column in numbers.items():
        pair[role] = checked_number(row[column], role, f"{where}, field {column!r}")
        if math.isnan(pair[role]) and (role in PAIR_NUMBERS or rule.needs_scores):
            return f"rows with null {role}"
    if not rule.needs_scores:
        return pair
    gap = pair["chosen_score"] - pair["rejected_score"]
    if rule.min_gap > 0 and gap <= rule.min_gap:
        return rule.gap_too_small
    return pair | rule.columns(gap)


def checked_number(value: Any, role: str, where: str) -> float:
    """`value` as a float; null is NaN.

    Raises:
        DataError: it is no number, or out of the role's range.
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{where}: expected a number, got {described(value)}")
    low, high = _RANGES.get(role, (-math.inf, math.inf))
    if value < low or value > high or math.isinf(value):
        raise DataError(f"{where}: expected a finite {role} in [{low:g}, {high:g}], got {value:g}")
    return float(value)
