"""What is judged: a model that scores, or a file of scores."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trueward.data import load_rows
from trueward.errors import DataError
from trueward.evaluate.fingerprint import model_digest
from trueward.evaluate.settings import ScoreSettings
from trueward.evaluate.tasks import Task
from trueward.evaluate.turns import check_lengths, item_turns
from trueward.runs import CHUNK, Begin, RowFile, begin_record, check_same, rows_digest
from trueward.scorer import Scorer
from trueward.suites import SuiteResult, read_scores, scores_of


@dataclass(frozen=True)
class Place:
    """The files of one contestant on one suite."""

    result: Path

    @property
    def rows(self) -> RowFile:
        """Scored rows, and the record of what they were made of."""
        stem = self.result.name.removesuffix(".json")
        return RowFile(
            self.result.with_name(f"{stem}.scores.jsonl"),
            self.result.with_name(f"{stem}.record.json"),
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is written there."""
        return (self.result, self.rows.path, self.rows.part, self.rows.record)

    def finished(self, identity: Mapping[str, Any]) -> bool:
        """Whether the result is there. Raises OutputExistsError if it is of something else."""
        begun = next((p for p in (self.result, self.rows.path, self.rows.part) if p.exists()), None)
        if begun is not None:
            check_same(begun, self.rows.record, identity)
        return self.result.exists()

    def clear(self) -> None:
        """Remove the result and all that belongs to it."""
        self.rows.remove()
        self.result.unlink(missing_ok=True)


class Model:
    """A checkpoint, loaded when it is first needed."""

    def __init__(
        self, label: str, path: str, settings: ScoreSettings, facts: Mapping[str, Any] | None = None
    ) -> None:
        self.label, self.path, self.settings = label, path, settings
        self.facts = {"settings": asdict(settings), **(facts or {})}
        self.digest = model_digest(path)
        self._loaded: list[Scorer] = []

    def check(self, task: Task) -> None:
        """Nothing can be said before the model is loaded."""

    def identity(self, task: Task) -> dict[str, Any]:
        """What two sittings must share."""
        return {**task.identity(), "model": self.digest, **self.settings.identity()}

    def judge(self, task: Task, place: Place, begin: Begin) -> SuiteResult:
        """Score the rows that are missing, then judge them all."""
        if place.rows.path.exists():
            found = read_scores(place.rows.path, read=load_rows)
        else:
            found = self._score(task, place.rows, begin)
        return task.judged(scores_of(task.items, found), self.label)

    def release(self) -> None:
        """Give the model's memory back."""
        self._loaded.clear()

    def _scorer(self) -> Scorer:
        if not self._loaded:
            self._loaded.append(self.settings.load(self.path))
        return self._loaded[0]

    def _score(self, task: Task, rows: RowFile, begin: Begin) -> dict[str, list[float]]:
        scorer = self._scorer()
        turns = [item_turns(scorer, item) for item in task.items]
        names = [f"{task.suite.name} item {item.id!r}" for item in task.items]
        groups = [(name, *group) for name, group in zip(names, turns, strict=True)]
        lengths = check_lengths(scorer, groups)
        facts = {"path": self.path, "truncated": lengths.truncated, "longest": lengths.longest}
        begin_record(rows.record, self.identity(task), facts | self.facts)
        rows.resume()
        found = {row["id"]: row["scores"] for row in rows.rows()}
        done = sum(map(len, found.values()))
        advance = begin(f"{self.label} · {task.stem}", lengths.responses, done)
        for start in range(len(found), len(turns), CHUNK):
            prompts, responses = zip(*turns[start : start + CHUNK], strict=True)
            scores = scorer.score_groups(prompts, responses, advance=advance)
            ids = [item.id for item in task.items[start : start + CHUNK]]
            rows.append([{"id": i, "scores": row} for i, row in zip(ids, scores, strict=True)])
            found |= dict(zip(ids, scores, strict=True))
        rows.finish()
        return found


class ScoreFile:
    """Scores that are there already."""

    def __init__(self, label: str, path: str, facts: Mapping[str, Any] | None = None) -> None:
        self.label, self.path, self.facts = label, path, dict(facts or {})
        self._scores = read_scores(path, read=load_rows)

    def check(self, task: Task) -> None:
        """Raise DataError unless the file has just the suite's items, one score a response."""
        try:
            whole = scores_of(task.whole, self._scores)
            task.suite.judge(task.whole, whole, draws=1)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error

    def identity(self, task: Task) -> dict[str, Any]:
        """What two sittings must share."""
        return {**task.identity(), "scores": rows_digest([self._scores])}

    def judge(self, task: Task, place: Place, begin: Begin) -> SuiteResult:
        """Judge the file's scores."""
        begin_record(place.rows.record, self.identity(task), {"path": self.path, **self.facts})
        return task.judged([self._scores[str(item.id)] for item in task.items], self.label)

    def release(self) -> None:
        """Nothing is held that is large."""
