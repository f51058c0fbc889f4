"""Prompts that a model may have been trained on against the items of a suite."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueward.evaluate.tasks import Task
from trueward.suites import Contamination, contamination
from trueward.types import Turns


@dataclass(frozen=True)
class TrainingPrompts:
    """Prompts that a model may have been trained on."""

    source: str
    prompts: Sequence[Turns] | None = None
    """None where the text is not at hand: then near-duplicates cannot be found."""
    hashes: frozenset[str] = field(default_factory=frozenset)
    """Of prompts that were trained on: they find the same words only."""

    def check(self, task: Task) -> Contamination:
        """Each of the task's items against these prompts."""
        return contamination(task.items, self.prompts or (), hashes=self.hashes)

    def joined(self, other: "TrainingPrompts") -> "TrainingPrompts":
        """What two that name one source know together."""
        prompts = self.prompts if self.prompts is not None else other.prompts
        return TrainingPrompts(self.source, prompts, self.hashes | other.hashes)


@dataclass(frozen=True)
class Exposure:
    """What one source of training prompts has in common with one task."""

    source: str
    task: Task
    found: Contamination
    near_checked: bool
    """Whether the training prompts' text was at hand; without it `near` is not known."""

    @property
    def ids(self) -> frozenset[str]:
        """Of the items whose prompt is there, word for word or nearly."""
        pairs = zip(self.found.prompts, self.found.kinds, strict=True)
        return frozenset(str(item.id) for item, kind in pairs if kind != "none")

    def document(self) -> dict[str, Any]:
        """The counts, by subset."""
        known: dict[str, Any] = {} if self.near_checked else {"near": None}
        subsets = {name: {**counts, **known} for name, counts in self.found.summary().items()}
        return {"source": self.source, "suite": self.task.stem, "subsets": subsets}


def exposures(tasks: Sequence[Task], known: Iterable[TrainingPrompts]) -> list[Exposure]:
    """Every task against every source of training prompts."""
    return [
        Exposure(one.source, task, one.check(task), one.prompts is not None)
        for one in known
        for task in tasks
    ]
