"""Whole data sets to token ids, with a count of what the over-length policy did."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from datasets import Dataset, Features, List, Value

from trueward.data.columns import TEMPLATE_COLUMNS, name_of
from trueward.data.encode import Encoder, shared_length
from trueward.data.messages import checked_turns
from trueward.data.reports import LengthReport
from trueward.data.template import template_arguments
from trueward.errors import DataError

PROMPT = "prompt_length"
_FATE, _LONGEST = "_fate", "_longest"
_TEXT = ("prompt", "chosen", "rejected", *TEMPLATE_COLUMNS)


def encode_pairs(
    pairs: Dataset, encoder: Encoder, *, num_proc: int | None = None, name: str | None = None
) -> tuple[Dataset, LengthReport]:
    """Token ids of preference pairs (as `to_pairs` gives them), and what the policy did.

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
    for column in () if tokenized else ("prompt", "chosen", "rejected"):
        if column not in pairs.column_names:
            raise DataError(
                f"{name}: missing column {column!r}; found {', '.join(pairs.column_names)}; "
                "make pairs with to_pairs first"
            )
    encoded = pairs.map(
        _fit_tokenized if tokenized else _encode_row,
        with_indices=True,
        fn_kwargs={"encoder": encoder, "name": name},
        num_proc=num_proc,
        remove_columns=[column for column in _TEXT if column in pairs.column_names],
        features=_features(pairs.features, not tokenized or PROMPT in pairs.column_names),
        desc="Encoding",
    )
    report = _report(encoded, encoder, name)
    kept = [row for row, fate in enumerate(encoded[_FATE]) if fate in ("whole", "truncated")]
    if not kept:
        raise DataError(f"{name}: no pairs left: {report}; raise max_length or truncate")
    return encoded.select(kept).remove_columns([_FATE, _LONGEST]), report


def encode_groups(
    groups: Dataset, encoder: Encoder, *, name: str | None = None
) -> tuple[list[list[list[int]]], LengthReport]:
    """Token ids of each response of each group (columns `prompt`, `responses`).

    Groups stay whole, so a response that is too long is an error under `drop` as under `error`:
    evaluate with `truncate_left` or `truncate_right`, or raise `max_length`.

    Raises:
        DataError: as above, a missing column, or messages without a chat template.
    """
    name = name_of(groups, name)
    for column in ("prompt", "responses"):
        if column not in groups.column_names:
            raise DataError(
                f"{name}: missing column {column!r}; found {', '.join(groups.column_names)}"
            )
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


def _encode_group(row: Mapping[str, Any], encoder: Encoder, where: str) -> list[list[int]]:
    prompt = checked_turns(row["prompt"], f"{where}, field 'prompt'")
    responses = [checked_turns(r, f"{where}, field 'responses'") for r in row["responses"]]
    kwargs = template_arguments(row, where)
    try:
        return [encoder.encode(prompt, response, **kwargs) for response in responses]
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _encode_row(
    row: Mapping[str, Any], number: int, *, encoder: Encoder, name: str
) -> dict[str, Any]:
    where = f"{name}: row {number}"
    prompt, *sides = (
        checked_turns(row[column], f"{where}, field {column!r}")
        for column in ("prompt", "chosen", "rejected")
    )
    kwargs = template_arguments(row, where)
    try:
        chosen, rejected = (encoder.encode(prompt, side, **kwargs) for side in sides)
        opening = encoder.encode_prompt(prompt, **kwargs)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    shared = min(shared_length(opening, chosen), shared_length(opening, rejected))
    return _fitted(chosen, rejected, shared, encoder)


def _fit_tokenized(
    row: Mapping[str, Any], _: int, *, encoder: Encoder, name: str
) -> dict[str, Any]:
    chosen, rejected = row["chosen_ids"], row["rejected_ids"]
    known = row.get("prompt_length")
    shared = shared_length(chosen, rejected) if known is None else known
    fitted = _fitted(chosen, rejected, shared, encoder)
    return {key: value for key, value in fitted.items() if key != PROMPT or known is not None}


def _fitted(
    chosen: list[int], rejected: list[int], shared: int, encoder: Encoder
) -> dict[str, Any]:
    """Both sides within the length, `shared` leading tokens being the prompt's in both."""
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
    return {
        "chosen_ids": chosen,
        "rejected_ids": rejected,
        PROMPT: shared,
        _FATE: fate,
        _LONGEST: longest,
    }


def _features(given: Features, kept_prompt: bool) -> Features:
    ids = List(Value("int32"))
    kept = {name: kind for name, kind in given.items() if name not in _TEXT}
    added = {
        "chosen_ids": ids,
        "rejected_ids": ids,
        _FATE: Value("string"),
        _LONGEST: Value("int32"),
    }
    return Features(kept | added | ({PROMPT: Value("int32")} if kept_prompt else {}))


def _report(encoded: Dataset, encoder: Encoder, name: str) -> LengthReport:
    fates, longest = list(encoded[_FATE]), list(encoded[_LONGEST])
    count, limit = Counter(fates), encoder.max_length
    over = tuple(i for i, n in enumerate(longest) if limit is not None and n > limit)
    if over and encoder.truncation == "error":
        raise DataError(
            f"{name}: row {over[0]} has {longest[over[0]]} tokens, more than max_length={limit} "
            f"({len(over)} of {len(fates)} pairs do); raise it, or choose truncation drop, "
            "truncate_left or truncate_right"
        )
    return LengthReport(
        unit="pairs",
        total=len(fates),
        kept=count["whole"] + count["truncated"],
        max_length=limit,
        longest=max(longest, default=0),
        dropped=count["over"],
        truncated=count["truncated"],
        indistinct=count["indistinct"],
        over_length_rows=over,
    )
