"""The result of one run, one objective and one seed, and its JSON form `trueward.run/1`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trueward.evals.files import plain, read_json, write_json
from trueward.evals.json_field import JsonField

SCHEMA = "trueward.run/1"


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
        return {"schema": SCHEMA, **plain(asdict(self))}

    @classmethod
    def from_json(cls, document: JsonField) -> "RunResult":
        """Read and check a document.

        Raises:
            DataError: naming file and field, if anything is missing or of another type.
        """
        if document["schema"].value != SCHEMA:
            document["schema"].fail(f'"{SCHEMA}"')
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
