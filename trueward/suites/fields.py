"""Reading the fields that benchmark rows share: prompts, responses, identities."""

from typing import Any

from trueward.files import JsonField
from trueward.types import Item


def has(row: JsonField, name: str) -> bool:
    """Whether the row has the field, and something in it."""
    return not row.is_null and name in row.members() and not row[name].is_null


def conversation(field: JsonField) -> list[dict[str, Any]]:
    """A prompt as messages: text is one message of the user."""
    if isinstance(field.value, str):
        return [{"role": "user", "content": field.value}]
    if not isinstance(field.value, list) or not field.value:
        field.fail("text or a list of messages")
    return [{name: turn[name].text() for name in ("role", "content")} for turn in field.items()]


def reply(field: JsonField) -> str:
    """A response: text, or a list of one message."""
    if isinstance(field.value, list) and len(field.value) == 1:
        return field.items()[0]["content"].text()
    return field.value if isinstance(field.value, str) else field.fail("text or one message")


def subset_pair(row: JsonField, subset: str, number: int) -> Item:
    """A pair, the better response first; ids are the row's own, or its number, within a subset."""
    own = identity(row["id"]) if has(row, "id") else str(number)
    return Item(
        id=f"{subset}/{own}",
        prompt=conversation(row["prompt"]),
        responses=(reply(row["chosen"]), reply(row["rejected"])),
        subset=subset,
    )


def replies(field: JsonField, count: int | None = None) -> tuple[str, ...]:
    """A list of responses, exactly `count` of them where that is given, else at least one."""
    found = tuple(reply(item) for item in field.items())
    if count is not None and len(found) != count:
        field.fail(f"a list of {count} responses")
    return found if found else field.fail("at least one response")


def identity(field: JsonField) -> str:
    """An id, as text: text or a whole number."""
    usable = isinstance(field.value, str | int) and not isinstance(field.value, bool)
    return str(field.value) if usable else field.fail("text or a whole number")


def flag(field: JsonField) -> bool:
    """Right or wrong: true or false, or 1 or 0."""
    return bool(field.value) if field.value in (0, 1) else field.fail("true, false, 1 or 0")


def one_of(field: JsonField, names: tuple[str, ...]) -> str:
    """A text that must be one of these."""
    return (
        field.text()
        if field.value in names
        else field.fail("one of " + ", ".join(map(repr, names)))
    )
