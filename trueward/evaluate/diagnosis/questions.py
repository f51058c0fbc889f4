"""What is diagnosed on: prompts with their responses, who wrote them, and what is known of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from datasets import Dataset

from trueward.data import load_rows, paired_prompts
from trueward.runs import rows_digest
from trueward.types import Turns


@dataclass(frozen=True)
class Question:
    """A prompt and its responses."""

    name: str
    """For messages: file, and row or prompt."""
    prompt: Turns
    responses: tuple[Turns, ...]
    sources: tuple[str | None, ...]
    """Who wrote each response, where it is known."""
    gold: tuple[float, ...] | None
    """The data's score of each response, where it has scores."""
    pairs: tuple[tuple[int, int], ...]
    """Places of a chosen and a rejected response."""
    flipped: bool | None = None
    """Whether the pair's label was flipped, where the data says so."""

    @property
    def unit(self) -> str:
        """The same for every row of one prompt: what resampling and splitting move together."""
        return repr(self.prompt)


@dataclass(frozen=True)
class QuestionSet:
    """One set of data, read."""

    name: str
    source: str
    questions: tuple[Question, ...]
    left_out: Mapping[str, int]
    """Reason to count."""

    @property
    def digest(self) -> str:
        """Of all that is scored."""
        return rows_digest({**asdict(one), "name": ""} for one in self.questions)


def read_questions(
    source: str | Dataset, name: str, *, limit: int | None = None, most: int | None = None
) -> QuestionSet:
    """Questions of any data that `to_pairs` understands as text or messages.

    A row of chosen and rejected is one question of one pair. Of several scored responses to a
    prompt the best and the worst are its pair; a rank k is the score −k.

    Args:
        source: a file, folder or hub name, or rows.
        name: what the set is called.
        limit: only the first so many questions.
        most: at most so many questions, spread evenly.

    Raises:
        DataError: an unknown form, token ids without text, or nothing left.
    """
    words = source if isinstance(source, str) else name
    found, left_out = paired_prompts(load_rows(source), words)
    questions = [
        Question(
            one.where,
            one.prompt,
            one.responses,
            one.sources,
            one.scores or None,
            one.pairs,
            one.labels.get("flipped"),
        )
        for one in found[:limit]
    ]
    return QuestionSet(name, words, tuple(spread(questions, most)), left_out)


def spread(items: list[Question], most: int | None) -> list[Question]:
    """At most so many, at even distances, the first and the last among them."""
    if most is None or len(items) <= most:
        return items
    last = len(items) - 1
    return [items[round(i * last / max(1, most - 1))] for i in range(most)]
