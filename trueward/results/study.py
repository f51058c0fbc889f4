"""Results of runs and studies: a run, a study of many, and their comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trueward.files import JsonField, plain, read_json, write_json
from trueward.types import Estimate


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


RUN_SCHEMA = "trueward.run/1"


@dataclass(frozen=True)
class Scores:
    """A metric's values, one a pair or a prompt, and the prompt each belongs to; NaN: undefined."""

    values: Sequence[int | float]
    units: Sequence[str]


@dataclass(frozen=True)
class RunResult:
    """Everything the judges said of one run; `docs/results-schema.md` explains each field."""

    objective: str
    """Canonical string of the objective."""
    label: str
    """What tables and plots call it."""
    seed: int
    seconds: float
    """Wall time of training and judging."""
    steps: int
    """Optimiser steps."""
    scores: Mapping[str, Scores]
    """By metric."""
    scalars: Mapping[str, int | float] = field(default_factory=dict)
    norms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By split, as `trueward.diagnostics.split_norms` gives them."""
    curve: Mapping[str, Sequence[int | float]] = field(default_factory=dict)
    scatter: Mapping[str, Mapping[str, Sequence[int | float]]] = field(default_factory=dict)
    """By scenario: equally long lists `gold` and `reward`."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: NaN is null."""
        return {"schema": RUN_SCHEMA, **plain(asdict(self))}

    @classmethod
    def from_json(cls, document: JsonField) -> "RunResult":
        """Read and check a document.

        Raises:
            DataError: naming file and field, if anything is missing or of another type.
        """
        if document["schema"].value != RUN_SCHEMA:
            document["schema"].fail(f'"{RUN_SCHEMA}"')
        return cls(
            objective=document["objective"].text(),
            label=document["label"].text(),
            seed=document["seed"].integer(),
            seconds=document["seconds"].number(),
            steps=document["steps"].integer(),
            scores={name: _scores(node) for name, node in document["scores"].members().items()},
            scalars={name: v.number() for name, v in document["scalars"].members().items()},
            norms={name: _split(node) for name, node in document["norms"].members().items()},
            curve={name: v.numbers() for name, v in document["curve"].members().items()},
            scatter={name: _scatter(node) for name, node in document["scatter"].members().items()},
        )


def save_run_result(result: RunResult, path: Path | str) -> None:
    """Write a run's `result.json`, whole or not at all."""
    write_json(result.to_dict(), path)


def load_run_result(path: Path | str) -> RunResult:
    """Read a run's `result.json`; DataError names the file and the field that is wrong."""
    return RunResult.from_json(read_json(path))


def _scores(node: JsonField) -> Scores:
    scores = Scores(node["values"].numbers(), node["units"].texts())
    _same_length(node, "values", "units")
    return scores


def _scatter(node: JsonField) -> dict[str, list[float]]:
    points = {name: node[name].numbers() for name in ("gold", "reward")}
    _same_length(node, "gold", "reward")
    return points


def _split(node: JsonField) -> dict[str, Any]:
    return {
        "hidden": _norm(node["hidden"]),
        "pre_norm": None if node["pre_norm"].is_null else _norm(node["pre_norm"]),
        "difference": None if node["difference"].is_null else _moments(node["difference"]),
        "effective_rank": node["effective_rank"].number(),
    }


def _norm(node: JsonField) -> dict[str, Any]:
    histogram = node["histogram"]
    edges, counts = histogram["edges"].numbers(), histogram["counts"].numbers()
    if len(edges) != len(counts) + 1:
        histogram["edges"].fail(f"{len(counts) + 1} edges for {len(counts)} counts")
    return _moments(node) | {
        "cv": node["cv"].number(),
        "histogram": {"edges": edges, "counts": counts},
    }


def _moments(node: JsonField) -> dict[str, Any]:
    return {"mean": node["mean"].number(), "std": node["std"].number()}


def _same_length(node: JsonField, first: str, second: str) -> None:
    expected = len(node[first].value)
    if len(node[second].value) != expected:
        node[second].fail(f"a list of {expected} like '{first}'")


STUDY_SCHEMA = "trueward.study/1"


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
            "schema": STUDY_SCHEMA,
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
        if document["schema"].value != STUDY_SCHEMA:
            document["schema"].fail(f'"{STUDY_SCHEMA}"')
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


def save_study_results(results: StudyResults, path: Path | str) -> None:
    """Write a study's `results.json`, whole or not at all."""
    write_json(results.to_dict(), path)


def load_study_results(path: Path | str) -> StudyResults:
    """Read a study's `results.json`; DataError names the file and the field that is wrong."""
    return StudyResults.from_json(read_json(path))
