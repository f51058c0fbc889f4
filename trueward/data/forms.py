"""Which of the known shapes a data set has, judged by its columns and its first row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from datasets import Dataset

from trueward.data.columns import (
    PAIR_NUMBERS,
    TEMPLATE_COLUMNS,
    TOKENIZED,
    j_k_columns,
    resolve,
)
from trueward.data.messages import is_transcript
from trueward.errors import DataError

_CARRIED_ROLES = (
    "prompt_id",
    "chosen_source",
    "rejected_source",
    "chosen_score",
    "rejected_score",
)
_PAIR_ROLES = ("prompt", "chosen", "rejected", *_CARRIED_ROLES)
_LIST_ROLES = ("prompt", "prompt_id", "responses", "sources", "scores", "ranks")
_ROW_ROLES = ("prompt", "prompt_id", "response", "source", "score", "rank")
_NESTED_ROLES = ("response", "source", "score", "rank")


@dataclass(frozen=True)
class Form:
    """A recognised shape."""

    kind: str
    """`tokenized pairs`, `transcript pairs`, `pairs`, `response lists` or `one response a row`."""
    roles: Mapping[str, str]
    """Role to column, the roles that this shape reads."""
    nested: Mapping[str, str] = field(default_factory=dict)
    """Role to key inside each response of a list, where the caller says so."""
    beside: tuple[str, ...] = ()
    """Further columns read under their own names."""

    def unused(self, names: Iterable[str]) -> tuple[str, ...]:
        """The columns that nothing reads."""
        used = {*self.roles.values(), *self.beside}
        return tuple(name for name in names if name not in used)


def recognise(rows: Dataset, columns: Mapping[str, str] | None, name: str) -> Form:
    """Recognise the shape of `rows`; `columns` (role to column) goes before the known names.

    Raises:
        DataError: no known shape, or `columns` names what is not there.
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
    beside = (*PAIR_NUMBERS, *TEMPLATE_COLUMNS)
    ids = next((pair for pair in TOKENIZED if set(pair) <= set(names)), None)
    if ids is not None:
        masks = tuple(column.replace("input_ids", "attention_mask") for column in ids)
        kept = _only(roles, _CARRIED_ROLES)
        return Form(
            "tokenized pairs", {**kept, "chosen": ids[0], "rejected": ids[1]}, {}, (*beside, *masks)
        )
    if not {"chosen", "rejected"} & set(roles) and (older := j_k_columns(names, name)):
        roles = {**roles, "chosen": older[0], "rejected": older[1]}
    if not {"chosen", "rejected"} <= set(roles):
        return None
    transcripts = "prompt" not in roles and all(
        is_transcript(rows[0][roles[side]]) for side in ("chosen", "rejected")
    )
    kind = "transcript pairs" if transcripts else "pairs"
    return Form(kind, _only(roles, _PAIR_ROLES), {}, beside)


def _group_form(roles: Mapping[str, str], nested: Mapping[str, str]) -> Form | None:
    beside = (*TEMPLATE_COLUMNS, "weight")
    if {"prompt", "responses"} <= set(roles):
        return Form("response lists", _only(roles, _LIST_ROLES), nested, beside)
    if {"prompt", "response"} <= set(roles) and {"score", "rank"} & set(roles):
        return Form("one response a row", _only(roles, _ROW_ROLES), {}, beside)
    return None


def _only(roles: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
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
