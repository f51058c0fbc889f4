"""Pairs and groups of a data set as token ids, and what the length policy did to them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features, List, Value

from trueward.data.encoder import Encoder, Written
from trueward.data.forms import TEMPLATE_COLUMNS, counted, name_of
from trueward.data.messages import checked_turns, stored_turns, template_arguments
from trueward.data.store import BLOCK, cache_file
from trueward.errors import DataError
from trueward.types import Row

PROMPT = "prompt_length"
FATE, LONGEST = "_fate", "_longest"
"""Columns while pairs are encoded: what became of a pair, and its longer side's tokens."""
KEPT = ("whole", "truncated")
"""The fates of pairs that stay; the others are `over` and `indistinct`."""
_PAIR = ("prompt", "chosen", "rejected")
_TEXT = (*_PAIR, *TEMPLATE_COLUMNS)


@dataclass(frozen=True)
class LengthReport:
    """Counts of what the over-length policy kept, cut and left out. Lengths are in tokens."""

    unit: str
    """The things that are counted: `pairs` or `responses`."""
    total: int
    kept: int
    max_length: int | None
    longest: int
    """Length of the longest sequence before any truncation."""
    dropped: int = 0
    """Longer than `max_length` and left out."""
    truncated: int = 0
    """Longer than `max_length`, cut and kept."""
    indistinct: int = 0
    """Left out because both sides have the same tokens (after truncation, if any)."""
    over_length_rows: tuple[int, ...] = ()
    """The rows, counted from 0, that were longer than `max_length`."""

    def __str__(self) -> str:
        limit = "no limit" if self.max_length is None else f"max_length {self.max_length:,}"
        done = {
            "dropped as over-length": self.dropped,
            "truncated": self.truncated,
            "left out with both sides alike": self.indistinct,
        }
        return (
            f"{self.kept:,} of {self.total:,} {self.unit} kept "
            f"({limit} tokens, longest {self.longest:,}); {counted(done)}"
        )


def encode_pairs(
    pairs: Dataset, encoder: Encoder, *, num_proc: int | None = None, name: str | None = None
) -> tuple[Dataset, LengthReport]:
    """Return the token ids of preference pairs (as `to_pairs` gives them), and what the policy did.

    Adds `chosen_ids` and `rejected_ids`, and `prompt_length`: how many leading tokens, the same in
    both, belong to the prompt (absent where the pairs came tokenized). Text columns go, all others
    stay. A pair is over-length if either side is. `truncate_left` takes the same number of tokens
    off both prompts, so that both responses are read under the same context, and cuts a response
    only once the prompt is gone. Pairs whose two sides have the same tokens teach nothing and are
    left out, counted as `indistinct`.

    Raises:
        DataError: a missing column, messages without a chat template, an over-length pair under
            `error`, or no pair left.
    """
    name = name_of(pairs, name)
    tokenized = {"chosen_ids", "rejected_ids"} <= set(pairs.column_names)
    if not tokenized:
        _check_columns(pairs, _PAIR, name, "; make pairs with to_pairs first")
    whole = not tokenized and all(stored_turns(pairs, column) for column in _PAIR)
    file = cache_file("encoded", pairs._fingerprint, encoder.key)
    encoded = pairs.map(
        encode_block,
        batched=True,
        batch_size=BLOCK,
        with_indices=True,
        fn_kwargs={"encoder": encoder, "name": name, "whole": whole},
        num_proc=num_proc,
        remove_columns=[column for column in _TEXT if column in pairs.column_names],
        features=_features(pairs.features, not tokenized or PROMPT in pairs.column_names),
        cache_file_name=str(file) if pairs.cache_files else None,
        new_fingerprint=file.stem,
        desc="Encoding",
    )
    report = _report(encoded, encoder, name)
    if not report.kept:
        raise DataError(f"{name}: no pairs left: {report}; raise max_length or truncate")
    if report.kept < report.total:
        kept = pc.is_in(encoded.data.column(FATE), pa.array(KEPT))
        encoded = encoded.select(np.flatnonzero(kept.to_numpy()))
    return encoded.remove_columns([FATE, LONGEST]), report


def encode_groups(
    groups: Dataset, encoder: Encoder, *, name: str | None = None
) -> tuple[list[list[list[int]]], LengthReport]:
    """Return the token ids of each response of each group (columns `prompt`, `responses`).

    Groups stay whole, so a response that is too long is an error under `drop` as under `error`:
    evaluate with `truncate_left` or `truncate_right`, or raise `max_length`.

    Raises:
        DataError: as above, a missing column, or messages without a chat template.
    """
    name = name_of(groups, name)
    _check_columns(groups, ("prompt", "responses"), name)
    whole = [_encode_group(row, encoder, f"{name}: row {i}") for i, row in enumerate(groups)]
    over = [i for i, row in enumerate(whole) if any(encoder.excess(ids) for ids in row)]
    if over and encoder.truncation in ("drop", "error"):
        longest = max(len(ids) for ids in whole[over[0]])
        raise DataError(
            f"{name}: row {over[0]} has a response of {longest} tokens, more than max_length="
            f"{encoder.max_length} ({len(over)} of {len(whole)} groups do); groups stay whole: "
            "raise max_length, or choose truncation truncate_left or truncate_right"
        )
    lengths = [len(ids) for row in whole for ids in row]
    report = LengthReport(
        unit="responses",
        total=len(lengths),
        kept=len(lengths),
        max_length=encoder.max_length,
        longest=max(lengths, default=0),
        truncated=sum(encoder.excess(ids) > 0 for row in whole for ids in row),
        over_length_rows=tuple(over),
    )
    return [[encoder.fit(ids) or [] for ids in row] for row in whole], report


