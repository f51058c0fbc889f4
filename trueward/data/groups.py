"""Several scored responses to one prompt: from a list in a row, or from one response a row."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from datasets import Dataset

from trueward.data.columns import TEMPLATE_COLUMNS, resolve
from trueward.data.forms import Form
from trueward.data.messages import as_messages, checked_turns, described, without_nulls
from trueward.data.pair_rows import Row, checked_number
from trueward.errors import DataError
from trueward.types import Turns

NULL_PROMPT = "rows with null prompt"
NULL_RESPONSE = "null responses"
NULL_SCORE = "responses with null score"


@dataclass(frozen=True)
class Response:
    """One response, its score and, where known, who wrote it."""

    turns: Turns
    score: float
    source: str | None = None


@dataclass(frozen=True)
class Group:
    """A prompt and its responses."""

    prompt: Turns
    prompt_id: int | str
    responses: tuple[Response, ...]
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the chat template, and the row's weight."""

    def as_messages(self) -> "Group":
        """The same with text made messages, of the user and the assistant."""
        responses = (
            replace(response, turns=as_messages(response.turns, "assistant"))
            for response in self.responses
        )
        return replace(self, prompt=as_messages(self.prompt, "user"), responses=tuple(responses))


def list_groups(rows: Dataset, form: Form, left_out: Counter[str], name: str) -> Iterator[Group]:
    """Read rows that hold a list of responses: plain lists side by side, or a list of mappings.

    Without scores or ranks the list is taken as ranked, best first. A rank k is the score −k.
    """
    roles = form.roles
    for number, row in enumerate(rows):
        where = f"{name}: row {number}"
        if row[roles["prompt"]] is None:
            left_out[NULL_PROMPT] += 1
            continue
        prompt = checked_turns(row[roles["prompt"]], f"{where}, field {roles['prompt']!r}")
        entries = _entries(row, form, where)
        responses = _responses(entries, roles["responses"], left_out, where)
        prompt_id = row[roles["prompt_id"]] if "prompt_id" in roles else number
        yield _group(prompt, prompt_id, responses, row)


def row_groups(rows: Dataset, form: Form, left_out: Counter[str], name: str) -> Iterator[Group]:
    """Gather rows that hold one response each, by `prompt_id` or else by the prompt itself."""
    roles = form.roles
    score = "score" if "score" in roles else "rank"
    gathered: dict[Any, tuple[Row, list[dict[str, Any]]]] = {}
    for number, row in enumerate(rows):
        if row[roles["prompt"]] is None:
            left_out[NULL_PROMPT] += 1
            continue
        key = row[roles["prompt_id"]] if "prompt_id" in roles else repr(row[roles["prompt"]])
        first, entries = gathered.setdefault(key, (row, []))
        if first[roles["prompt"]] != row[roles["prompt"]]:
            raise DataError(f"{name}: row {number}: prompt_id {key!r} has two different prompts")
        entry = {role: row[roles[role]] for role in ("response", "source", score) if role in roles}
        entries.append(entry | {"row": number})
    for number, (key, (row, entries)) in enumerate(gathered.items()):
        at = f"{name}: row {entries[0]['row']}, field {roles['prompt']!r}"
        prompt = checked_turns(row[roles["prompt"]], at)
        responses = _responses(entries, roles["response"], left_out, name)
        yield _group(prompt, key if "prompt_id" in roles else number, responses, row)


def _entries(row: Row, form: Form, where: str) -> list[dict[str, Any]]:
    """One mapping a response, with the keys response, source, and score or rank."""
    roles, column = form.roles, form.roles["responses"]
    items = row[column] or []
    if not isinstance(items, list):
        raise DataError(f"{where}, field {column!r}: expected a list, got {described(items)}")
    lists = {
        role: row[roles[f"{role}s"]]
        for role in ("score", "rank", "source")
        if f"{role}s" in roles and row[roles[f"{role}s"]] is not None
    }
    for role, values in lists.items():
        if not isinstance(values, list) or len(values) != len(items):
            raise DataError(
                f"{where}, field {roles[f'{role}s']!r}: expected a list of {len(items)}, "
                f"one for each of {column!r}, got {described(values)}"
            )
    return [
        {"rank": position + 1}
        | {role: values[position] for role, values in lists.items()}
        | _named_keys(item, form, where)
        for position, item in enumerate(items)
    ]


def _named_keys(item: Any, form: Form, where: str) -> dict[str, Any]:
    """The role and value of each known key of a nested response; a bare response as it is."""
    if not isinstance(item, dict) or "role" in item:
        return {"response": item}
    found = resolve(item, form.nested, where)
    if "response" not in found:
        raise DataError(
            f"{where}, field {form.roles['responses']!r}: no response among {list(item)}"
        )
    return {
        role: item[found[role]] for role in ("response", "source", "score", "rank") if role in found
    }


def _responses(
    entries: Sequence[Mapping[str, Any]], column: str, left_out: Counter[str], where: str
) -> list[Response]:
    found = []
    for entry in entries:
        at = f"{where}: row {entry['row']}" if "row" in entry else where
        by_score = "score" in entry
        value = entry["score"] if by_score else entry["rank"]
        score = checked_number(value, "score", f"{at}, {'score' if by_score else 'rank'}")
        if entry["response"] is None or math.isnan(score):
            left_out[NULL_RESPONSE if entry["response"] is None else NULL_SCORE] += 1
            continue
        turns = checked_turns(entry["response"], f"{at}, field {column!r}")
        source = entry.get("source")
        found.append(
            Response(turns, score if by_score else -score, None if source is None else str(source))
        )
    return found


def _group(prompt: Turns, prompt_id: Any, responses: list[Response], row: Row) -> Group:
    """All text, or all messages where anything is messages."""
    carried = [column for column in (*TEMPLATE_COLUMNS, "weight") if row.get(column) is not None]
    extras = {column: without_nulls(row[column]) for column in carried}
    group = Group(prompt, prompt_id, tuple(responses), extras)
    mixed = isinstance(prompt, list) or any(isinstance(r.turns, list) for r in responses)
    return group.as_messages() if mixed else group


GROUP_READERS: Mapping[str, Callable[[Dataset, Form, Counter[str], str], Iterator[Group]]] = {
    "response lists": list_groups,
    "one response a row": row_groups,
}
"""Readers by the kind of form."""
