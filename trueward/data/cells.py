"""Clean prompt × source data for splitting: one group a prompt, no response twice."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from datasets import Dataset

from trueward.data.forms import recognise
from trueward.data.groups import GROUP_READERS, Group, Response
from trueward.errors import DataError, nearest

NULL_SOURCE = "responses with null source"
DUPLICATE = "responses that repeat another to the same prompt"


def read_cells(
    rows: Dataset,
    columns: Mapping[str, str] | None,
    excluded: Collection[str],
    left_out: Counter[str],
    name: str,
) -> list[Group]:
    """One group a distinct prompt, without excluded sources and repeated responses.

    Prompts equal in content are one prompt, under the first id.

    Raises:
        DataError: no prompt, response, score or source column, or an unknown excluded source.
    """
    form = recognise(rows, columns, name)
    if form.kind not in GROUP_READERS:
        raise DataError(
            f"{name}: a scenario split needs scored responses with a source each (prompt, "
            "response, generator and score a row, or lists of them); found "
            f"{form.kind}: {', '.join(rows.column_names)}"
        )
    merged: dict[str, Group] = {}
    for group in GROUP_READERS[form.kind](rows, form, left_out, name):
        key = json.dumps(group.prompt)
        earlier = merged[key].responses if key in merged else ()
        merged[key] = replace(merged.get(key, group), responses=earlier + group.responses)
    ids = Counter(group.prompt_id for group in merged.values())
    repeated = next((prompt_id for prompt_id, count in ids.items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{name}: prompt_id {repeated!r} has two different prompts")
    sources = {r.source for g in merged.values() for r in g.responses if r.source is not None}
    if not sources:
        raise DataError(
            f"{name}: no response has a source; expected a column generator, model or source; "
            f"found {', '.join(rows.column_names)}"
        )
    check_sources(excluded, sources, name)
    return [
        replace(group, responses=_clean(group.responses, excluded, left_out))
        for group in merged.values()
    ]


def check_sources(asked: Collection[str], present: Collection[str], name: str) -> None:
    """Refuse a source that the data does not hold."""
    for source in asked:
        if source not in present:
            raise DataError(f"{name}: no source {source!r}; {nearest(source, sorted(present))}")


def _clean(
    responses: tuple[Response, ...], excluded: Collection[str], left_out: Counter[str]
) -> tuple[Response, ...]:
    kept: dict[str, Response] = {}
    for response in responses:
        key = json.dumps(response.turns)
        if response.source is None:
            left_out[NULL_SOURCE] += 1
        elif response.source in excluded:
            left_out["responses of excluded sources"] += 1
        elif key in kept:
            left_out[DUPLICATE] += 1
        else:
            kept[key] = response
    return tuple(kept.values())
