"""Data that models are diagnosed on: sets of prompts, and texts beside their real responses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

from datasets import Dataset

from trueward.data import load_rows
from trueward.data.forms import resolve
from trueward.data.messages import as_messages, as_text, checked_turns
from trueward.data.pairs import paired_prompts
from trueward.diagnostics import EDITS, PROBES
from trueward.errors import DataError, InputError
from trueward.goldworld import build_scenarios
from trueward.runs import rows_digest
from trueward.settings import Setting
from trueward.types import Prompt, Scenarios, Turns

T = TypeVar("T")
WORLD = "goldworld"
"""Stands for the embedded gold world's four scenarios, similar pairs and training pairs."""
TRAIN = "train"
"""Name of the set of training data."""
TRAIN_ROWS = 1000
"""Most training rows that are scored, spread evenly."""
STATES = 600
"""Most responses a set whose hidden states are kept: norms and rank settle long before."""
TOKENS = "of the response alone"
"""The tokens that a row counts; rows that counted the prompt's as well are made anew."""


@dataclass(frozen=True)
class PromptSet:
    """A set of data to diagnose on."""

    name: str
    source: str
    prompts: tuple[Prompt, ...]
    left_out: Mapping[str, int]
    """Counts of rows or prompts by the reason why they were left out."""

    @property
    def digest(self) -> str:
        """The digest of all that is scored, and of its labels."""
        return rows_digest(
            {
                "name": "",
                "prompt": one.prompt,
                "responses": one.responses,
                "sources": one.sources,
                "gold": one.scores or None,
                "pairs": one.pairs,
                "flipped": one.labels.get("flipped"),
            }
            for one in self.prompts
        )


def read_sets(
    data: Mapping[str, str], train_data: str | None = None, *, limit: int | None = None
) -> tuple[list[PromptSet], PromptSet | None]:
    """Read sets by name, and the training data if it is given.

    Args:
        data: a file, folder or hub name by the set's name; or `goldworld`.
        train_data: the data that the models were trained on; the gold world brings its own.
        limit: only the first so many prompts of each set, which then is called so.

    Raises:
        InputError: two sets have one name, or one is called as the training data is.
        DataError: data that is not there, or not what it must be.
    """
    scenarios = build_scenarios() if WORLD in (*data.values(), train_data) else None
    found: list[PromptSet] = []
    for name, source in data.items():
        if source == WORLD and scenarios is not None:
            found += _of_world(scenarios, limit)
        else:
            found.append(read_set(source, _stem(name, limit), limit=limit))
    names = [one.name for one in found]
    if not names:
        raise InputError(f"nothing to diagnose on: give --data FILE, or --data {WORLD}")
    if twice := next((n for n in names if names.count(n) > 1 or n == TRAIN), None):
        raise InputError(f"the name {twice!r} of a set is taken; give --data NAME=FILE")
    if scenarios is not None and train_data in (None, WORLD):
        known = read_set(scenarios.train, TRAIN, most=TRAIN_ROWS)
        return found, replace(known, source=WORLD)
    if train_data is None:
        return found, None
    return found, read_set(train_data, TRAIN, most=TRAIN_ROWS)


def read_set(
    source: str | Dataset, name: str, *, limit: int | None = None, most: int | None = None
) -> PromptSet:
    """Read prompts with their pairs from any data that `to_pairs` understands as text or messages.

    Args:
        source: a file, folder or hub name, or rows.
        name: what the set is called.
        limit: only the first so many prompts.
        most: at most so many prompts, spread evenly.

    Raises:
        DataError: an unknown form, token ids without text, or nothing left.
    """
    words = source if isinstance(source, str) else name
    found, left_out = paired_prompts(load_rows(source), words)
    return PromptSet(name, words, tuple(spread(found[:limit], most)), left_out)


def spread(items: Sequence[T], most: int | None) -> Sequence[T]:
    """Return at most so many items, at even distances, the first and the last among them."""
    if most is None or len(items) <= most:
        return items
    last = len(items) - 1
    return [items[round(i * last / max(1, most - 1))] for i in range(most)]


def _of_world(scenarios: Scenarios, limit: int | None) -> list[PromptSet]:
    parts = {**scenarios.groups(), "similar_pairs": scenarios.similar_pairs}
    return [
        replace(read_set(rows, _stem(part, limit), limit=limit), source=WORLD)
        for part, rows in parts.items()
        if rows is not None
    ]


def _stem(name: str, limit: int | None) -> str:
    """Return a set's name: a part never passes for the whole."""
    return name if limit is None else f"{name}.first-{limit}"


