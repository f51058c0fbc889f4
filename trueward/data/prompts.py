"""Rows that hold several responses to a prompt, with their scores."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from datasets import Dataset

from trueward.data.forms import TEMPLATE_COLUMNS, Form, checked_number, resolve
from trueward.data.messages import (
    as_messages,
    checked_turns,
    described,
    without_nulls,
)
from trueward.data.store import dataset_from_rows
from trueward.errors import DataError
from trueward.types import Prompt, Row

NULL_PROMPT = "rows with null prompt"
NULL_RESPONSE = "null responses"
NULL_SCORE = "responses with null score"


def _list_prompts(
    rows: Iterable[tuple[int, Row]], form: Form, left_out: Counter[str], name: str
) -> Iterator[Prompt]:
    """Read rows that hold a list of responses: plain lists side by side, or a list of mappings.

    Without scores or ranks the list is taken as ranked, best first. A rank k is the score −k.
    """
    roles = form.roles
    for number, row in rows:
        where = f"{name}: row {number}"
        if row[roles["prompt"]] is None:
            left_out[NULL_PROMPT] += 1
            continue
        prompt = checked_turns(row[roles["prompt"]], f"{where}, field {roles['prompt']!r}")
        prompt_id = row[roles["prompt_id"]] if "prompt_id" in roles else number
        entries = _entries(row, form, where)
        yield _with_responses(
            Prompt(prompt_id, prompt, (), extras=_extras(row), where=where),
            entries,
            roles["responses"],
            left_out,
        )


def _gather_prompts(
    rows: Iterable[tuple[int, Row]], form: Form, left_out: Counter[str], name: str
) -> Iterator[Prompt]:
    """Gather rows that hold one response each, by `prompt_id` or else by the prompt itself."""
    roles = form.roles
    score = "score" if "score" in roles else "rank"
    gathered: dict[Any, tuple[Row, list[Row]]] = {}
    for number, row in rows:
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
        prompt_id = key if "prompt_id" in roles else number
        yield _with_responses(
            Prompt(prompt_id, prompt, (), extras=_extras(row), where=name),
            entries,
            roles["response"],
            left_out,
        )


def in_messages(prompt: Prompt) -> Prompt:
    """Return the prompt with text made messages, of the user and the assistant."""
    responses = tuple(as_messages(response, "assistant") for response in prompt.responses)
    return replace(prompt, prompt=as_messages(prompt.prompt, "user"), responses=responses)


def to_messages(rows: Dataset) -> Dataset:
    """Make text messages: `prompt` the user's turn; `chosen`, `rejected`, `responses` the answer.

    For data whose prompt and response are separate texts (an instruction and an output), which
    would otherwise be joined without a mark between them. Messages stay as they are.
    """
    return dataset_from_rows([_conversation(row) for row in rows], "conversation")


def _conversation(row: Row) -> Row:
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    changed: dict[str, object] = {
        column: as_messages(row[column], role) for column, role in roles.items() if column in row
    }
    if "responses" in row:
        changed["responses"] = [as_messages(turns, "assistant") for turns in row["responses"]]
    return {**row, **changed}


def _entries(row: Row, form: Form, where: str) -> list[Row]:
    """Return one mapping a response, with the keys response, source, and score or rank."""
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
        {
            "rank": position + 1,
            **{role: values[position] for role, values in lists.items()},
            **_named_keys(item, form, where),
        }
        for position, item in enumerate(items)
    ]


def _named_keys(item: Any, form: Form, where: str) -> Row:
    """Return the value of each role in a nested response; any other is the response itself."""
    if not isinstance(item, dict) or "role" in item:
        return {"response": item}
    keys = resolve(item, form.nested, where)
    if "response" not in keys:
        raise DataError(
            f"{where}, field {form.roles['responses']!r}: no response among {list(item)}"
        )
    return {
        role: item[keys[role]] for role in ("response", "source", "score", "rank") if role in keys
    }


def _with_responses(
    bare: Prompt, entries: Sequence[Row], column: str, left_out: Counter[str]
) -> Prompt:
    """Add the responses that have text and score; all text, or all messages where any is."""
    scored = []
    for entry in entries:
        at = f"{bare.where}: row {entry['row']}" if "row" in entry else bare.where
        kind = "score" if "score" in entry else "rank"
        score = checked_number(entry[kind], "score", f"{at}, {kind}")
        if entry["response"] is None or math.isnan(score):
            left_out[NULL_RESPONSE if entry["response"] is None else NULL_SCORE] += 1
            continue
        turns = checked_turns(entry["response"], f"{at}, field {column!r}")
        source = entry.get("source")
        signed = score if kind == "score" else -score
        scored.append((turns, signed, None if source is None else str(source)))
    responses, scores, sources = zip(*scored, strict=True) if scored else ((), (), ())
    prompt = replace(bare, responses=responses, scores=scores, sources=sources)
    is_text = all(isinstance(turns, str) for turns in (prompt.prompt, *responses))
    return prompt if is_text else in_messages(prompt)


def _extras(row: Row) -> Row:
    carried = [column for column in (*TEMPLATE_COLUMNS, "weight") if row.get(column) is not None]
    return {column: without_nulls(row[column]) for column in carried}


PromptReader: TypeAlias = Callable[
    [Iterable[tuple[int, Row]], Form, Counter[str], str], Iterator[Prompt]
]
PROMPT_READERS: Mapping[str, PromptReader] = {
    "response lists": _list_prompts,
    "one response a row": _gather_prompts,
}
"""Readers of numbered rows that hold several responses to a prompt, by the kind of form."""
