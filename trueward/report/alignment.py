"""Policies trained on reward models, as a report sees them: documents of `trueward align`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trueward.report.diagnosis_lines import number
from trueward.stats import bootstrap_mean
from trueward.types import Estimate

ALIGN = "trueward.align/1"


@dataclass(frozen=True)
class PolicyRun:
    """A policy's run against a reward model, or against several."""

    label: str
    source: str
    document: Mapping[str, Any]
    """`trueward.align/1`, or what a demo's document holds of it."""

    @property
    def points(self) -> list[Mapping[str, Any]]:
        """The looks at it, the first before training."""
        return list(self.document["points"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Empty in a demo's own document."""
        return self.document.get("settings") or {}

    @property
    def whole(self) -> bool:
        """Whether the document is a run's own."""
        return self.document.get("schema") == ALIGN

    @property
    def has_gold(self) -> bool:
        """Whether the truth was looked at."""
        return self.points[0].get("gold") is not None

    @cached_property
    def gold(self) -> list[Estimate]:
        """Mean gold at each look, with an interval over prompts where each prompt's is known."""
        return [_estimate(point.get("gold_each"), number(point, "gold")) for point in self.points]

    @cached_property
    def change(self) -> Estimate:
        """Gold at the last look less gold at the first, paired by prompt."""
        first, last = self.points[0], self.points[-1]
        pairs = zip(first.get("gold_each") or (), last.get("gold_each") or (), strict=True)
        gap = number(last, "gold") - number(first, "gold")
        return _estimate([after - before for before, after in pairs], gap)

    @property
    def risen(self) -> float:
        """Reward at the last look less that at the first."""
        return number(self.points[-1], "proxy") - number(self.points[0], "proxy")


def _estimate(values: Sequence[float] | None, mean: float) -> Estimate:
    """The mean with its interval; without, where there are fewer than two prompts."""
    if not values or len(values) < 2:
        return Estimate(mean, float("nan"), float("nan"))
    return bootstrap_mean(values, [str(i) for i in range(len(values))])
