"""A set with its scores, and the views of it that diagnostics take."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy import ndarray

from trueward.data.messages import bigram_cosine, plain_text
from trueward.errors import DataError
from trueward.evaluate.diagnosis.questions import Question, QuestionSet
from trueward.evaluate.diagnosis.rewards import Rows
from trueward.evaluate.diagnosis.states import States
from trueward.stats import bootstrap_mean

NOT_PROBED = "prompts to edit and probe: --probed was 0"
NO_PAIRS = "pairs: rows of chosen and rejected, or two or more scored responses a prompt"


@dataclass(frozen=True)
class Pairs:
    """Chosen against rejected: columns with one row a pair."""

    chosen: ndarray
    rejected: ndarray
    chosen_tokens: ndarray
    rejected_tokens: ndarray
    units: Sequence[str]
    flipped: Sequence[bool | None]
    questions: Sequence[tuple[int, int, int]]
    """Places of the question, of its chosen and of its rejected response."""

    @property
    def margins(self) -> ndarray:
        """Reward of chosen minus rejected, in logits."""
        return self.chosen - self.rejected


@dataclass(frozen=True)
class ScoredSet:
    """Questions, their rows and the hidden states of a sample of them."""

    set: QuestionSet
    scored: Rows
    states: States

    @property
    def questions(self) -> tuple[Question, ...]:
        """In the order of the rows."""
        return self.set.questions

    @property
    def rows(self) -> Sequence[dict[str, Any]]:
        """One a question."""
        return self.scored.rows

    @cached_property
    def pairs(self) -> Pairs:
        """Every pair. Raises DataError without any."""
        places = [(i, a, b) for i, q in enumerate(self.questions) for a, b in q.pairs]
        if not places:
            raise DataError(NO_PAIRS)
        chosen, rejected, chosen_tokens, rejected_tokens = (
            np.array([self.rows[place[0]][field][place[side]] for place in places], dtype=float)
            for field in ("rewards", "tokens")
            for side in (1, 2)
        )
        asked = [self.questions[i] for i, _, _ in places]
        return Pairs(
            chosen,
            rejected,
            chosen_tokens,
            rejected_tokens,
            [q.unit for q in asked],
            [q.flipped for q in asked],
            places,
        )

    @cached_property
    def similarity(self) -> list[float]:
        """Of each pair's responses, by words alone."""
        return [
            bigram_cosine(*(plain_text(self.questions[i].responses[k]) for k in (a, b)))
            for i, a, b in self.pairs.questions
        ]

    def flat(self, field: str) -> ndarray:
        """`rewards` or `tokens` of all responses."""
        return np.array([value for row in self.rows for value in row[field]], dtype=float)

    def units(self) -> list[str]:
        """The prompt of each response."""
        return [q.unit for q in self.questions for _ in q.responses]

    def judged(self) -> frozenset[str]:
        """Half of the prompts at random, always the same; the other half is there to fit on."""
        units = sorted({question.unit for question in self.questions})
        order = np.random.default_rng(0).permutation(len(units))
        return frozenset(units[i] for i in order[: (len(units) + 1) // 2])

    def halves(self) -> tuple[ndarray, ndarray]:
        """Which pairs are judged, and which are there to fit on: of other prompts.

        Raises DataError where all pairs are of one prompt.
        """
        half = self.judged()
        judged = np.array([unit in half for unit in self.pairs.units])
        if judged.all() or not judged.any():
            raise DataError("pairs of two or more prompts: one half to fit on, one to judge")
        return judged, ~judged


def interval(values: Sequence[float], units: Sequence[str]) -> dict[str, float]:
    """The mean with its 95 % bootstrap interval over prompts."""
    return asdict(bootstrap_mean([float(value) for value in values], list(units)))
