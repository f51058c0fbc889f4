"""The four scenarios are what they claim: shared and held-out prompts and sources do not mix."""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from datasets import Dataset

from trueward.errors import DataError
from trueward.types import Scenarios

Cell: TypeAlias = tuple[Any, Any]


def assert_disjoint(scenarios: Scenarios, *, cells: bool = True) -> None:
    """Assert that no scenario shares with training what it must hold out.

    - `prompt_disjoint`, `mutual_disjoint`: no prompt, by id or by content;
    - `response_disjoint`, `mutual_disjoint`: no source;
    - `in_domain`, `in_domain_pairs`, `similar_pairs`: no (prompt, source) cell;
    - all of them: no response that training shows for the same prompt.

    `cells=False` is for data in which a source answers a prompt several times: then the responses
    themselves must differ, not the cells.

    Raises:
        DataError: the first violation, by scenario, kind and value.
    """
    parts = {**scenarios.groups(), "in_domain_pairs": scenarios.in_domain_pairs}
    if scenarios.similar_pairs is not None:
        parts["similar_pairs"] = scenarios.similar_pairs
    rules = {kind: rule for kind, rule in _RULES.items() if cells or kind != _CELL}
    for kind, (members, names) in rules.items():
        seen = set(members(scenarios.train))
        for name in names or parts:
            if name not in parts:
                continue
            shared = next((member for member in members(parts[name]) if member in seen), None)
            if shared is not None:
                raise DataError(f"scenario {name!r} shares a {kind} with train: {shared!r:.80}")


def _prompt_ids(rows: Dataset) -> Iterator[Any]:
    yield from rows["prompt_id"]


def _prompts(rows: Dataset) -> Iterator[str]:
    yield from (json.dumps(prompt) for prompt in rows["prompt"])


def _sources(rows: Dataset) -> Iterator[Any]:
    yield from (source for _, source in _cells(rows))


def _cells(rows: Dataset) -> Iterator[Cell]:
    """(prompt_id, source) of every response."""
    for row in rows.select_columns([c for c in rows.column_names if c in _IDENTITY]):
        sources = (
            row["sources"] if "sources" in row else [row["chosen_source"], row["rejected_source"]]
        )
        yield from ((row["prompt_id"], source) for source in sources)


def _responses(rows: Dataset) -> Iterator[Cell]:
    """(prompt, response) of every response, by content."""
    for row in rows:
        responses = row["responses"] if "responses" in row else [row["chosen"], row["rejected"]]
        yield from ((json.dumps(row["prompt"]), json.dumps(response)) for response in responses)


_IDENTITY = ("prompt_id", "sources", "chosen_source", "rejected_source")
_NEW_PROMPTS = ("prompt_disjoint", "mutual_disjoint")
_NEW_SOURCES = ("response_disjoint", "mutual_disjoint")
_CELL = "prompt and source"
_NEW_CELLS = ("in_domain", "in_domain_pairs", "similar_pairs")

_RULES: dict[str, tuple[Callable[[Dataset], Iterator[Any]], tuple[str, ...]]] = {
    "prompt_id": (_prompt_ids, _NEW_PROMPTS),
    "prompt": (_prompts, _NEW_PROMPTS),
    "source": (_sources, _NEW_SOURCES),
    _CELL: (_cells, _NEW_CELLS),
    "prompt and response": (_responses, ()),
}
"""What must not be shared, how to list it, and the scenarios concerned (none: all)."""
