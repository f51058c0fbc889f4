"""One suite with the items that are to be scored."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from trueward.data import load_rows
from trueward.errors import DataError
from trueward.evaluate.fingerprint import data_digest
from trueward.suites import Suite, SuiteResult, suite
from trueward.types import Prompt


@dataclass(frozen=True)
class Task:
    """A suite and its items, perhaps not all of them."""

    suite: Suite
    whole: tuple[Prompt, ...]
    """Every item of the data."""
    items: tuple[Prompt, ...]
    """Those that are judged."""
    limit: int | None = None
    """Only the first so many of each subset."""
    excluded: int | None = None
    """Left out because training saw their prompt; None where all were to stay."""
    source: str | None = None
    """Where the data was read from; None for the suite's own hub table."""

    @property
    def stem(self) -> str:
        """Name of the task's files: a partial one never passes for the whole."""
        first = "" if self.limit is None else f".first-{self.limit}"
        return self.suite.name + first + ("" if self.excluded is None else ".uncontaminated")

    @property
    def partial(self) -> str:
        """What is left out, in words; empty for the whole suite."""
        limit = "" if self.limit is None else f"first {self.limit} of each subset only"
        gone = "" if self.excluded is None else f"{self.excluded} contaminated items left out"
        return ", ".join(filter(None, (limit, gone)))

    @cached_property
    def digest(self) -> str:
        """Of the items that are judged."""
        return data_digest(self.items)

    def identity(self) -> dict[str, str]:
        """What two sittings must share."""
        return {"suite": self.stem, "data": self.digest}

    def judged(self, scores: Sequence[Sequence[float]], scorer: str) -> SuiteResult:
        """The suite's metric of these scores, one list an item, with the digest of the items."""
        result = self.suite.judge(self.items, scores, scorer=scorer)
        return replace(result, data=self.digest)

    def without(self, ids: Collection[str]) -> "Task":
        """The task less the items of these ids.

        Raises:
            DataError: none is left.
        """
        kept = tuple(item for item in self.items if item.id not in ids)
        if not kept:
            raise DataError(f"{self.suite.name}: every item is in the training data; none is left")
        return replace(self, items=kept, excluded=len(self.items) - len(kept))


def load_task(name: str, source: str | None = None, *, limit: int | None = None) -> Task:
    """Read a suite's items from a path or hub name, or without one from the suite's own hub table.

    Raises:
        InputError: there is no such suite.
        DataError: its data is not there, or a row is not what it must be.
    """
    one = suite(name)
    try:
        whole = tuple(one.load(source, read=load_rows))
    except DataError as error:
        hint = "" if source else f"; give its data with --data {name}=PATH"
        raise DataError(f"{name}: {error}{hint}") from error
    items = whole if limit is None else first_of_each(whole, limit)
    return Task(one, whole, items, limit, source=source)


def first_of_each(items: Collection[Prompt], limit: int) -> tuple[Prompt, ...]:
    """The first `limit` items of each subset, in their order."""
    seen: Counter[str] = Counter()
    kept = []
    for item in items:
        seen[item.subset] += 1
        if seen[item.subset] <= limit:
            kept.append(item)
    return tuple(kept)
