"""What is diagnosed on: prompts with their responses, who wrote them, and what is known of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from datasets import Dataset

from trueward.data import PairRule, load_rows
from trueward.data.forms import Form, recognise
from trueward.data.groups import GROUP_READERS, Group
from trueward.data.pairing import PAIR_READERS
from trueward.errors import DataError
from trueward.evaluate.fingerprint import rows_digest
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
    rows = load_rows(source)
    words = source if isinstance(source, str) else name
    form = recognise(rows, None, words)
    if form.kind == "tokenized pairs":
        raise DataError(f"{words}: token ids only; give the data before it was tokenized")
    left_out: Counter[str] = Counter()
    read = _of_pairs if form.kind in PAIR_READERS else _of_groups
    found = list(read(rows, form, left_out, words))
    if not found:
        raise DataError(f"{words}: nothing left to score of {len(rows):,} rows ({form.kind})")
    return QuestionSet(name, words, tuple(spread(found[:limit], most)), dict(left_out))


def spread(items: list[Question], most: int | None) -> list[Question]:
    """At most so many, at even distances, the first and the last among them."""
    if most is None or len(items) <= most:
        return items
    last = len(items) - 1
    return [items[round(i * last / max(1, most - 1))] for i in range(most)]


def _of_pairs(rows: Dataset, form: Form, left_out: Counter[str], name: str) -> Iterator[Question]:
    rule = PairRule()
    for number, row in enumerate(rows):
        pair = PAIR_READERS[form.kind](row, form.roles, rule, f"{name}: row {number}")
        if isinstance(pair, str):
            left_out[pair] += 1
            continue
        sides = ("chosen", "rejected")
        gold = [pair.get(f"{side}_score") for side in sides]
        yield Question(
            f"{name}: row {number}",
            pair["prompt"],
            tuple(pair[side] for side in sides),
            tuple(pair.get(f"{side}_source") for side in sides),
            None if None in gold else (float(gold[0]), float(gold[1])),  # type: ignore[arg-type]
            ((0, 1),),
            _flag(row),
        )


def _of_groups(rows: Dataset, form: Form, left_out: Counter[str], name: str) -> Iterator[Question]:
    for number, group in enumerate(GROUP_READERS[form.kind](rows, form, left_out, name)):
        if not group.responses:
            left_out["prompts without responses"] += 1
            continue
        gold = tuple(one.score for one in group.responses)
        yield Question(
            f"{name}: prompt {number}",
            group.prompt,
            tuple(one.turns for one in group.responses),
            tuple(one.source for one in group.responses),
            gold,
            _pair_of(group, gold, number, left_out),
        )


def _pair_of(
    group: Group, gold: tuple[float, ...], number: int, left_out: Counter[str]
) -> tuple[tuple[int, int], ...]:
    if len(gold) < 2:
        return ()
    drawn, skipped = PairRule().draw(gold, [one.turns for one in group.responses], number)
    left_out.update({f"pairs: {reason}": count for reason, count in skipped.items() if count})
    return tuple(drawn)


def _flag(row: Mapping[str, Any]) -> bool | None:
    flag = row.get("flipped")
    return flag if isinstance(flag, bool) else None
