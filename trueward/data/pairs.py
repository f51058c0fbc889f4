"""Preference pairs of rows of any known form, by a stated rule; what is left out is counted."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from trueward.data.forms import (
    IDENTITY,
    PAIR_NUMBERS,
    SCORES,
    TEMPLATE_COLUMNS,
    Form,
    checked_number,
    counted,
    in_range,
    name_of,
    recognise,
)
from trueward.data.messages import (
    as_messages,
    checked_turns,
    described,
    is_transcript,
    parse_transcript,
    split_shared_text,
    split_shared_turns,
    stored_turns,
    without_nulls,
)
from trueward.data.prompts import PROMPT_READERS
from trueward.data.rule import Drawn, PairRule
from trueward.data.store import BLOCK, cache_file, dataset_from_rows, numbered
from trueward.errors import DataError
from trueward.files import write_json
from trueward.types import Prompt, Row, Turns

SIDES = ("chosen", "rejected")
_TEXTS = ("prompt", *SIDES)
_WHOLE = ({"text"}, {"messages"})

PairOrReason: TypeAlias = Row | str
"""The pair's columns, or the reason why it is left out."""


@dataclass(frozen=True)
class PairingReport:
    """Counts of the rows that became pairs, and of those that did not."""

    form: str
    """The form in which the rows came, as `Form.kind` names it."""
    rows: int
    pairs: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Counts by reason; the reason names the unit (rows, prompts, responses or pairs)."""
    unused_columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        unused = (
            f"; unused columns: {', '.join(self.unused_columns)}" if self.unused_columns else ""
        )
        return (
            f"{self.pairs:,} pairs from {self.rows:,} rows ({self.form}); "
            f"left out: {counted(self.left_out)}{unused}"
        )


def to_pairs(
    rows: Dataset,
    *,
    rule: PairRule | None = None,
    columns: Mapping[str, str] | None = None,
    name: str | None = None,
) -> tuple[Dataset, PairingReport]:
    """Return the preference pairs of `rows`, and a report of what was left out.

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
    name = name_of(rows, name)
    if len(rows) == 0:
        raise DataError(f"{name}: no rows; expected at least one")
    form = recognise(rows, columns, name)
    unused = form.unused(rows.column_names)
    if rule is not None:
        _check_rule(rule, form, rows.column_names, name)
    whole = None if rule is not None and rule.needs_scores else _pairs_already(rows, form)
    if whole is not None:
        return whole, PairingReport(form.kind, len(rows), len(rows), {}, unused)
    rule = rule or PairRule()
    pairs, left_out = _stored_pairs(rows, form, rule, name)
    if not len(pairs):
        raise DataError(
            f"{name}: no pairs left of {len(rows):,} rows ({form.kind}); left out: "
            f"{counted(left_out)}; check the columns, or lower min_gap={rule.min_gap:g}"
        )
    return pairs, PairingReport(form.kind, len(rows), len(pairs), left_out, unused)


def _stored_pairs(
    rows: Dataset, form: Form, rule: PairRule, name: str
) -> tuple[Dataset, dict[str, int]]:
    """Make the pairs and count what is left out; of rows in files, once, into a file."""
    file = cache_file("pairs", rows._fingerprint, form, rule) if rows.cache_files else None
    counts = file.with_suffix(".json") if file else None
    if file and counts and counts.is_file() and file.is_file():
        return Dataset.from_file(str(file)), json.loads(counts.read_text(encoding="utf-8"))
    left_out: Counter[str] = Counter()
    pairs = dataset_from_rows(read_pairs(numbered(rows), form, rule, left_out, name), name, file)
    if counts and len(pairs):
        write_json(left_out, counts)
    return pairs, dict(left_out)


def read_pairs(
    rows: Iterable[tuple[int, Row]], form: Form, rule: PairRule, left_out: Counter[str], name: str
) -> Iterator[Row]:
    """Yield the pairs of numbered rows of a form, and count what is left out."""
    if form.kind in PAIR_READERS:
        return (pair for *_, pair in _read_pairs(rows, form, rule, left_out, name))
    prompts = PROMPT_READERS[form.kind](rows, form, left_out, name)
    return pairs_of_prompts(prompts, rule, left_out)


def paired_prompts(rows: Dataset, name: str) -> tuple[list[Prompt], dict[str, int]]:
    """Return rows of any form as prompts with their pairs, and counts of what was left out.

    A row of chosen and rejected is one prompt with one pair; the label `flipped` says whether its
    label was flipped, where the data does. Of several scored responses to a prompt the best and the
    worst are its pair; a rank k is the score −k. A prompt with one response has no pair.

    Raises:
        DataError: an unknown form, token ids without text, or nothing left.
    """
    form = recognise(rows, None, name)
    if form.kind == "tokenized pairs":
        raise DataError(f"{name}: token ids only; give the data before it was tokenized")
    left_out: Counter[str] = Counter()
    if form.kind in PAIR_READERS:
        read = _read_pairs(numbered(rows), form, PairRule(), left_out, name)
        prompts = [_prompt_of_pair(number, row, pair, name) for number, row, pair in read]
    else:
        prompts = list(_prompts_with_pairs(rows, form, left_out, name))
    if not prompts:
        raise DataError(f"{name}: nothing left to score of {len(rows):,} rows ({form.kind})")
    return prompts, dict(left_out)


