"""What a comparison says: for each metric and objective a mean and a difference to the baseline."""

from dataclasses import asdict, dataclass
from typing import Any

from trueward.evals.bootstrap import Estimate
from trueward.evals.json_field import JsonField


@dataclass(frozen=True)
class Difference:
    """Objective minus baseline on one metric, paired by seed and prompt."""

    estimate: Estimate
    p_value: float
    p_holm: float
    """Corrected for the number of objectives compared on this metric."""
    significant: bool
    """The interval excludes zero."""
    significant_holm: bool
    """And the corrected p-value is below 1 − confidence."""
    seeds_ahead: int
    """Seeds in which the objective's mean is above the baseline's."""


@dataclass(frozen=True)
class Entry:
    """One metric of one objective."""

    metric: str
    objective: str
    mean: Estimate
    values: int
    """Values given, over all seeds."""
    undefined: int
    """How many of them are NaN and left out of the mean."""
    difference: Difference | None
    """None for the baseline itself."""


@dataclass(frozen=True)
class Comparison:
    """Objectives judged against a baseline over shared prompts and seeds."""

    baseline: str
    objectives: tuple[str, ...]
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    resampled: str
    """What the intervals cover: "prompts and seeds", or "prompts" where there is one seed."""
    draws: int
    confidence: float
    entries: tuple[Entry, ...]

    def entry(self, metric: str, objective: str) -> Entry:
        """The entry of a metric and an objective; KeyError if there is none."""
        for entry in self.entries:
            if (entry.metric, entry.objective) == (metric, objective):
                return entry
        raise KeyError((metric, objective))

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, as in `results.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, field: JsonField) -> "Comparison":
        """Read back what `to_dict` gave."""
        return cls(
            baseline=field["baseline"].text(),
            objectives=tuple(field["objectives"].texts()),
            metrics=tuple(field["metrics"].texts()),
            seeds=tuple(item.integer() for item in field["seeds"].items()),
            resampled=field["resampled"].text(),
            draws=field["draws"].integer(),
            confidence=field["confidence"].number(),
            entries=tuple(_entry(item) for item in field["entries"].items()),
        )


def _entry(field: JsonField) -> Entry:
    return Entry(
        metric=field["metric"].text(),
        objective=field["objective"].text(),
        mean=_estimate(field["mean"]),
        values=field["values"].integer(),
        undefined=field["undefined"].integer(),
        difference=None if field["difference"].is_null else _difference(field["difference"]),
    )


def _difference(field: JsonField) -> Difference:
    return Difference(
        estimate=_estimate(field["estimate"]),
        p_value=field["p_value"].number(),
        p_holm=field["p_holm"].number(),
        significant=field["significant"].boolean(),
        significant_holm=field["significant_holm"].boolean(),
        seeds_ahead=field["seeds_ahead"].integer(),
    )


def _estimate(field: JsonField) -> Estimate:
    return Estimate(field["value"].number(), field["low"].number(), field["high"].number())
