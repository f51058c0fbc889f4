"""One prompt and one response to token ids, and the over-length policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from trueward.data.messages import as_messages
from trueward.errors import DataError, nearest
from trueward.types import Message, Turns

TRUNCATIONS = ("drop", "truncate_left", "truncate_right", "error")


@dataclass(frozen=True)
class Encoder:
    """How text and messages become token ids.

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
        """Token ids of a response to a prompt, untruncated.

        Text beside messages counts as one message, of the user or the assistant.

        Raises:
            DataError: messages without a chat template, or refused by it.
        """
        if isinstance(prompt, str) and isinstance(response, str):
            return self._encode_text(prompt + response)
        conversation = as_messages(prompt, "user") + as_messages(response, "assistant")
        return self._encode_messages(conversation, **template_kwargs)

    def encode_prompt(self, prompt: Turns, **template_kwargs: Any) -> list[int]:
        """Token ids of a prompt that awaits its response: no closing token.

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
        """`ids` within `max_length` by the policy; None where they are to be dropped.

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
        """Tokens above `max_length`."""
        return 0 if self.max_length is None else max(0, len(ids) - self.max_length)

    def cut(self, ids: Sequence[int], count: int) -> list[int]:
        """`ids` less `count` tokens at the policy's side, the tokenizer's own tokens kept."""
        head, tail = self.frame(ids)
        end = len(ids) - tail
        body = (
            ids[head + count : end]
            if self.truncation == "truncate_left"
            else ids[head : end - count]
        )
        return [*ids[:head], *body, *ids[end:]]

    def frame(self, ids: Sequence[int]) -> tuple[int, int]:
        """How many tokens at the start and the end of `ids` are the tokenizer's own."""
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


def shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Number of leading tokens that two sequences share."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
