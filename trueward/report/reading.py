"""Results from folders and files, told apart by their `schema`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueward.errors import DataError
from trueward.files import read_json
from trueward.report.alignment import ALIGN
from trueward.report.alignment_reading import ALIGN_FILE, DEMO, DEMO_FILE, Policies
from trueward.report.checked import best_of_n_of, diagnosis_of
from trueward.report.judged import Judged
from trueward.report.material import Material, TrainedRun
from trueward.results import StudyResults

STUDY, SUITE = "trueward.study/1", "trueward.suite/1"
DIAGNOSTICS, BEST_OF_N = "trueward.diagnostics/1", "trueward.bon/1"
SCHEMAS = (STUDY, SUITE, DIAGNOSTICS, BEST_OF_N, ALIGN, DEMO)
RECORD, STATE = "train.json", "trainer_state.json"
NAMES = ("results.json", "diagnostics.json", "bon.json", ALIGN_FILE, DEMO_FILE, RECORD)
"""Files that a folder of ours may hold at its top."""
_NOT_CURVES = ("step", "epoch", "total_flos", "num_tokens", "min_reward", "max_reward")


def read_material(paths: Sequence[str | Path]) -> Material:
    """Everything in these folders and files: of studies, suites, diagnostics, best-of-n, runs.

    A folder is one of a study, of `trueward eval`, `diagnose`, `bon`, `align` or `train`; a file
    is one of their documents.

    Raises:
        DataError: nothing of ours is there, or a document is not what it must be.
    """
    studies: dict[str, StudyResults] = {}
    judged, policies = Judged(), Policies()
    diagnoses, optimizations, runs = [], {}, []
    for path in _documents(paths):
        if path.name == RECORD:
            runs.append(_run(path))
            continue
        document = read_json(path)
        schema = document.value.get("schema") if isinstance(document.value, dict) else None
        if schema == STUDY:
            studies[str(path)] = StudyResults.parse(document)
        elif schema == SUITE:
            judged.add(document, path)
        elif schema == DIAGNOSTICS:
            diagnoses.append(diagnosis_of(document, path))
        elif schema == BEST_OF_N:
            optimizations[str(path)] = best_of_n_of(document)
        elif schema in (ALIGN, DEMO):
            policies.add(document, path)
        else:
            raise DataError(f"{path}: {_expected(schema)}")
    by_model = {model: tuple(found.values()) for model, found in judged.suites.items()}
    return Material(
        studies,
        by_model,
        tuple(diagnoses),
        optimizations,
        _labelled(runs),
        records=judged.records,
        policies=policies.told_apart(),
        demos=policies.demos,
    )


def _documents(paths: Sequence[str | Path]) -> Iterator[Path]:
    if not paths:
        raise DataError("nothing to report: name folders or result files")
    for path in dict.fromkeys(map(Path, paths)):
        if not path.is_dir():
            yield path
            continue
        found = [path / name for name in NAMES if (path / name).is_file()]
        found += _suite_files(path)
        if not found:
            raise DataError(
                f"{path}: no results in it; expected {', '.join(NAMES)}, or the output folder of "
                "trueward eval"
            )
        yield from found


def _suite_files(folder: Path) -> list[Path]:
    """`MODEL/SUITE.json` of an evaluation, or `SUITE.json` of one model: those with a record."""
    places = sorted([*folder.glob("*.json"), *folder.glob("*/*.json")])
    return [path for path in places if path.with_suffix(".record.json").is_file()]


def _run(path: Path) -> TrainedRun:
    document = read_json(path)
    finished = document["finished"].boolean()
    result = document["result"].members() if finished else {}
    job = {name: node.value for name, node in document["job"].members().items()}
    folder = path.absolute().parent
    return TrainedRun(
        folder.name,
        str(path.parent),
        job,
        finished,
        {name: node.value for name, node in result.items()},
        _curve(folder),
        document["command"].text() if "command" in document.value else "",
    )


def _curve(folder: Path) -> dict[str, list[float]]:
    """What the trainer logged, as columns; empty where no checkpoint was kept."""
    states = [*folder.glob(f"checkpoint-*/{STATE}"), *folder.glob(STATE)]
    if not states:
        return {}
    newest = max(states, key=lambda path: (path.parent == folder, path.stat().st_mtime))
    log = [entry.value for entry in read_json(newest)["log_history"].items()]
    curve: dict[str, list[float]] = {}
    for prefix, marker in (("", "loss"), ("eval_", "eval_loss")):
        rows = [row for row in log if marker in row]
        names = dict.fromkeys(n for row in rows for n, v in row.items() if _is_curve(n, v))
        if rows:
            curve[f"{prefix}step"] = [float(row["step"]) for row in rows]
            curve |= {n: [float(row.get(n, math.nan)) for row in rows] for n in names}
    return curve


def _is_curve(name: str, value: Any) -> bool:
    plain = name.removeprefix("eval_")
    told = plain in _NOT_CURVES or plain.endswith(("runtime", "per_second"))
    return not told and isinstance(value, int | float)


def _labelled(runs: Sequence[TrainedRun]) -> tuple[TrainedRun, ...]:
    """Runs whose folders have one name are told apart by the whole path."""
    names = [run.label for run in runs]
    return tuple(replace(r, label=r.folder) if names.count(r.label) > 1 else r for r in runs)


def _expected(schema: Any) -> str:
    known = ", ".join(SCHEMAS)
    return f"expected a document of schema {known}, or {RECORD}; got schema {schema!r}"
