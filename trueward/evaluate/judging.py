"""Models, and files of scores, judged on suites; what is finished is not done again."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.errors import InputError
from trueward.evaluate.contestants import Model, Place, ScoreFile
from trueward.evaluate.settings import ScoreSettings
from trueward.evaluate.tasks import Task
from trueward.runs import Begin, read_record, silent
from trueward.suites import SuiteResult


@dataclass(frozen=True)
class Evaluated:
    """One contestant's result on one suite."""

    label: str
    task: Task
    result: SuiteResult
    path: Path
    """Of the result."""
    truncated: int | None
    """Responses that were cut to `max_length`; None for scores from a file."""


def evaluate(
    models: Mapping[str, str],
    score_files: Mapping[str, str],
    tasks: Sequence[Task],
    settings: ScoreSettings,
    folder: Path,
    *,
    facts: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    begin: Begin = silent,
) -> list[Evaluated]:
    """Judge every model and file of scores on every task; scorer by scorer.

    Results go to `folder/LABEL/SUITE.json`, scored rows to `SUITE.scores.jsonl` beside it, chunk
    by chunk, so that an interrupted call goes on from them. A finished result of the same model,
    data and settings is read, not made again.

    Args:
        models: folders or hub names by label.
        score_files: files of `{id, scores}` rows by label.
        tasks: what to judge on.
        settings: how models score.
        folder: where results go.
        facts: put into the records as they are (`command`, `environment`); a later call may
            have others.
        overwrite: remove earlier results of these labels and tasks first.
        begin: told of each model and task that is scored.

    Raises:
        OutputExistsError: what is there is of another model, other data or settings.
        InputError: a model, a file or a row is not what it must be; a model's error comes when its
            turn comes, everything else before anything is written.
    """
    contestants: list[Model | ScoreFile] = [
        *(Model(label, path, settings, facts) for label, path in models.items()),
        *(ScoreFile(label, path, facts) for label, path in score_files.items()),
    ]
    places = {
        (one.label, task.stem): Place(folder / slug(one.label) / f"{task.stem}.json")
        for one in contestants
        for task in tasks
    }
    _check_inputs_stay(places.values(), [*score_files.values(), *(t.source for t in tasks)])
    for one in contestants:
        for task in tasks:
            one.check(task)
            if not overwrite:
                places[one.label, task.stem].finished(one.identity(task))
    check_writable(folder)
    done = []
    for one in contestants:
        for task in tasks:
            place = places[one.label, task.stem]
            if overwrite:
                place.clear()
            done.append(_evaluated(one, task, place, begin))
        one.release()
    return done


def _check_inputs_stay(places: Iterable[Place], inputs: Iterable[str | None]) -> None:
    """Raise InputError if a file that is read lies where a result is to be written."""
    read = {Path(path).resolve(): path for path in inputs if path is not None}
    for place in places:
        for taken in place.files:
            if path := read.get(taken.resolve()):
                raise InputError(
                    f"{path} is to be read, and results would replace it; choose another output, "
                    "or move the file"
                )


def _evaluated(one: Model | ScoreFile, task: Task, place: Place, begin: Begin) -> Evaluated:
    if place.finished(one.identity(task)):
        result = SuiteResult.read(place.result)
    else:
        result = one.judge(task, place, begin)
        result.write(place.result)
    truncated = read_record(place.rows.record).get("truncated")
    return Evaluated(one.label, task, result, place.result, truncated)


def slug(label: str) -> str:
    """A label as the name of a folder."""
    return label.replace("/", "__")


def check_writable(folder: Path) -> None:
    """Raise InputError if nothing can be written there."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise InputError(f"{folder}: cannot write below {there}; choose another output")
