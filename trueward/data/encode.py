"""Encoding of prompts and responses as token ids, one or a whole data set, within a length."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

from datasets import Dataset, Features, List, Value
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from trueward.data.forms import TEMPLATE_COLUMNS, counted, name_of
from trueward.data.messages import as_messages, checked_turns, stored_turns, template_arguments
from trueward.errors import DataError, nearest
from trueward.types import Message, Row, Turns

TRUNCATIONS = ("drop", "truncate_left", "truncate_right", "error")

PROMPT = "prompt_length"
_FATE, _LONGEST = "_fate", "_longest"
"""Columns while pairs are encoded: what became of a pair, and its longer side's tokens."""
_PAIR = ("prompt", "chosen", "rejected")
_TEXT = (*_PAIR, *TEMPLATE_COLUMNS)

DEFAULT_CHAT_TEMPLATE = """\
{%- if bos_token is defined and bos_token %}{{- bos_token }}{% endif %}
{%- for message in messages %}
    {{- '' if loop.first else '\\n\\n' }}
    {{- message['role'] | capitalize + ': ' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for part in message['content'] or [] %}{{- part['text'] }}{% endfor %}
    {%- endif %}
    {%- if message['role'] == 'assistant' and eos_token is defined and eos_token %}
        {{- eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '\\n\\nAssistant:' }}
{%- endif %}
"""
"""Plain turns: `User: …`, a blank line, `Assistant: …`, and the EOS token after each answer."""


