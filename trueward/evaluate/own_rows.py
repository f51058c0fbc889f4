"""The user's own rows: prompts, responses, and the columns that rewards go to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueward.data import read_prompts, response_columns
from trueward.data.prompts import REWARD_COLUMNS
from trueward.types import Turns


@dataclass(frozen=True)
class OwnRow:
    """One row, understood."""

    fields: Mapping[str, Any]
    """All of it, as it came."""
    name: str
    """For messages: file and row."""
    prompt: Turns
    responses: list[Turns]
    takes: tuple[str, ...]
    """The columns for the rewards."""

    def with_rewards(self, rewards: Sequence[float]) -> dict[str, Any]:
        """The row with its rewards, in logits."""
        values = [list(rewards)] if self.takes == ("rewards",) else rewards
        return {**self.fields, **dict(zip(self.takes, values, strict=True))}


def own_rows(source: str) -> Iterator[OwnRow]:
    """Yield the rows of `read_prompts`. Raises as it does."""
    for one in read_prompts(source):
        takes = REWARD_COLUMNS[response_columns(one.extras) or ()]
        yield OwnRow(one.extras, one.where, one.prompt, list(one.responses), takes)
