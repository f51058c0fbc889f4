"""Preference pairs: two writers' answers, or one answer and its near-duplicate."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, Final

from trueward.goldworld.gold import gold_reward, judge
from trueward.goldworld.tasks import Task, format_prompt
from trueward.goldworld.words import KEY_BY_NAME, VALUES
from trueward.goldworld.writers import Writer, other_value, write

_ATTEMPTS: Final = 1000


@dataclass(frozen=True)
class Pair:
    """One row of preference data; a flipped one has the better response as `rejected`."""

    prompt: str
    chosen: str
    rejected: str
    prompt_id: str
    chosen_source: str
    rejected_source: str
    chosen_score: float
    rejected_score: float
    flipped: bool = False

    def flip(self) -> "Pair":
        """The same pair under the opposite label."""
        return replace(
            self,
            chosen=self.rejected,
            rejected=self.chosen,
            chosen_source=self.rejected_source,
            rejected_source=self.chosen_source,
            chosen_score=self.rejected_score,
            rejected_score=self.chosen_score,
            flipped=not self.flipped,
        )

    def row(self) -> dict[str, Any]:
        """The columns of a dataset."""
        return asdict(self)


def two_writers_pair(
    rng: Random, prompt_id: str, task: Task, writers: Sequence[Writer], min_gap: float
) -> Pair:
    """Two different writers' answers, the better one (by gold) chosen; redrawn until they differ
    by `min_gap`, so there are no ties.
    """
    for _ in range(_ATTEMPTS):
        drawn = rng.sample(list(writers), 2)
        texts = [write(rng, task, writer) for writer in drawn]
        golds = [gold_reward(task, text) for text in texts]
        if abs(golds[0] - golds[1]) >= min_gap:
            best = int(golds[1] > golds[0])
            return Pair(
                prompt=format_prompt(task),
                chosen=texts[best],
                rejected=texts[1 - best],
                prompt_id=prompt_id,
                chosen_source=drawn[best].name,
                rejected_source=drawn[1 - best].name,
                chosen_score=golds[best],
                rejected_score=golds[1 - best],
            )
    raise AssertionError("unreachable: writers' answers always come to differ")


def similar_pair(rng: Random, prompt_id: str, task: Task, writers: Sequence[Writer]) -> Pair:
    """An answer and the same with one right value made wrong: gold falls by 6.5/K exactly."""
    for _ in range(_ATTEMPTS):
        writer = rng.choice(list(writers))
        text = write(rng, task, writer)
        spoiled = _spoil(rng, task, text)
        if spoiled is not None:
            return Pair(
                prompt=format_prompt(task),
                chosen=text,
                rejected=spoiled,
                prompt_id=prompt_id,
                chosen_source=writer.name,
                rejected_source=writer.name,
                chosen_score=gold_reward(task, text),
                rejected_score=gold_reward(task, spoiled),
            )
    raise AssertionError("unreachable: writers state right values time and again")


def _spoil(rng: Random, task: Task, text: str) -> str | None:
    """The text with one fact's value replaced; None where no fact is stated right just once."""
    before = judge(task, text)
    for name, value in rng.sample(task.facts, len(task.facts)):
        key = KEY_BY_NAME[name]
        spots = list(re.finditer(rf"\b{value}\b", text, re.IGNORECASE))
        if len(spots) != 1:
            continue
        wrong = other_value(rng, key, value, held_out=value in VALUES[key.kind].held_out)
        wrong = wrong.capitalize() if spots[0].group()[0].isupper() else wrong
        spoiled = text[: spots[0].start()] + wrong + text[spots[0].end() :]
        expected = replace(before, correct=before.correct - 1, wrong=before.wrong + 1)
        if judge(task, spoiled) == expected:
            return spoiled
    return None