def pairs_of_prompts(
    prompts: Iterable[Prompt], rule: PairRule, left_out: Counter[str]
) -> Iterator[Row]:
    """Yield the pairs of each prompt by the rule, as rows."""
    for index, prompt in enumerate(prompts):
        if len(prompt.responses) < 2:
            left_out["prompts with fewer than two responses"] += 1
            continue
        drawn, skipped = rule.draw(prompt.scores, prompt.responses, index)
        left_out.update(skipped)
        for better, worse in drawn:
            yield _pair_row(prompt, better, worse, rule)


def _pair_row(prompt: Prompt, better: int, worse: int, rule: PairRule) -> Row:
    row: dict[str, object] = {
        "prompt": prompt.prompt,
        "chosen": prompt.responses[better],
        "rejected": prompt.responses[worse],
        "prompt_id": prompt.id,
        "chosen_score": prompt.scores[better],
        "rejected_score": prompt.scores[worse],
    }
    if prompt.sources[better] is not None or prompt.sources[worse] is not None:
        row |= {"chosen_source": prompt.sources[better], "rejected_source": prompt.sources[worse]}
    return row | rule.columns(prompt.scores[better] - prompt.scores[worse]) | dict(prompt.extras)


def _prompts_with_pairs(
    rows: Dataset, form: Form, left_out: Counter[str], name: str
) -> Iterator[Prompt]:
    for number, prompt in enumerate(
        PROMPT_READERS[form.kind](numbered(rows), form, left_out, name)
    ):
        if not prompt.responses:
            left_out["prompts without responses"] += 1
            continue
        drawn: Drawn = ([], {})
        if len(prompt.responses) > 1:
            drawn = PairRule().draw(prompt.scores, prompt.responses, number)
        left_out.update({f"pairs: {why}": count for why, count in drawn[1].items() if count})
        yield replace(prompt, id=number, pairs=tuple(drawn[0]), where=f"{name}: prompt {number}")


def _prompt_of_pair(number: int, row: Row, pair: Row, name: str) -> Prompt:
    scores = [pair[f"{side}_score"] for side in SIDES if f"{side}_score" in pair]
    return Prompt(
        number,
        pair["prompt"],
        tuple(pair[side] for side in SIDES),
        scores=tuple(scores) if len(scores) == 2 else (),
        sources=tuple(pair.get(f"{side}_source") for side in SIDES),
        pairs=((0, 1),),
        labels={"flipped": row["flipped"]} if isinstance(row.get("flipped"), bool) else {},
        where=f"{name}: row {number}",
    )


def _check_rule(rule: PairRule, form: Form, names: list[str], name: str) -> None:
    """Refuse a rule that asks for scores the data lacks, or for a column that is there."""
    scored = form.kind in PROMPT_READERS or set(SCORES) <= set(form.roles)
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


def _pairs_already(rows: Dataset, form: Form) -> Dataset | None:
    """Return the pairs where whole columns show that reading row by row would change nothing.

    So pairs that were made once are not made again.
    """
    names = [c for c in (*_TEXTS, *IDENTITY, *PAIR_NUMBERS, *SCORES) if c in rows.column_names]
    if (
        form.kind != "pairs"
        or "prompt" not in form.roles
        or any(role != column for role, column in form.roles.items())
        or any(column in rows.column_names for column in TEMPLATE_COLUMNS)
        or rows.format["type"] is not None
        or (kinds := {stored_turns(rows, column) for column in _TEXTS}) not in _WHOLE
        or any(
            str(rows.data.column(c).type) not in ("string", "int64") for c in IDENTITY if c in names
        )
        or not all(in_range(rows, c) for c in (*PAIR_NUMBERS, *SCORES) if c in names)
    ):
        return None
    blocks = rows.select_columns(list(_TEXTS)).with_format("arrow").iter(batch_size=BLOCK)
    if any(_would_change(block, kinds == {"messages"}) for block in blocks):
        return None
    pairs = rows.select_columns(names)
    pairs.info.dataset_name = None
    return pairs


def _would_change(block: pa.Table, messages: bool) -> bool:
    """Return whether a row has both sides alike, or both repeating their prompt."""
    if not messages:
        return bool(pc.any(pc.equal(*(block[side] for side in SIDES))).as_py())
    if any(pc.min(pc.list_value_length(block[column])).as_py() == 0 for column in _TEXTS):
        return True
    begun = [pc.struct_field(pc.list_element(block[side], 0), "content") for side in SIDES]
    for row in block.filter(pc.equal(*begun)).to_pylist():  # either needs sides that begin alike
        length = len(row["prompt"])
        repeated = all(row[side][:length] == row["prompt"] for side in SIDES)
        if repeated or row["chosen"] == row["rejected"]:
            return True
    return False


