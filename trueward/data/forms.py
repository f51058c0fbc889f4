"""The known forms of preference data: which column plays which role, and what the rows are."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasets import Dataset

from trueward.data.messages import described, is_transcript
from trueward.errors import DataError, nearest

ALIASES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "instruction", "question", "query"),
    "prompt_id": ("prompt_id",),
    "dataset": ("dataset",),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "chosen_source": ("chosen_source", "chosen_model", "chosen-model"),
    "rejected_source": ("rejected_source", "rejected_model", "rejected-model"),
    "chosen_score": ("chosen_score", "score_chosen", "chosen_rating", "chosen-rating"),
    "rejected_score": ("rejected_score", "score_rejected", "rejected_rating", "rejected-rating"),
    "response": ("response", "output", "completion", "answer", "text"),
    "source": ("generator", "model", "source"),
    "score": ("score", "overall_score", "rating", "reward"),
    "rank": ("rank",),
    "responses": ("responses", "completions", "outputs", "answers", "candidates", "generations"),
    "sources": ("sources", "generators", "models"),
    "scores": ("scores", "ratings", "rewards"),
    "ranks": ("ranks", "rankings"),
}
"""Column names that are recognised for each role, the preferred one first."""

TEMPLATE_COLUMNS = ("tools", "chat_template_kwargs")
"""Arguments of the chat template that a row may carry."""

PAIR_NUMBERS = ("margin", "target", "weight")
"""Numbers of a pair that an objective may read."""

TOKENIZED = (
    ("chosen_ids", "rejected_ids"),
    ("chosen_input_ids", "rejected_input_ids"),
    ("input_ids_chosen", "input_ids_rejected"),
    ("input_ids_j", "input_ids_k"),
)
"""Pre-tokenized column pairs, chosen side first."""

_RANGES = {"target": (0.0, 1.0), "weight": (0.0, math.inf)}


def counted(counts: Mapping[str, int]) -> str:
    """Return the non-zero counts in words: `3 identical responses, 1 null chosen`."""
    return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "nothing"


def name_of(rows: Dataset, name: str | None) -> str:
    """Return the name of rows in messages: the given one, else their own."""
    return name or rows.info.dataset_name or "dataset"


def resolve(names: Iterable[str], given: Mapping[str, str] | None, name: str) -> dict[str, str]:
    """Map each role found to its column; `given` (role to column) goes before the known names.

    Raises:
        DataError: `given` names a role or a column that does not exist.
    """
    present = list(names)
    for role, column in (given or {}).items():
        if role not in ALIASES:
            raise DataError(f"{name}: unknown role {role!r}; {nearest(role, list(ALIASES))}")
        if column not in present:
            raise DataError(
                f"{name}: no column {column!r} to serve as {role!r}; {nearest(column, present)}"
            )
    known = {
        role: found[0]
        for role, aliases in ALIASES.items()
        if (found := [alias for alias in aliases if alias in present])
    }
    return known | dict(given or {})


def _j_k_columns(names: Iterable[str], name: str) -> tuple[str, str] | None:
    """Return the text columns of the older `*_j` (chosen) and `*_k` (rejected) naming, if any."""
    present = set(names)
    stems = sorted(n[:-2] for n in present if n.endswith("_j") and n[:-2] + "_k" in present)
    if len(stems) > 1:
        raise DataError(
            f"{name}: several *_j / *_k columns ({', '.join(stems)}); "
            "say which with columns={'chosen': …, 'rejected': …}"
        )
    return (f"{stems[0]}_j", f"{stems[0]}_k") if stems else None


IDENTITY = ("prompt_id", "dataset", "chosen_source", "rejected_source")
SCORES = ("chosen_score", "rejected_score")
_PAIR_ROLES = ("prompt", "chosen", "rejected", *IDENTITY, *SCORES)
_LIST_ROLES = ("prompt", "prompt_id", "responses", "sources", "scores", "ranks")
_ROW_ROLES = ("prompt", "prompt_id", "response", "source", "score", "rank")
_NESTED_ROLES = ("response", "source", "score", "rank")


@dataclass(frozen=True)
class Form:
    """The form in which rows hold preferences, as it was recognised."""

    kind: str
    """`tokenized pairs`, `transcript pairs`, `pairs`, `response lists` or `one response a row`."""
    roles: Mapping[str, str]
    """Columns by role, of the roles that this form reads."""
    nested: Mapping[str, str] = field(default_factory=dict)
    """Keys inside each response of a list by role, where the caller says so."""
    also_read: tuple[str, ...] = ()
    """Further columns that are read, under their own names."""

    def unused(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the columns that nothing reads."""
        used = {*self.roles.values(), *self.also_read}
        return tuple(name for name in names if name not in used)


