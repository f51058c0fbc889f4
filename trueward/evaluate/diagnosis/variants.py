"""Texts that are scored beside the real responses: edits of one of them, probes, given answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from trueward.data import load_rows
from trueward.data.forms import resolve
from trueward.data.messages import as_messages, as_text, checked_turns
from trueward.diagnostics import EDITS, PROBES
from trueward.errors import DataError
from trueward.evaluate.diagnosis.questions import Question
from trueward.types import Turns

GivenAnswers: TypeAlias = Mapping[str, Sequence[tuple[str, Turns]]]
"""By a prompt's text: names and answers."""


@dataclass(frozen=True)
class Variant:
    """One such text."""

    kind: str
    """`edit`, `probe` or `given`."""
    name: str
    turns: Turns


def starting_point(question: Question) -> int:
    """The place of the response that edits and probes begin with: chosen, else the first."""
    return question.pairs[0][0] if question.pairs else 0


def variants(question: Question, given: GivenAnswers, *, fixed: bool) -> list[Variant]:
    """The given answers to its prompt; and if `fixed`, every edit and every fixed probe.

    What is not text (calls of tools, images) cannot be edited, and has no variants.
    """
    found = [
        Variant("given", name, answer) for name, answer in given.get(as_key(question.prompt), ())
    ]
    response = question.responses[starting_point(question)]
    asked = _asked(question.prompt)
    if not fixed or asked is None or _body(response) is None:
        return found
    edits = [Variant("edit", n, _changed(response, edit.apply)) for n, edit in EDITS.items()]
    probes = [
        Variant("probe", name, _changed(response, partial(probe, asked)))
        for name, probe in PROBES.items()
    ]
    return edits + probes + found


def read_answers(source: str, questions: Sequence[Question]) -> GivenAnswers:
    """Probe answers from rows of `prompt`, `response` and, to tell kinds apart, `probe`.

    Raises:
        DataError: a field is missing, or a prompt is in none of the questions.
    """
    rows = load_rows(source)
    roles = resolve(rows.column_names, None, source)
    if not {"prompt", "response"} <= roles.keys():
        raise DataError(f"{source}: expected prompt and response, got {rows.column_names}")
    known = {as_key(question.prompt) for question in questions}
    found: dict[str, list[tuple[str, Turns]]] = {}
    for number, row in enumerate(rows):
        where = f"{source}: row {number}"
        prompt = checked_turns(row[roles["prompt"]], f"{where}, field {roles['prompt']!r}")
        answer = checked_turns(row[roles["response"]], f"{where}, field {roles['response']!r}")
        if as_key(prompt) not in known:
            raise DataError(
                f"{where}: its prompt is in none of the data given, so there is no real response "
                "to compare with; add it to --data, or leave the row out"
            )
        name = str(row.get("probe") or "given")
        found.setdefault(as_key(prompt), []).append((name, answer))
    return found


def as_key(prompt: Turns) -> str:
    """A prompt as one text, so that text and one message of the user are the same prompt."""
    return repr(as_messages(prompt, "user"))


def _asked(prompt: Turns) -> str | None:
    """What the prompt's last message says; None where that is not text."""
    if isinstance(prompt, str):
        return prompt.strip()
    content = prompt[-1]["content"] if prompt else None
    return content if isinstance(content, str) else None


def _body(response: Turns) -> str | None:
    if isinstance(response, list) and (
        len(response) != 1 or not isinstance(response[0]["content"], str)
    ):
        return None
    return as_text(response)


def _changed(response: Turns, change: Callable[[str], str]) -> Turns:
    """The response with its text changed; white space before it, which joins it, stays."""
    text = as_text(response)
    body = text.lstrip()
    new = text[: len(text) - len(body)] + change(body)
    return new if isinstance(response, str) else [{**response[0], "content": new}]
