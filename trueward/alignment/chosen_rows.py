"""Best-of-n selection: of each row's responses the one with the highest reward."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trueward.errors import DataError, InputError
from trueward.evaluate import ScoredRows, ScoreSettings, score_rows
from trueward.evaluate.own_rows import OwnRow, own_rows
from trueward.runs import Begin, silent

TAKES = ("response", "reward", "response_index")
"""What takes the place of `responses`."""


@dataclass(frozen=True)
class ChoiceRow(OwnRow):
    """A row of which one response is kept."""

    def with_rewards(self, rewards: Sequence[float]) -> dict[str, Any]:
        """The row with its best response, the first of equals, instead of all of them."""
        best = max(range(len(rewards)), key=rewards.__getitem__)
        kept = {name: value for name, value in self.fields.items() if name != "responses"}
        response = self.fields["responses"][best]
        return {**kept, **dict(zip(self.takes, (response, rewards[best], best), strict=True))}


def select_rows(
    model: str,
    source: str,
    path: Path,
    settings: ScoreSettings,
    *,
    n: int | None = None,
    overwrite: bool = False,
    begin: Begin = silent,
) -> ScoredRows:
    """Write every row with the best of its first n responses, by reward; resumable.

    `{prompt, responses, …}` becomes `{prompt, …, response, reward, response_index}`; of equal
    rewards the first wins. All rows are checked before the first is scored.

    Args:
        model: folder or hub name of a reward model.
        source: rows, as for `score_rows`.
        path: the JSONL file to write.
        settings: how the model scores.
        n: how many responses are considered; None for all.
        overwrite: remove an earlier output first.
        begin: told what begins, and how many responses there are.

    Raises:
        OutputExistsError: the output is there, or was begun with something else.
        DataError: a row without responses, or with fewer than n; nothing is written.
        InputError: n below 1.
        ModelError: the model is no reward model.
    """
    if n is not None and n < 1:
        raise InputError(f"--n: expected at least 1, got {n}")
    return score_rows(
        model,
        source,
        path,
        settings,
        overwrite=overwrite,
        begin=begin,
        read=partial(_choices, n=n),
        identity={"select": "first highest", "n": n},
    )


def rows_of_responses(source: str) -> Iterator[OwnRow]:
    """Rows that have a list of responses. Raises DataError at one that has not."""
    for row in own_rows(source):
        if row.takes != ("rewards",):
            raise DataError(f"{row.name}: expected a field 'responses', a list to choose from")
        yield row


def _choices(source: str, n: int | None) -> Iterator[OwnRow]:
    for row in rows_of_responses(source):
        for field in TAKES:
            if field in row.fields:
                raise DataError(f"{row.name}: field {field!r} is there already; rename it")
        if n is not None and len(row.responses) < n:
            raise DataError(
                f"{row.name}, field 'responses': expected at least {n} (--n), "
                f"got {len(row.responses)}"
            )
        yield ChoiceRow(row.fields, row.name, row.prompt, row.responses[:n], TAKES)