def recognise(rows: Dataset, columns: Mapping[str, str] | None, name: str) -> Form:
    """Recognise the form of `rows`; `columns` (role to column) goes before the known names.

    Raises:
        DataError: no known form, or `columns` names what is not there.
    """
    names, given = rows.column_names, dict(columns or {})
    nested = {r: c for r, c in given.items() if r in _NESTED_ROLES and c not in names}
    roles = resolve(names, {r: c for r, c in given.items() if r not in nested}, name)
    form = _pair_form(rows, roles, name) or _group_form(roles, nested)
    if form is None:
        raise DataError(_no_form(names, name))
    if form.nested != nested:
        resolve(names, nested, name)
    return form


def _pair_form(rows: Dataset, roles: Mapping[str, str], name: str) -> Form | None:
    names = rows.column_names
    also_read = (*PAIR_NUMBERS, *TEMPLATE_COLUMNS)
    ids = next((pair for pair in TOKENIZED if set(pair) <= set(names)), None)
    if ids is not None:
        masks = tuple(column.replace("input_ids", "attention_mask") for column in ids)
        roles = _selected(roles, (*IDENTITY, *SCORES)) | {"chosen": ids[0], "rejected": ids[1]}
        prompt = ("prompt_length",) if ids == TOKENIZED[0] else ()  # a count without padding
        return Form("tokenized pairs", roles, {}, (*also_read, *masks, *prompt))
    if not {"chosen", "rejected"} & set(roles) and (older := _j_k_columns(names, name)):
        roles = {**roles, "chosen": older[0], "rejected": older[1]}
    if not {"chosen", "rejected"} <= set(roles):
        return None
    transcripts = "prompt" not in roles and all(
        is_transcript(rows[0][roles[side]]) for side in ("chosen", "rejected")
    )
    kind = "transcript pairs" if transcripts else "pairs"
    return Form(kind, _selected(roles, _PAIR_ROLES), {}, also_read)


def _group_form(roles: Mapping[str, str], nested: Mapping[str, str]) -> Form | None:
    also_read = (*TEMPLATE_COLUMNS, "weight")
    if {"prompt", "responses"} <= set(roles):
        return Form("response lists", _selected(roles, _LIST_ROLES), nested, also_read)
    if {"prompt", "response"} <= set(roles) and {"score", "rank"} & set(roles):
        return Form("one response a row", _selected(roles, _ROW_ROLES), {}, also_read)
    return None


def _selected(roles: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    return {role: roles[role] for role in wanted if role in roles}


def _no_form(names: list[str], name: str) -> str:
    found = f"found {', '.join(names) or 'no columns'}; say which is which with columns={{…}}"
    for side, other in (("chosen", "rejected"), ("rejected", "chosen")):
        if side in names:
            return f"{name}: missing column {other!r} beside {side!r}; {found}"
    return (
        f"{name}: missing columns: expected chosen and rejected (text, messages or *_ids), "
        f"or prompt with a list of responses, or prompt, response and score a row; {found}"
    )


def checked_number(value: Any, role: str, where: str) -> float:
    """Return `value` as a float; null is NaN.

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


def in_range(rows: Dataset, column: str) -> bool:
    """Return whether `checked_number` would keep every number of a column as it is, null none."""
    low, high = _RANGES.get(column, (-math.inf, math.inf))
    values = rows.data.column(column)
    if str(values.type) != "double" or values.null_count:
        return False
    numbers = values.to_numpy()
    return bool((np.isfinite(numbers) & (low <= numbers) & (numbers <= high)).all())