def _check_columns(rows: Dataset, wanted: Sequence[str], name: str, remedy: str = "") -> None:
    for column in wanted:
        if column not in rows.column_names:
            found = ", ".join(rows.column_names)
            raise DataError(f"{name}: missing column {column!r}; found {found}{remedy}")


def _encode_group(row: Row, encoder: Encoder, where: str) -> list[list[int]]:
    prompt = checked_turns(row["prompt"], f"{where}, field 'prompt'")
    responses = [checked_turns(r, f"{where}, field 'responses'") for r in row["responses"]]
    kwargs = template_arguments(row, where)
    try:
        return encoder.tokenize([encoder.written(prompt, r, **kwargs) for r in responses])
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def encode_block(
    rows: Mapping[str, list[Any]], numbers: list[int], *, encoder: Encoder, name: str, whole: bool
) -> dict[str, list[Any]]:
    """Encode columns of pairs, text or token ids; `whole` ones were checked and stay as they are.

    Returns the columns that `encode_pairs` adds, with each pair's `FATE` and `LONGEST`. `numbers`
    are the rows', for errors.
    """
    if "chosen_ids" in rows:
        return _fit_tokenized(rows, encoder)
    given = [column for column in _TEXT if column in rows]
    written: list[Written] = []
    for number, *values in zip(numbers, *(rows[column] for column in given), strict=True):
        pair = dict(zip(given, values, strict=True))
        written += _written_pair(pair, encoder, f"{name}: row {number}", whole)
    ids = encoder.tokenize(written)
    sides = zip(ids[::3], ids[1::3], ids[2::3], strict=True)
    return _columns(
        _fitted(
            chosen,
            rejected,
            min(shared_length(opening, chosen), shared_length(opening, rejected)),
            encoder,
        )
        for opening, chosen, rejected in sides
    )


def _written_pair(row: Row, encoder: Encoder, where: str, whole: bool) -> list[Written]:
    """Write the prompt that awaits its response, and each side after it."""
    prompt, chosen, rejected = (
        row[column] if whole else checked_turns(row[column], f"{where}, field {column!r}")
        for column in _PAIR
    )
    kwargs = template_arguments(row, where)
    try:
        return [encoder.written(prompt, side, **kwargs) for side in (None, chosen, rejected)]
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _fit_tokenized(rows: Mapping[str, list[Any]], encoder: Encoder) -> dict[str, list[Any]]:
    sides = zip(rows["chosen_ids"], rows["rejected_ids"], strict=True)
    known = rows.get(PROMPT)
    fitted = _columns(
        _fitted(a, b, min(shared_length(a, b), len(a) if known is None else known[i]), encoder)
        for i, (a, b) in enumerate(sides)
    )
    return {key: values for key, values in fitted.items() if key != PROMPT or known is not None}


def _columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    listed = list(rows)
    return {column: [row[column] for row in listed] for column in (listed[0] if listed else ())}


def _fitted(chosen: list[int], rejected: list[int], shared: int, encoder: Encoder) -> Row:
    """Return both sides within the length, `shared` leading tokens being the prompt's in both."""
    longest, fate = max(len(chosen), len(rejected)), "whole"
    over = max(encoder.excess(chosen), encoder.excess(rejected))
    if over and encoder.truncation in ("drop", "error"):
        chosen, rejected, fate = [], [], "over"
    elif over:
        if encoder.truncation == "truncate_left":
            spare = min(over, max(0, shared - encoder.frame(chosen)[0]))
            chosen, rejected = encoder.cut(chosen, spare), encoder.cut(rejected, spare)
            shared -= spare
        chosen, rejected = encoder.fit(chosen) or [], encoder.fit(rejected) or []
        shared, fate = min(shared, shared_length(chosen, rejected)), "truncated"
    if fate != "over" and chosen == rejected:
        fate = "indistinct"
    fitted = {"chosen_ids": chosen, "rejected_ids": rejected, PROMPT: shared}
    return fitted | {FATE: fate, LONGEST: longest}


def _features(given: Features, kept_prompt: bool) -> Features:
    number = Value("int32")
    kept = {name: kind for name, kind in given.items() if name not in _TEXT}
    added = {"chosen_ids": List(number), "rejected_ids": List(number)}
    added |= {FATE: Value("string"), LONGEST: number}
    return Features(kept | added | ({PROMPT: number} if kept_prompt else {}))


def _report(encoded: Dataset, encoder: Encoder, name: str) -> LengthReport:
    count = Counter(
        {
            found["values"]: found["counts"]
            for found in pc.value_counts(encoded.data.column(FATE)).to_pylist()
        }
    )
    longest = encoded.data.column(LONGEST).to_numpy()
    limit = encoder.max_length
    over = [] if limit is None else np.flatnonzero(longest > limit).tolist()
    if over and encoder.truncation == "error":
        raise DataError(
            f"{name}: row {over[0]} has {longest[over[0]]} tokens, more than max_length={limit} "
            f"({len(over)} of {len(longest)} pairs do); raise it, or choose truncation drop, "
            "truncate_left or truncate_right"
        )
    return LengthReport(
        unit="pairs",
        total=len(longest),
        kept=sum(count[fate] for fate in KEPT),
        max_length=limit,
        longest=int(longest.max(initial=0)),
        dropped=count["over"],
        truncated=count["truncated"],
        indistinct=count["indistinct"],
        over_length_rows=tuple(over),
    )


def shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the number of leading tokens that two sequences of one type share."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle - 1)
    return low