@dataclass(frozen=True)
class Encoder:
    """An encoder of text and messages as token ids, within a greatest length.

    Text is joined verbatim, prompt then response, and closed by the EOS token unless it ends on it
    or the tokenizer adds a closing token of its own ([SEP], or T5's EOS). Messages go through the
    tokenizer's chat template, whose output is taken as it is, so BOS is never doubled; where the
    tokenizer has a closing token of its own, its frame ([CLS] … [SEP]) is put around, unless the
    template wrote it.

    `max_length` is in tokens, None for no limit. `truncation` says what becomes of longer ones:
    `drop` them, cut them at the start (`truncate_left`) or the end (`truncate_right`), or refuse
    them (`error`). Cutting keeps the tokens that the tokenizer itself puts at the start and end.

    Raises:
        DataError: an unknown policy, or no room for any token beside the tokenizer's own.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int | None = None
    truncation: str = "drop"

    def __post_init__(self) -> None:
        if self.truncation not in TRUNCATIONS:
            near = nearest(self.truncation, list(TRUNCATIONS))
            raise DataError(f"unknown truncation {self.truncation!r}; {near}")
        if self.max_length is not None and self.max_length <= len(self._frame):
            raise DataError(
                f"max_length must be above the tokenizer's own {len(self._frame)} special tokens, "
                f"got {self.max_length}"
            )

    def encode(self, prompt: Turns, response: Turns, **template_kwargs: Any) -> list[int]:
        """Return the token ids of a response to a prompt, untruncated.

        Text beside messages counts as one message, of the user or the assistant.

        Raises:
            DataError: messages without a chat template, or refused by it.
        """
        if isinstance(prompt, str) and isinstance(response, str):
            return self._encode_text(prompt + response)
        conversation = as_messages(prompt, "user") + as_messages(response, "assistant")
        return self._encode_messages(conversation, **template_kwargs)

    def encode_prompt(self, prompt: Turns, **template_kwargs: Any) -> list[int]:
        """Return the token ids of a prompt that awaits its response: no closing token.

        Raises:
            DataError: as `encode`.
        """
        if not prompt:
            return []
        if isinstance(prompt, str):
            ids = self._tokenize(prompt)
            return ids[: len(ids) - self.frame(ids)[1]]
        ids = self._encode_messages(prompt, add_generation_prompt=True, **template_kwargs)
        return ids[: len(ids) - self.frame(ids)[1]]

    def fit(self, ids: Sequence[int]) -> list[int] | None:
        """Return `ids` within `max_length` by the policy; None where they are to be dropped.

        Raises:
            DataError: they are longer and the policy is `error`.
        """
        over = self.excess(ids)
        if over == 0:
            return list(ids)
        if self.truncation == "error":
            raise DataError(
                f"{len(ids)} tokens are more than max_length={self.max_length}; raise it, or "
                "choose truncation drop, truncate_left or truncate_right"
            )
        if self.truncation == "drop":
            return None
        return self.cut(ids, over)

    def excess(self, ids: Sequence[int]) -> int:
        """Return the number of tokens above `max_length`."""
        return 0 if self.max_length is None else max(0, len(ids) - self.max_length)

    def cut(self, ids: Sequence[int], count: int) -> list[int]:
        """Return `ids` less `count` tokens at the policy's side, the tokenizer's own kept."""
        head, tail = self.frame(ids)
        end = len(ids) - tail
        start, stop = (count, 0) if self.truncation == "truncate_left" else (0, count)
        return [*ids[:head], *ids[head + start : end - stop], *ids[end:]]

    def frame(self, ids: Sequence[int]) -> tuple[int, int]:
        """Return how many tokens at the start and the end of `ids` are the tokenizer's own."""
        for head in range(len(self._frame), -1, -1):
            tail = len(self._frame) - head
            room = len(ids) >= head + tail
            if room and [*ids[:head], *ids[len(ids) - tail :]] == self._frame:
                return head, tail
        return 0, 0

    @cached_property
    def _frame(self) -> list[int]:
        return self._tokenize("")

    def _tokenize(self, text: str) -> list[int]:
        return list(self.tokenizer(text, verbose=False)["input_ids"])

    def _encode_text(self, text: str) -> list[int]:
        ids = self._tokenize(text)
        eos = self.tokenizer.eos_token_id
        if eos is None or self.frame(ids)[1] or ids[-1:] == [eos]:
            return ids
        return [*ids, eos]

    def _encode_messages(self, messages: list[Message], **template_kwargs: Any) -> list[int]:
        if self.tokenizer.chat_template is None:
            raise DataError(
                "messages need a chat template and this tokenizer has none; give one with "
                "chat_template_path (a .jinja file or a model that has one)"
            )
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, **template_kwargs)
        except TemplateError as error:
            raise DataError(f"the chat template refuses the messages ({error})") from error
        ids = self._tokenize(text)
        head, tail = self.frame(ids)
        bare = ids[head : len(ids) - tail]
        if not tail:
            return bare
        start = [] if bare[:head] == ids[:head] else ids[:head]
        end = [] if bare[-tail:] == ids[-tail:] else ids[-tail:]
        return [*start, *bare, *end]


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
    encoded = pairs.map(
        _fit_tokenized if tokenized else _encode_pair,
        with_indices=True,
        fn_kwargs={
            "encoder": encoder,
            "name": name,
            "whole": not tokenized and all(stored_turns(pairs, column) for column in _PAIR),
        },
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
        return [encoder.encode(prompt, response, **kwargs) for response in responses]
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _encode_pair(row: Row, number: int, *, encoder: Encoder, name: str, whole: bool) -> Row:
    """Encode a pair; `whole` columns were checked and are taken as they are."""
    where = f"{name}: row {number}"
    prompt, *sides = (
        row[column] if whole else checked_turns(row[column], f"{where}, field {column!r}")
        for column in _PAIR
    )
    kwargs = template_arguments(row, where)
    try:
        chosen, rejected = (encoder.encode(prompt, side, **kwargs) for side in sides)
        opening = encoder.encode_prompt(prompt, **kwargs)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    shared = min(shared_length(opening, chosen), shared_length(opening, rejected))
    return _fitted(chosen, rejected, shared, encoder)


def _fit_tokenized(row: Row, _: int, *, encoder: Encoder, name: str, whole: bool) -> Row:
    chosen, rejected = row["chosen_ids"], row["rejected_ids"]
    known = row.get("prompt_length")
    shared = shared_length(chosen, rejected) if known is None else known
    fitted = _fitted(chosen, rejected, shared, encoder)
    return {key: value for key, value in fitted.items() if key != PROMPT or known is not None}


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
    return fitted | {_FATE: fate, _LONGEST: longest}


def _features(given: Features, kept_prompt: bool) -> Features:
    number = Value("int32")
    kept = {name: kind for name, kind in given.items() if name not in _TEXT}
    added = {"chosen_ids": List(number), "rejected_ids": List(number)}
    added |= {_FATE: Value("string"), _LONGEST: number}
    return Features(kept | added | ({PROMPT: number} if kept_prompt else {}))


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


def shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the number of leading tokens that two sequences share."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