def _read_pairs(
    rows: Iterable[tuple[int, Row]], form: Form, rule: PairRule, left_out: Counter[str], name: str
) -> Iterator[tuple[int, Row, Row]]:
    """Yield the number, the row and the pair's columns of each row that is a pair already."""
    for number, row in rows:
        pair = PAIR_READERS[form.kind](row, form.roles, rule, f"{name}: row {number}")
        if isinstance(pair, str):
            left_out[pair] += 1
        else:
            yield number, row, pair


def _text_pair(row: Row, roles: Mapping[str, str], rule: PairRule, where: str) -> PairOrReason:
    """Read text or messages, with or without a prompt column."""
    sides = {}
    for role in _TEXTS:
        if role in roles:
            if row[roles[role]] is None:
                return f"rows with null {role}"
            sides[role] = checked_turns(row[roles[role]], f"{where}, field {roles[role]!r}")
    if sides["chosen"] == sides["rejected"]:
        return "rows with identical responses"
    return _with_carried(_named(_aligned(**sides)), row, roles, rule, where)


def _transcript_pair(
    row: Row, roles: Mapping[str, str], rule: PairRule, where: str
) -> PairOrReason:
    """Read two hh-rlhf transcripts; the leading turns they share are the prompt."""
    chosen, rejected = row[roles["chosen"]], row[roles["rejected"]]
    if not is_transcript(chosen) or not is_transcript(rejected):
        return "rows that are not transcripts"
    sides = (parse_transcript(chosen), parse_transcript(rejected))
    if sides[0] == sides[1]:
        return "rows with identical responses"
    if any(side[-1]["role"] != "assistant" for side in sides):
        return "rows that do not end on the assistant's turn"
    return _with_carried(_named(split_shared_turns(*sides)), row, roles, rule, where)


def _tokenized_pair(row: Row, roles: Mapping[str, str], rule: PairRule, where: str) -> PairOrReason:
    """Read token ids of both sides; ids under a zero of the attention mask are padding and go."""
    pair: dict[str, list[int] | int] = {}
    for side in SIDES:
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
    prompt = row.get("prompt_length") if roles["chosen"] == "chosen_ids" else None
    if prompt is not None:
        if type(prompt) is not int or prompt < 0:
            raise DataError(
                f"{where}, field 'prompt_length': expected a number of tokens, got "
                f"{described(prompt)}"
            )
        pair["prompt_length"] = prompt
    return _with_carried(pair, row, roles, rule, where)


def _aligned(
    prompt: Turns | None = None, *, chosen: Turns, rejected: Turns
) -> tuple[Turns, Turns, Turns]:
    """Make all text or all messages, the prompt split off where it is implicit or repeated."""
    if isinstance(chosen, str) and isinstance(rejected, str) and isinstance(prompt, str | None):
        return split_shared_text(chosen, rejected) if prompt is None else (prompt, chosen, rejected)
    chosen, rejected = as_messages(chosen, "assistant"), as_messages(rejected, "assistant")
    if prompt is None:
        return split_shared_turns(chosen, rejected)
    prompt = as_messages(prompt, "user")
    if chosen[: len(prompt)] == prompt == rejected[: len(prompt)]:
        return prompt, chosen[len(prompt) :], rejected[len(prompt) :]
    return prompt, chosen, rejected


def _named(sides: tuple[Turns, Turns, Turns]) -> Row:
    return dict(zip(_TEXTS, sides, strict=True))


def _with_carried(
    texts: Row, row: Row, roles: Mapping[str, str], rule: PairRule, where: str
) -> PairOrReason:
    """Add what the row brings beside its responses, and what the rule makes of its scores."""
    pair: dict[str, object] = {**texts}
    pair |= {role: row[roles[role]] for role in IDENTITY if role in roles}
    pair |= {column: without_nulls(row[column]) for column in TEMPLATE_COLUMNS if column in row}
    columns = {column: column for column in PAIR_NUMBERS if column in row}
    columns |= {role: roles[role] for role in SCORES if role in roles}
    numbers = {}
    for role, column in columns.items():
        numbers[role] = checked_number(row[column], role, f"{where}, field {column!r}")
        if math.isnan(numbers[role]) and (role in PAIR_NUMBERS or rule.needs_scores):
            return f"rows with null {role}"
    if not rule.needs_scores:
        return pair | numbers
    gap = numbers["chosen_score"] - numbers["rejected_score"]
    if rule.min_gap > 0 and gap <= rule.min_gap:
        return rule.gap_too_small
    return pair | numbers | rule.columns(gap)


PAIR_READERS: Mapping[str, Callable[[Row, Mapping[str, str], PairRule, str], PairOrReason]] = {
    "pairs": _text_pair,
    "transcript pairs": _transcript_pair,
    "tokenized pairs": _tokenized_pair,
}
"""Readers of a row as a pair, by the kind of form; they take row, columns by role, rule, where."""
