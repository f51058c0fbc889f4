"""What a report is made of: any mix of studies, suites, diagnoses, curves and training runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueward.files import JsonField
from trueward.report.alignment import PolicyRun
from trueward.results import Comparison, RunResult, StudyResults
from trueward.suites import SuiteResult


@dataclass(frozen=True)
class TrainedRun:
    """A run of `trueward train`: its record, and the curve that its trainer logged."""

    label: str
    folder: str
    job: Mapping[str, Any]
    finished: bool
    result: Mapping[str, Any]
    """`trueward.train/1`; empty where the run is not finished."""
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Lists by name, against `step`, or `eval_step` for names that begin with `eval_`."""
    command: str = ""
    """What was typed; empty where the record does not tell."""


@dataclass(frozen=True)
class Diagnosis:
    """A document `trueward.diagnostics/1`."""

    source: str
    document: Mapping[str, Any]

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """One block a model."""
        return list(self.document["models"])

    @property
    def names(self) -> list[str]:
        """Labels of the models."""
        return [str(model["model"]) for model in self.models]

    @property
    def sets(self) -> list[str]:
        """Names of the sets, alike for all models."""
        return [str(block["name"]) for block in self.models[0]["sets"]]

    def block(self, model: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """A model's block on a set."""
        return next(block for block in model["sets"] if block["name"] == name)

    def as_study(self) -> StudyResults | None:
        """Models in the place of objectives; None where no set has pairs or scores."""
        if self.document.get("comparison") is None:
            return None
        norms = [{s["name"]: s["norms"] for s in m["sets"] if s["norms"]} for m in self.models]
        runs = {
            name: RunResult(name, name, 0, 0.0, 0, {}, norms=blocks)
            for name, blocks in zip(self.names, norms, strict=True)
        }
        comparison = JsonField(self.document["comparison"], self.source, "comparison")
        return StudyResults(
            name=Path(self.source).parent.name,
            created=str(self.document.get("created", "")),
            command=str(self.document.get("command", "")),
            environment={},
            settings={},
            runs=runs,
            baselines={},
            comparison=Comparison.parse(comparison),
        )


@dataclass(frozen=True)
class Material:
    """Everything that one report is about, by where it was read."""

    studies: Mapping[str, StudyResults] = field(default_factory=dict)
    suites: Mapping[str, tuple[SuiteResult, ...]] = field(default_factory=dict)
    """By model."""
    diagnoses: tuple[Diagnosis, ...] = ()
    optimizations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Documents `trueward.bon/1`."""
    runs: tuple[TrainedRun, ...] = ()
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By `MODEL on SUITE`: settings, environment and command of its scores, where told."""
    policies: tuple[PolicyRun, ...] = ()
    demos: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Documents `trueward.align-demo/1`; their runs are among the policies."""

    @property
    def title(self) -> str:
        """What the page is called."""
        if len(self.studies) == 1 and self.only_studies:
            return next(iter(self.studies.values())).name
        models = [m["model"] for d in self.diagnoses for m in d.models]
        names = [*(s.name for s in self.studies.values()), *self.suites, *models]
        runs = [*(run.label for run in self.runs), *(run.label for run in self.policies)]
        names = list(dict.fromkeys([*map(str, names), *runs]))
        return " and ".join(names) if len(names) < 3 else f"Report on {len(names)} models and runs"

    @property
    def only_studies(self) -> bool:
        """Whether there is nothing but studies."""
        others = (self.suites, self.diagnoses, self.optimizations, self.runs, self.policies)
        return not any(others)
