"""Models, and files of scores, judged on benchmark suites; what is finished is not done again."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from trueward.data import load_rows
from trueward.data.messages import as_text
from trueward.errors import DataError
from trueward.evaluate.scoring import (
    RewardModel,
    check_lengths,
    folder_name,
    write_scores,
)
from trueward.results import SuiteResult
from trueward.runs import (
    Begin,
    RowFile,
    begin_record,
    check_inputs_stay,
    check_writable,
    read_record,
    rows_digest,
    silent,
)
from trueward.scorer import Scorer
from trueward.settings import ScoreSettings, Setting
from trueward.suites import Suite, read_scores, scores_of, suite
from trueward.types import Prompt

SEAM = "\n\n"
"""Put between the texts of a prompt and a response where neither has white space there."""


@dataclass(frozen=True)
class SuiteTask:
    """A suite and its prompts, perhaps not all of them."""

    suite: Suite
    whole: tuple[Prompt, ...]
    """Every prompt of the data."""
    items: tuple[Prompt, ...]
    """The prompts that are judged."""
    limit: int | None = None
    """Most prompts of each subset, the first ones; None for all."""
    excluded: int | None = None
    """Number left out because training saw their prompt; None where all were to stay."""
    source: str | None = None
    """Origin of the data; None for the suite's own hub table."""

    @property
    def stem(self) -> str:
        """Name of the task's files: a partial one never passes for the whole."""
        first = "" if self.limit is None else f".first-{self.limit}"
        return self.suite.name + first + ("" if self.excluded is None else ".uncontaminated")

    @property
    def partial(self) -> str:
        """A note of what is left out; empty for the whole suite."""
        limit = "" if self.limit is None else f"first {self.limit} of each subset only"
        gone = "" if self.excluded is None else f"{self.excluded} contaminated items left out"
        return ", ".join(filter(None, (limit, gone)))

    @cached_property
    def digest(self) -> str:
        """Digest of the prompts that are judged: their texts and labels, in order."""
        return prompts_digest(self.items)

    def identity(self) -> dict[str, str]:
        """Return what two sittings must share."""
        return {"suite": self.stem, "data": self.digest}

    def judged(self, scores: Sequence[Sequence[float]], scorer: str) -> SuiteResult:
        """Apply the suite's metric to scores, one list a prompt; the result has the digest."""
        result = self.suite.judge(self.items, scores, scorer=scorer)
        return replace(result, data=self.digest)

    def without(self, ids: Collection[str]) -> "SuiteTask":
        """Return the task less the prompts of these ids; DataError if none is left."""
        kept = tuple(item for item in self.items if str(item.id) not in ids)
        if not kept:
            raise DataError(f"{self.suite.name}: every item is in the training data; none is left")
        return replace(self, items=kept, excluded=len(self.items) - len(kept))


def load_task(name: str, source: str | None = None, *, limit: int | None = None) -> SuiteTask:
    """Read a suite's prompts from a path or hub name, or else from the suite's own hub table.

    Raises:
        InputError: there is no such suite.
        DataError: its data is not there, or a row is not what it must be.
    """
    benchmark = suite(name)
    try:
        whole = tuple(benchmark.load(source, read=load_rows))
    except DataError as error:
        hint = "" if source else f"; give its data with --data {name}=PATH"
        raise DataError(f"{name}: {error}{hint}") from error
    items = whole if limit is None else first_of_each(whole, limit)
    return SuiteTask(benchmark, whole, items, limit, source=source)


def first_of_each(prompts: Collection[Prompt], limit: int) -> tuple[Prompt, ...]:
    """Return the first `limit` prompts of each subset, in their order."""
    seen: Counter[str] = Counter()
    kept = []
    for prompt in prompts:
        seen[prompt.subset] += 1
        if seen[prompt.subset] <= limit:
            kept.append(prompt)
    return tuple(kept)


def prompts_digest(prompts: Collection[Prompt]) -> str:
    """Return a digest of a suite's prompts: their texts, labels and gold scores, in order."""
    return rows_digest(
        {
            "id": one.id,
            "prompt": one.prompt,
            "responses": one.responses,
            "subset": one.subset,
            "labels": dict(one.labels) | ({"gold": one.scores} if one.scores else {}),
        }
        for one in prompts
    )


@dataclass(frozen=True)
class Evaluation:
    """The result of one model or score file on one suite."""

    label: str
    task: SuiteTask
    result: SuiteResult
    path: Path
    """File of the result."""
    truncated: int | None
    """Responses that were cut to `max_length`; None for scores from a file."""


