"""Text and message lists: check them, convert them, and compare two."""

import json
import math
import re
from collections import Counter
from itertools import pairwise, takewhile
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from trueward.errors import DataError
from trueward.types import Message, Row, Turns

_WORD = re.compile(r"\w+|[^\w\s]")
_TRANSCRIPT_TURN = re.compile(r"\n\n(Human|Assistant):")
_MESSAGES = pa.list_(pa.struct({"content": pa.string(), "role": pa.string()}))
_TRANSCRIPT_ROLES = {"Human": "user", "Assistant": "assistant"}


def checked_turns(value: Any, where: str) -> Turns:
    """Return `value` as text or messages, absent keys (nulls of an Arrow table) removed.

    Raises:
        DataError: it is neither, or no Unicode text; the message begins with `where`.
    """
    check_text(value, where)
    return turns_of(value, where)


def turns_of(value: Any, where: str) -> Turns:
    """Return `value` as `checked_turns` does, its text being checked already."""
    if isinstance(value, str):
        return value
    messages = [value] if isinstance(value, dict) else value
    if not isinstance(messages, list):
        raise DataError(f"{where}: expected text or a list of messages, got {described(value)}")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise DataError(
                f"{where}: message {number} is not a mapping with 'role' and 'content': "
                f"got {described(message)}"
            )
    return [{"content": m.get("content")} | without_nulls(m) for m in messages]


def stored_turns(rows: Dataset, column: str) -> str:
    """Return `text` or `messages` where `checked_turns` would keep a column as it is, else "".

    Arrow's types and counts of nulls prove it; the text of an Arrow string is Unicode.
    """
    values = rows.data.column(column)
    if values.type == pa.string():
        return "" if values.null_count else "text"
    if values.type != _MESSAGES:
        return ""
    messages = pc.list_flatten(values)
    parts = (values, messages, *(pc.struct_field(messages, key) for key in ("content", "role")))
    return "" if any(part.null_count for part in parts) else "messages"


def check_text(value: Any, where: str) -> None:
    """Raise DataError for text, at any depth, with half a character: no tokenizer or file takes it.

    JSON can hold one half of a surrogate pair alone; UTF-8 cannot.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{where}: character {error.start} is half a surrogate pair "
                f"({value[error.start]!a}), which is no text; mend it"
            ) from error
    elif isinstance(value, dict):
        check_text([*value, *value.values()], where)
    elif isinstance(value, list):
        for member in value:
            check_text(member, where)


def as_messages(turns: Turns, role: str) -> list[Message]:
    """Return messages as they are, text as one message of `role`."""
    return [{"role": role, "content": turns}] if isinstance(turns, str) else turns


def as_text(turns: Turns) -> str:
    """Return text as it is, one message as its content, several as a transcript with roles.

    Raises:
        DataError: a message's content is not text.
    """
    if isinstance(turns, str):
        return turns
    for message in turns:
        if not isinstance(message["content"], str):
            raise DataError(
                f"a message of role {message['role']!r} holds {described(message['content'])}, "
                "not text; such content needs a chat template"
            )
    if len(turns) == 1:
        return str(turns[0]["content"])
    return "".join(f"\n\n{m['role'].capitalize()}: {m['content']}" for m in turns)


def plain_text(turns: Turns) -> str:
    """Return the words alone, for counting and comparing."""
    if isinstance(turns, str):
        return turns
    return "\n".join(m["content"] if isinstance(m["content"], str) else "" for m in turns)


def without_nulls(value: Any) -> Any:
    """Drop keys whose value is None, at every depth: Arrow adds them where rows differ in keys."""
    if isinstance(value, dict):
        return {key: without_nulls(v) for key, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def template_arguments(row: Row, where: str) -> dict[str, Any]:
    """Return a row's `tools` (a list, or its JSON) and `chat_template_kwargs`.

    Raises:
        DataError: `tools` is text but no JSON.
    """
    arguments = dict(without_nulls(row.get("chat_template_kwargs") or {}))
    tools = row.get("tools")
    if isinstance(tools, str):
        try:
            tools = json.loads(tools)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}, field 'tools': not valid JSON ({error.msg})") from error
    return arguments | ({"tools": without_nulls(tools)} if tools else {})


def is_transcript(text: Any) -> bool:
    """Return whether `text` begins as an hh-rlhf transcript does."""
    return isinstance(text, str) and text.startswith("\n\nHuman:")


def parse_transcript(text: str) -> list[Message]:
    r"""Turn `\n\nHuman: … \n\nAssistant: …` into messages, without the space around turns."""
    _, *parts = _TRANSCRIPT_TURN.split(text)
    return [
        {"role": _TRANSCRIPT_ROLES[role], "content": content.strip()}
        for role, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def split_shared_turns(
    chosen: list[Message], rejected: list[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """Split off the leading messages both share as the prompt; each side keeps at least one."""
    turns = list(zip(chosen[:-1], rejected[:-1], strict=False))
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], turns))
    return chosen[:shared], chosen[shared:], rejected[shared:]


def split_shared_text(chosen: str, rejected: str) -> tuple[str, str, str]:
    """Split off the leading whole words both share as the prompt; each side keeps something."""
    limit = max(0, min(len(chosen), len(rejected)) - 1)
    pairs = zip(chosen[:limit], rejected[:limit], strict=True)
    cut = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    while cut > 0 and not chosen[cut].isspace():
        cut -= 1
    return chosen[:cut], chosen[cut:], rejected[cut:]


def described(value: Any) -> str:
    """Return a value's type and beginning, for an error message."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '…'}"


def bigram_cosine(first: str, second: str) -> float:
    """Return the cosine of the counts of word bigrams, in [0, 1].

    Words are lower-cased runs of letters and digits, or single marks; the text's beginning and end
    count as words, so that every text has a bigram.

        cos = Σ_g a_g b_g / √(Σ_g a_g² · Σ_g b_g²)
    """
    a, b = _bigrams(first), _bigrams(second)
    product = sum(count * b[bigram] for bigram, count in a.items())
    return product / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))


def _bigrams(text: str) -> Counter[tuple[str, str]]:
    return Counter(pairwise(["", *_WORD.findall(text.lower()), ""]))
