"""The encoder: prompts and responses as token ids, in a tokenizer's own form, within a length."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from datasets.fingerprint import Hasher
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from trueward.data.messages import as_messages
from trueward.errors import DataError, nearest
from trueward.types import Turns

TRUNCATIONS = ("drop", "truncate_left", "truncate_right", "error")

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


class Written(NamedTuple):
    """A text for the tokenizer."""

    text: str
    by_template: bool = False
    awaiting: bool = False
    """True for a prompt that awaits its response."""


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
        return self.tokenize([self.written(prompt, response, **template_kwargs)])[0]

    def encode_prompt(self, prompt: Turns, **template_kwargs: Any) -> list[int]:
        """Return the token ids of a prompt that awaits its response: no closing token.

        Raises:
            DataError: as `encode`.
        """
        return self.tokenize([self.written(prompt, None, **template_kwargs)])[0]

    def written(self, prompt: Turns, response: Turns | None, **template_kwargs: Any) -> Written:
        """Return the text that the tokenizer gets; without a response, the prompt that awaits one.

        Raises:
            DataError: as `encode`.
        """
        awaiting = response is None
        if not prompt and awaiting:
            return Written("", awaiting=True)
        text = "" if response is None else response
        if isinstance(prompt, str) and isinstance(text, str):
            return Written(prompt + text, awaiting=awaiting)
        messages = as_messages(prompt, "user") + (
            [] if response is None else as_messages(response, "assistant")
        )
        if self.tokenizer.chat_template is None:
            raise DataError(
                "messages need a chat template and this tokenizer has none; give one with "
                "chat_template_path (a .jinja file or a model that has one)"
            )
        if awaiting:
            template_kwargs["add_generation_prompt"] = True
        try:
            whole = self.tokenizer.apply_chat_template(messages, tokenize=False, **template_kwargs)
        except TemplateError as error:
            raise DataError(f"the chat template refuses the messages ({error})") from error
        return Written(whole, by_template=True, awaiting=awaiting)

    def tokenize(self, written: Sequence[Written]) -> list[list[int]]:
        """Return the token ids of each text, in one call of the tokenizer and equal texts once."""
        texts = list(dict.fromkeys(one.text for one in written))
        ids = dict(zip(texts, self._tokenize(texts), strict=True)) if texts else {}
        return [self._finished(ids[one.text], one) for one in written]

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
        if not self._frame:
            return 0, 0
        for head in range(len(self._frame), -1, -1):
            tail = len(self._frame) - head
            room = len(ids) >= head + tail
            if room and [*ids[:head], *ids[len(ids) - tail :]] == self._frame:
                return head, tail
        return 0, 0

    @property
    def key(self) -> list[object]:
        """All that token ids depend on, the same in every process: a key of what is stored."""
        self._tokenize([""])  # takes the padding and truncation of other calls off
        tokenizer: Any = self.tokenizer
        fast = getattr(tokenizer, "backend_tokenizer", None)
        return [
            type(tokenizer).__qualname__,
            Hasher.hash(tokenizer) if fast is None else fast.to_str(),
            tokenizer.special_tokens_map,
            getattr(tokenizer, "split_special_tokens", None),
            tokenizer.chat_template,
            self.max_length,
            self.truncation,
        ]

    @cached_property
    def _frame(self) -> list[int]:
        return self._tokenize([""])[0]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        found = self.tokenizer(
            texts, verbose=False, return_attention_mask=False, return_token_type_ids=False
        )
        ids: list[list[int]] = found["input_ids"]
        return ids

    def _finished(self, ids: list[int], written: Written) -> list[int]:
        """Return the ids of a text in the tokenizer's frame once, closed unless it is awaiting."""
        if written.awaiting and not written.text and not written.by_template:
            return []
        if written.by_template:
            ids = self._framed_once(ids)
        elif not written.awaiting:
            ids = self._closed(ids)
        return ids[: len(ids) - self.frame(ids)[1]] if written.awaiting else ids

    def _closed(self, ids: list[int]) -> list[int]:
        eos = self.tokenizer.eos_token_id
        return ids if eos is None or self.frame(ids)[1] or ids[-1:] == [eos] else [*ids, eos]

    def _framed_once(self, ids: list[int]) -> list[int]:
        head, tail = self.frame(ids)
        if not head and not tail:
            return ids
        bare = ids[head : len(ids) - tail]
        if not tail:
            return bare
        start = [] if bare[:head] == ids[:head] else ids[:head]
        end = [] if bare[-tail:] == ids[-tail:] else ids[-tail:]
        return [*start, *bare, *end]
