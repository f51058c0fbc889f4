"""Which column plays which role, by the names preference data sets use."""

from collections.abc import Iterable, Mapping

from datasets import Dataset

from trueward.errors import DataError, nearest

ALIASES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "instruction", "question", "query"),
    "prompt_id": ("prompt_id",),
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
"""Names recognised for each role, the preferred one first."""

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


def name_of(rows: Dataset, name: str | None) -> str:
    """What messages call these rows: the given name, else their own."""
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
        role: next(alias for alias in aliases if alias in present)
        for role, aliases in ALIASES.items()
        if any(alias in present for alias in aliases)
    }
    return known | dict(given or {})


def j_k_columns(names: Iterable[str], name: str) -> tuple[str, str] | None:
    """The text columns of the older `*_j` (chosen) and `*_k` (rejected) naming, if there are any.

    Raises:
        DataError: more than one stem has both endings.
    """
    present = set(names)
    stems = sorted(n[:-2] for n in present if n.endswith("_j") and n[:-2] + "_k" in present)
    if len(stems) > 1:
        raise DataError(
            f"{name}: several *_j / *_k columns ({', '.join(stems)}); "
            "say which with columns={'chosen': …, 'rejected': …}"
        )
    return (f"{stems[0]}_j", f"{stems[0]}_k") if stems else None
