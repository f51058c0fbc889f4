"""Tasks and their prompts: what must be stated, in what form, in how many words."""

import re
from dataclasses import dataclass
from random import Random
from typing import Final

from trueward.errors import DataError
from trueward.goldworld.words import (
    ADJECTIVES,
    FACT_COUNTS,
    FORMATS,
    KEY_BY_NAME,
    KEYS,
    SLACKS,
    TOPICS,
    VALUES,
    VERBS,
    WORDS_A_FACT,
    Key,
)

HELD_OUT_VALUE_SHARE: Final = 0.5
"""Chance that a fact of a held-out prompt has a value that training never shows."""

_PROMPT: Final = re.compile(
    r"(?P<verb>\w+) the (?P<topic>\w+) (?:as a|in) (?P<format>\w+) in at most (?P<budget>\d+)"
    r" words, without the word (?P<banned>\w+)\. facts: (?P<facts>[\w ,]+)\. answer:\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Task:
    """The content of a prompt."""

    verb: str
    topic: str
    facts: tuple[tuple[str, str], ...]
    """(key, value), in the prompt's order."""
    banned: str
    """A word that an answer must not have."""
    format: str
    """`list` or `prose`."""
    budget: int
    """Most words an answer may have without penalty."""


def format_prompt(task: Task) -> str:
    """Return the task in English; ends in a newline, so that an answer can follow verbatim."""
    form = "as a list" if task.format == "list" else "in prose"
    facts = ", ".join(f"{key} {value}" for key, value in task.facts)
    return (
        f"{task.verb.capitalize()} the {task.topic} {form} in at most {task.budget} words, "
        f"without the word {task.banned}. Facts: {facts}. Answer:\n"
    )


def parse_prompt(text: str) -> Task:
    """Return the task that a prompt states, the inverse of `format_prompt`; case does not matter.

    Raises:
        DataError: the text is no prompt of this world.
    """
    plain = re.sub(r"\s+([.,:])", r"\1", " ".join(text.split())).lower()
    match = _PROMPT.fullmatch(plain)
    if match is None:
        raise DataError(
            "expected a gold-world prompt ('Describe the mill as a list in at most 12 words, "
            f"without the word cheap. Facts: price ten, ... Answer:'), got {text[:80]!r}"
        )
    pairs = [tuple(fact.split()) for fact in match["facts"].split(",")]
    facts = tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2)
    unknown = [key for key, _ in facts if key not in KEY_BY_NAME]
    if unknown or len(facts) != len(pairs) or match["format"] not in FORMATS:
        raise DataError(f"expected facts of known keys and a known format, got {text[:160]!r}")
    return Task(
        verb=match["verb"],
        topic=match["topic"],
        facts=facts,
        banned=match["banned"],
        format=match["format"],
        budget=int(match["budget"]),
    )


def draw_task(rng: Random, *, held_out: bool) -> Task:
    """Draw a task; a held-out one has an unseen topic and some unseen values."""
    keys = rng.sample(KEYS, rng.choice(FACT_COUNTS))
    budget = WORDS_A_FACT * len(keys) + rng.choice(SLACKS)
    return Task(
        verb=rng.choice(VERBS),
        topic=rng.choice(TOPICS.held_out if held_out else TOPICS.train),
        facts=_draw_facts(rng, keys, held_out),
        banned=rng.choice(ADJECTIVES.train),
        format=rng.choice(FORMATS),
        budget=budget,
    )


def _draw_facts(rng: Random, keys: list[Key], held_out: bool) -> tuple[tuple[str, str], ...]:
    facts: list[tuple[str, str]] = []
    for key in keys:
        unseen = held_out and rng.random() < HELD_OUT_VALUE_SHARE
        pool = VALUES[key.kind].held_out if unseen else VALUES[key.kind].train
        taken = {value for _, value in facts}
        facts.append((key.name, rng.choice([value for value in pool if value not in taken])))
    return tuple(facts)