def state_sample(prompts: Sequence[Prompt]) -> Sequence[Prompt]:
    """Return prompts at even distances, of `STATES` responses or fewer where that is possible."""
    total = sum(len(one.responses) for one in prompts)
    return spread(prompts, max(1, STATES * len(prompts) // max(total, STATES)))


# Variants: texts that are scored beside the real responses


GivenAnswers: TypeAlias = Mapping[str, Sequence[tuple[str, Turns]]]
"""Names and texts of the answers that were given, by prompt (`_key`)."""


@dataclass(frozen=True)
class Variant:
    """A text that is scored beside the real responses of a prompt."""

    kind: str
    """`edits`, `probes` or `given`, the field of a row that takes its reward."""
    name: str
    turns: Turns


@dataclass(frozen=True)
class Plan:
    """A set and the variants that are scored beside its responses."""

    set: PromptSet
    given: GivenAnswers
    probed: frozenset[int]
    """Places of the prompts whose edits and fixed probes are scored."""

    def identity(self) -> dict[str, Setting]:
        """Return what two sittings must share."""
        return {
            "data": self.set.digest,
            "tokens": TOKENS,
            "probed": len(self.probed),
            "answers": rows_digest({"prompt": p, "answers": a} for p, a in self.given.items()),
            "states": STATES,
        }

    def variants(self, place: int) -> list[Variant]:
        """Return the given answers to the prompt there, and its edits and probes if it is probed.

        Content that is not text (calls of tools, images) cannot be edited, and has no variants.
        """
        prompt = self.set.prompts[place]
        answers = self.given.get(_key(prompt.prompt), ())
        found = [Variant("given", name, answer) for name, answer in answers]
        response, asked = prompt.responses[starting_point(prompt)], _asked(prompt.prompt)
        if place not in self.probed or asked is None or not _is_text(response):
            return found
        edits = [Variant("edits", n, _changed(response, edit.apply)) for n, edit in EDITS.items()]
        probes = [
            Variant("probes", name, _changed(response, partial(probe, asked)))
            for name, probe in PROBES.items()
        ]
        return edits + probes + found


def plans_of(
    sets: Sequence[PromptSet], train: PromptSet | None, answers: str | None, probed: int
) -> dict[str, Plan]:
    """Return the plan of every set; the training data's has no edits, probes or given answers.

    Args:
        sets: what to diagnose on.
        train: the training data.
        answers: a file of answers that no one would want.
        probed: prompts a set on which edits and fixed probes are scored.
    """
    given = read_answers(answers, [p for one in sets for p in one.prompts]) if answers else {}
    plans = {} if train is None else {train.name: Plan(train, {}, frozenset())}
    for one in sets:
        places = spread(range(len(one.prompts)), probed) if probed else ()
        plans[one.name] = Plan(one, given, frozenset(places))
    return plans


def read_answers(source: str, prompts: Sequence[Prompt]) -> GivenAnswers:
    """Read probe answers from rows of `prompt`, `response` and, to tell kinds apart, `probe`.

    Raises:
        DataError: a field is missing, or a prompt is none of those given.
    """
    rows = load_rows(source)
    roles = resolve(rows.column_names, None, source)
    if not {"prompt", "response"} <= roles.keys():
        raise DataError(f"{source}: expected prompt and response, got {rows.column_names}")
    known = {_key(one.prompt) for one in prompts}
    found: dict[str, list[tuple[str, Turns]]] = {}
    for number, row in enumerate(rows):
        where = f"{source}: row {number}"
        prompt = checked_turns(row[roles["prompt"]], f"{where}, field {roles['prompt']!r}")
        answer = checked_turns(row[roles["response"]], f"{where}, field {roles['response']!r}")
        if _key(prompt) not in known:
            raise DataError(
                f"{where}: its prompt is in none of the data given, so there is no real response "
                "to compare with; add it to --data, or leave the row out"
            )
        found.setdefault(_key(prompt), []).append((str(row.get("probe") or "given"), answer))
    return found


def starting_point(prompt: Prompt) -> int:
    """Return the place of the response that edits and probes begin with: chosen, else the first."""
    return prompt.pairs[0][0] if prompt.pairs else 0


def _key(prompt: Turns) -> str:
    """Return a prompt as one text, the same for text and one message of the user."""
    return repr(as_messages(prompt, "user"))


def _asked(prompt: Turns) -> str | None:
    """Return the words of the prompt's last message; None where they are not text."""
    if isinstance(prompt, str):
        return prompt.strip()
    content = prompt[-1]["content"] if prompt else None
    return content if isinstance(content, str) else None


def _is_text(response: Turns) -> bool:
    return isinstance(response, str) or (
        len(response) == 1 and isinstance(response[0]["content"], str)
    )


def _changed(response: Turns, change: Callable[[str], str]) -> Turns:
    """Return the response with its text changed; white space before it, which joins it, stays."""
    text = as_text(response)
    body = text.lstrip()
    new = text[: len(text) - len(body)] + change(body)
    return new if isinstance(response, str) else [{**response[0], "content": new}]