class ModelScores:
    """Scores that a model gives."""

    def __init__(self, model: RewardModel, facts: Mapping[str, object]) -> None:
        self.label, self.model = model.label, model
        self.facts = {"settings": model.settings.record(), **facts}

    def check(self, task: SuiteTask) -> None:
        """Do nothing: the model tells no more before it is loaded."""

    def identity(self, task: SuiteTask) -> dict[str, Setting]:
        """Return what two sittings must share."""
        return task.identity() | self.model.identity()

    def scores(self, task: SuiteTask, rows: RowFile, begin: Begin) -> list[list[float]]:
        """Score what is missing; return all scores, in the order of the task's prompts."""
        if rows.path.exists():
            scores = read_scores(rows.path, read=load_rows)
        else:
            self._score(task, rows, begin)
            scores = {row["id"]: row["scores"] for row in rows.rows()}
        return scores_of(task.items, scores)

    def _score(self, task: SuiteTask, rows: RowFile, begin: Begin) -> None:
        scorer = self.model.scorer
        prompts = [_as_scored(scorer, one, task.suite.name) for one in task.items]
        lengths = check_lengths(scorer, prompts)
        known = {"truncated": lengths.truncated, "longest": lengths.longest}
        write_scores(
            scorer,
            prompts,
            lambda one, scores: {"id": one.id, "scores": scores},
            rows,
            self.identity(task),
            {"path": self.model.path, **known, **self.facts},
            lambda done: begin(f"{self.label} · {task.stem}", lengths.responses, done),
        )

    def release(self) -> None:
        """Give the model's memory back."""
        self.model.release()


class FileScores:
    """Scores that are in a file already."""

    def __init__(self, label: str, path: str, facts: Mapping[str, object]) -> None:
        self.label, self.path, self.facts = label, path, facts
        self._scores = read_scores(path, read=load_rows)

    def check(self, task: SuiteTask) -> None:
        """Raise DataError unless the file has just the suite's prompts, one score a response."""
        try:
            whole = scores_of(task.whole, self._scores)
            task.suite.judge(task.whole, whole, draws=1)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error

    def identity(self, task: SuiteTask) -> dict[str, Setting]:
        """Return what two sittings must share."""
        return {**task.identity(), "scores": rows_digest([self._scores])}

    def scores(self, task: SuiteTask, rows: RowFile, begin: Begin) -> list[list[float]]:
        """Write the record; return the scores of the task's prompts."""
        begin_record(rows.record, self.identity(task), {"path": self.path, **self.facts})
        return [self._scores[str(item.id)] for item in task.items]

    def release(self) -> None:
        """Do nothing: what is held is small."""


def evaluate(
    models: Mapping[str, str],
    score_files: Mapping[str, str],
    tasks: Sequence[SuiteTask],
    settings: ScoreSettings,
    folder: Path,
    *,
    facts: Mapping[str, object] | None = None,
    overwrite: bool = False,
    begin: Begin = silent,
) -> list[Evaluation]:
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
    scorers: list[ModelScores | FileScores] = [
        *(ModelScores(RewardModel(n, path, settings), facts or {}) for n, path in models.items()),
        *(FileScores(label, path, facts or {}) for label, path in score_files.items()),
    ]
    jobs = [
        (
            scorer,
            [(task, folder / folder_name(scorer.label) / f"{task.stem}.json") for task in tasks],
        )
        for scorer in scorers
    ]
    check_inputs_stay(
        [*score_files.values(), *(task.source for task in tasks)],
        [path for _, results in jobs for _, result in results for path in _files(result)],
    )
    for scorer, results in jobs:
        for task, result in results:
            scorer.check(task)
            if not overwrite:
                _rows(result).finished(scorer.identity(task), result=result)
    check_writable(folder)
    done = []
    for scorer, results in jobs:
        for task, result in results:
            for path in _files(result) if overwrite else ():
                path.unlink(missing_ok=True)
            done.append(_evaluated(scorer, task, result, begin))
        scorer.release()
    return done


def _evaluated(
    scorer: ModelScores | FileScores, task: SuiteTask, path: Path, begin: Begin
) -> Evaluation:
    rows = _rows(path)
    if rows.finished(scorer.identity(task), result=path):
        result = SuiteResult.read(path)
    else:
        result = task.judged(scorer.scores(task, rows, begin), scorer.label)
        result.write(path)
    truncated = read_record(rows.record).get("truncated")
    return Evaluation(scorer.label, task, result, path, truncated)


def _rows(result: Path) -> RowFile:
    """Return the scored rows beside a result, with the record of what they were made of."""
    stem = result.name.removesuffix(".json")
    scores = result.with_name(f"{stem}.scores.jsonl")
    return RowFile(scores, result.with_name(f"{stem}.record.json"))


def _files(result: Path) -> tuple[Path, ...]:
    rows = _rows(result)
    return (result, rows.path, rows.part, rows.record)


def _as_scored(scorer: Scorer, item: Prompt, suite: str) -> Prompt:
    """Return the prompt as the scorer takes it: messages for a template, or text with a seam."""
    where = f"{suite} item {item.id!r}"
    if not scorer.text:
        return replace(item, where=where)
    prompt, responses = as_text(item.prompt), tuple(map(as_text, item.responses))
    if prompt and not prompt[-1:].isspace():
        responses = tuple(r if r[:1].isspace() else SEAM + r for r in responses)
    return replace(item, prompt=prompt, responses=responses, where=where)
