"""The results of a study, many runs and their comparison, and their JSON `trueward.study/1`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.errors import InputError
from trueward.evals.bootstrap import DRAWS
from trueward.evals.compare import compare
from trueward.evals.comparison import Comparison
from trueward.evals.files import plain, read_json, write_json
from trueward.evals.json_field import JsonField
from trueward.evals.run_result import RunResult

SCHEMA = "trueward.study/1"


@dataclass(frozen=True)
class StudyResults:
    """A study: what was run, how, and what came out; `docs/results-schema.md` explains it."""

    name: str
    created: str
    """Time of writing, ISO 8601 with offset."""
    command: str
    """The exact command that reproduces it."""
    environment: Mapping[str, str]
    """Versions and machine."""
    settings: Mapping[str, Any]
    """Everything that was configured."""
    runs: Mapping[str, RunResult]
    """By folder, relative to the study's."""
    baselines: Mapping[str, Mapping[str, float]]
    """Means of scorers that learn nothing ("length", "oracle"), by metric."""
    comparison: Comparison

    @property
    def labels(self) -> dict[str, str]:
        """What tables call each objective, by canonical string, in the order of the runs."""
        return {run.objective: run.label for run in self.runs.values()}

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: NaN is null."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "created": self.created,
            "command": self.command,
            "environment": plain(self.environment),
            "settings": plain(self.settings),
            "objectives": list(self.comparison.objectives),
            "seeds": list(self.comparison.seeds),
            "baselines": plain(self.baselines),
            "comparison": plain(self.comparison.to_dict()),
            "runs": [{"folder": f, **run.to_dict()} for f, run in self.runs.items()],
        }

    @classmethod
    def from_json(cls, document: JsonField) -> "StudyResults":
        """Read and check a document.

        Raises:
            DataError: naming file and field, if anything is missing or of another type.
        """
        if document["schema"].value != SCHEMA:
            document["schema"].fail(f'"{SCHEMA}"')
        environment = document["environment"].members()
        return cls(
            name=document["name"].text(),
            created=document["created"].text(),
            command=document["command"].text(),
            environment={name: node.text() for name, node in environment.items()},
            settings={name: node.value for name, node in document["settings"].members().items()},
            runs={
                node["folder"].text(): RunResult.from_json(node)
                for node in document["runs"].items()
            },
            baselines={
                name: {metric: mean.number() for metric, mean in node.members().items()}
                for name, node in document["baselines"].members().items()
            },
            comparison=Comparison.from_json(document["comparison"]),
        )


def summarise(
    runs: Mapping[str, RunResult],
    *,
    name: str,
    created: str,
    command: str,
    environment: Mapping[str, str],
    settings: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, float]],
    baseline: str | None = None,
    draws: int = DRAWS,
) -> StudyResults:
    """Compare the runs and put everything a report needs in one place.

    Args:
        runs: by folder relative to the study's; one for every objective and seed.
        name: the study's name.
        created: time of writing, ISO 8601.
        command: the exact command that reproduces the study.
        environment: versions and machine, as text.
        settings: everything that was configured, JSON-ready.
        baselines: means of scorers that learn nothing, by name and metric.
        baseline: the objective the others are compared with; without it plain `bt` if it was
            run, else the first.
        draws: number of resamplings.

    Raises:
        InputError: if there is no run, or the runs do not fit together (see `compare`).
    """
    if not runs:
        raise InputError("study: expected at least one finished run, got none; run the study first")
    objectives = [run.objective for run in runs.values()]
    against = baseline or ("bt" if "bt" in objectives else objectives[0])
    return StudyResults(
        name=name,
        created=created,
        command=command,
        environment=environment,
        settings=settings,
        runs=runs,
        baselines=baselines,
        comparison=compare(list(runs.values()), against, draws=draws),
    )


def save_study_results(results: StudyResults, path: Path | str) -> None:
    """Write a study's `results.json`, whole or not at all."""
    write_json(results.to_dict(), path)


def load_study_results(path: Path | str) -> StudyResults:
    """Read a study's `results.json`; DataError names the file and the field that is wrong."""
    return StudyResults.from_json(read_json(path))
