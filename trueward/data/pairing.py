"""Rows of any known shape become preference pairs; what is left out is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datasets import Dataset

from trueward.data.columns import name_of
from trueward.data.forms import Form, recognise
from trueward.data.groups import GROUP_READERS, Group
from trueward.data.pair_rows import (
    RowReader,
    read_text_pair,
    read_tokenized_pair,
    read_transcript_pair,
)
from trueward.data.reports import PairingReport, counted
from trueward.data.rule import PairRule
from trueward.data.tables import dataset_from_rows
from trueward.errors import DataError

PAIR_READERS: Mapping[str, RowReader] = {
    "pairs": read_text_pair,
    "transcript pairs": read_transcript_pair,
    "tokenized pairs": read_tokenized_pair,
}


def to_pairs(
    rows: Dataset,
    *,
    rule: PairRule | None = None,
    columns: Mapping[str, str] | None = None,
    name: str | None = None,
) -> tuple[Dataset, PairingReport]:
    """Preference pairs of `rows`, and a report of what was left out.

    Recognised, by columns: pre-tokenized pairs; `chosen` and `rejected` as text or messages, with
    or without `prompt`; hh-rlhf transcripts; a list of ranked or scored responses a row
    (UltraFeedback); one scored response a row. `columns` maps a role (`prompt`, `response`,
    `score`, …) to a column, or to a key of the nested responses, where names differ. `rule`
    says which pairs a list gives (by default, best against worst).

    The result has `prompt, chosen, rejected`, all text or all messages, or `chosen_ids` and
    `rejected_ids`; and of `prompt_id, chosen_source, rejected_source, chosen_score,
    rejected_score, margin, target, weight, tools, chat_template_kwargs` what the data and the
    rule give. Rows are counted from 0 in every message, after `name`
    (by default, the file or data set that `load_rows` read).

    Raises:
        DataError: a missing column, a wrong type in a row, or no pair left.
    """
    rule, name = rule or PairRule(), name_of(rows, name)
    if len(rows) == 0:
        raise DataError(f"{name}: no rows; expected at least one")
    form = recognise(rows, columns, name)
    _check_rule(rule, form, rows.column_names, name)
    left_out: Counter[str] = Counter()
    if form.kind in PAIR_READERS:
        pairs = list(_pairs_of_rows(rows, form, rule, left_out, name))
    else:
        groups = GROUP_READERS[form.kind](rows, form, left_out, name)
        pairs = list(pairs_of_groups(groups, rule, left_out))
    if not pairs:
        raise DataError(
            f"{name}: no pairs left of {len(rows):,} rows ({form.kind}); left out: "
            f"{counted(left_out)}; check the columns, or lower min_gap={rule.min_gap:g}"
        )
    report = PairingReport(
        form.kind, len(rows), len(pairs), dict(left_out), form.unused(rows.column_names)
    )
    return dataset_from_rows(pairs, name), report


def pairs_of_groups(
    groups: Iterable[Group], rule: PairRule, left_out: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Draw the pairs of each group by the rule, as rows."""
    for index, group in enumerate(groups):
        responses = group.responses
        if len(responses) < 2:
            left_out["prompts with fewer than two responses"] += 1
            continue
        drawn, skipped = rule.draw(
            [r.score for r in responses], [r.turns for r in responses], index
        )
        left_out.update(skipped)
        for better, worse in drawn:
            yield _pair_row(group, better, worse, rule)


def _pair_row(group: Group, better: int, worse: int, rule: PairRule) -> dict[str, Any]:
    chosen, rejected = group.responses[better], group.responses[worse]
    row: dict[str, Any] = {
        "prompt": group.prompt,
        "chosen": chosen.turns,
        "rejected": rejected.turns,
        "prompt_id": group.prompt_id,
        "chosen_score": chosen.score,
        "rejected_score": rejected.score,
    }
    if chosen.source is not None or rejected.source is not None:
        row |= {"chosen_source": chosen.source, "rejected_source": rejected.source}
    return row | rule.columns(chosen.score - rejected.score) | dict(group.extras)


def _pairs_of_rows(
    rows: Dataset, form: Form, rule: PairRule, left_out: Counter[str], name: str
) -> Iterator[dict[str, Any]]:
    read = PAIR_READERS[form.kind]
    for number, row in enumerate(rows):
        pair = read(row, form.roles, rule, f"{name}: row {number}")
        if isinstance(pair, str):
            left_out[pair] += 1
        else:
            yield pair


def _check_rule(rule: PairRule, form: Form, names: list[str], name: str) -> None:
    """Refuse a rule that asks for scores the data lacks, or for a column that is there."""
    scored = form.kind in GROUP_READERS or {"chosen_score", "rejected_score"} <= set(form.roles)
    if rule.needs_scores and not scored:
        raise DataError(
            f"{name}: min_gap, soft_target_scale and margin_scale need scores; expected columns "
            f"chosen_score and rejected_score, found {', '.join(names)}"
        )
    for asked, column in ((rule.soft_target_scale, "target"), (rule.margin_scale, "margin")):
        if asked is not None and column in names:
            raise DataError(
                f"{name}: column {column!r} is there already; remove it or leave its scale out"
            )
