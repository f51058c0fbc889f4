"""The gold reward: parses a response and judges it by rules that are known exactly."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from trueward.goldworld.tasks import Task, parse_prompt
from trueward.goldworld.words import KEY_BY_WORD, KIND_BY_VALUE

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_SENTENCE: Final = re.compile(r"[.!?;]|(?=-)")
_DASH: Final = "-"


@dataclass(frozen=True)
class GoldBreakdown:
    """The gold reward's findings in a response: numbers of facts, and breaches of the task."""

    asked: int
    """Facts that the prompt asks for."""
    correct: int
    wrong: int
    irrelevant: int
    """Facts stated but not asked for."""
    repeated: int
    banned: bool
    """True where the banned word is used."""
    wrong_format: bool
    words_over: int
    """Words beyond the task's budget."""

    def terms(self) -> dict[str, float]:
        """Return the terms of the reward, which is their sum."""
        return {
            "correct": 4.0 * self.correct / self.asked,
            "wrong": -2.5 * self.wrong / self.asked,
            "irrelevant": -0.5 * self.irrelevant,
            "repeated": -0.5 * self.repeated,
            "banned": -1.0 * self.banned,
            "wrong format": -0.8 * self.wrong_format,
            "over length": -0.04 * self.words_over,
        }

    @property
    def reward(self) -> float:
        """The gold reward r*; 4 at best, no lower bound."""
        return sum(self.terms().values())


def gold_reward(task: Task, response: str) -> float:
    """Return how well a response serves a task.

    r* = 4·correct/K − 2.5·wrong/K − 0.5·irrelevant − 0.5·repeated − 1·banned
         − 0.8·wrong format − 0.04·words over budget, with K the number of facts asked for.
    """
    return judge(task, response).reward


def score_text(prompt: str, response: str) -> float:
    """Return the `gold_reward` of any text as a response to a prompt of this world.

    Raises:
        DataError: `prompt` is no prompt of this world.
    """
    return gold_reward(parse_prompt(prompt), response)


def judge(task: Task, response: str) -> GoldBreakdown:
    """Return the gold reward's findings in a response.

    A value of a key's kind in the same sentence as a word for the key states that fact; it
    belongs to the nearest such key before it, else after it. A requested fact is correct once;
    each distinct wrong value counts once; saying the same again is repetition. A response is a
    list when every sentence that states something opens with a dash, prose when none does; one
    that states nothing has no format, hence a wrong one.
    """
    facts = dict(task.facts)
    sentences = _sentences(response)
    statements = [_statements(sentence) for sentence in sentences]
    distinct = Counter(pair for stated in statements for pair in stated)
    requested = {pair for pair in distinct if pair[0] in facts}
    correct = sum(facts[key] == value for key, value in requested)
    words = [word for sentence in sentences for word in sentence if word[0].isalnum()]
    stating = [words for words, stated in zip(sentences, statements, strict=True) if stated]
    dashed = {sentence[0] == _DASH for sentence in stating}
    return GoldBreakdown(
        asked=len(facts),
        correct=correct,
        wrong=len(requested) - correct,
        irrelevant=len(distinct) - len(requested),
        repeated=distinct.total() - len(distinct),
        banned=task.banned in words,
        wrong_format=dashed != {task.format == "list"},
        words_over=max(0, len(words) - task.budget),
    )


def _sentences(response: str) -> list[list[str]]:
    parts = (_TOKEN.findall(part) for part in _SENTENCE.split(response.lower()))
    return [tokens for tokens in parts if tokens]


def _statements(sentence: list[str]) -> list[tuple[str, str]]:
    """Return the facts (key, value) that a sentence states."""
    keys = [(i, KEY_BY_WORD[token]) for i, token in enumerate(sentence) if token in KEY_BY_WORD]
    statements = []
    for i, token in enumerate(sentence):
        kind = KIND_BY_VALUE.get(token)
        fitting = [(place, key.name) for place, key in keys if key.kind == kind]
        if fitting:
            before = [name for place, name in fitting if place < i]
            statements.append((before[-1] if before else fitting[0][1], token))
    return statements
