"""What a model was trained on, as far as it is known, against the items of a suite."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trueward.data import load_rows, to_pairs
from trueward.data.columns import resolve
from trueward.data.messages import Turns, checked_turns
from trueward.errors import DataError
from trueward.evals.files import read_json
from trueward.evals.suites import Contamination, contamination
from trueward.evals.suites.contamination import words_of
from trueward.evals.suites.train_prompts import FILE, prompt_hash, read_train_prompts
from trueward.evaluation.tasks import Task

RUN_RECORD = "train.json"
"""What `trueward train` writes beside a model; it names the training data."""


@dataclass(frozen=True)
class TrainingPrompts:
    """Prompts that a model may have been trained on."""

    source: str
    prompts: Sequence[Turns] = ()
    hashes: frozenset[str] = field(default_factory=frozenset)
    """Of prompts whose text is not at hand: only exact matches are found."""

    def check(self, task: Task) -> Contamination:
        """Each of the task's items against these prompts."""
        found = contamination(task.items, self.prompts)
        hashed = [
            bool(words_of(item.prompt)) and prompt_hash(item.prompt) in self.hashes
            for item in found.items
        ]
        kinds = ("exact" if yes else k for yes, k in zip(hashed, found.kinds, strict=True))
        overlaps = (1.0 if yes else o for yes, o in zip(hashed, found.overlaps, strict=True))
        return replace(found, kinds=tuple(kinds), overlaps=tuple(overlaps))


@dataclass(frozen=True)
class Exposure:
    """What one source of training prompts has in common with one task."""

    source: str
    task: Task
    found: Contamination

    @property
    def ids(self) -> frozenset[str]:
        """Of the items whose prompt is there, word for word or nearly."""
        pairs = zip(self.found.items, self.found.kinds, strict=True)
        return frozenset(item.id for item, kind in pairs if kind != "none")

    def document(self) -> dict[str, Any]:
        """The counts, by subset."""
        return {"source": self.source, "suite": self.task.stem, "subsets": self.found.summary()}


def exposures(tasks: Sequence[Task], known: Iterable[TrainingPrompts]) -> list[Exposure]:
    """Every task against every source of training prompts."""
    return [Exposure(one.source, task, one.check(task)) for one in known for task in tasks]


def known_prompts(
    models: Iterable[str], given: Iterable[str]
) -> tuple[list[TrainingPrompts], list[str]]:
    """What the models record of their training, and the given training data; and notices.

    Raises:
        DataError: given data has no prompts.
    """
    found, notices = [training_prompts(source) for source in given], []
    for model in models:
        try:
            recorded = recorded_prompts(model)
        except DataError as error:
            notices.append(f"contamination of {model} not checked: {error}; give --train_data")
            continue
        if recorded is not None:
            found.append(recorded)
    return list({one.source: one for one in found}.values()), notices


def training_prompts(source: str) -> TrainingPrompts:
    """The prompts of training data, or of the data that a run of `trueward train` read.

    Args:
        source: a file, folder or hub name that `load_rows` reads, or a run's folder.

    Raises:
        DataError: there are no prompts in it.
    """
    recorded = recorded_prompts(source)
    return recorded or TrainingPrompts(source, list(_prompts_of(source)))


def recorded_prompts(model: str) -> TrainingPrompts | None:
    """The prompts that a model's folder (or its checkpoint's run) records; None if it does not.

    Raises:
        DataError: it names training data that cannot be read.
    """
    folder = Path(model)
    places = [folder, folder.parent] if folder.name.startswith("checkpoint-") else [folder]
    for place in places:
        if (place / FILE).is_file():
            return TrainingPrompts(str(place / FILE), hashes=read_train_prompts(place))
        if (place / RUN_RECORD).is_file():
            job = read_json(place / RUN_RECORD)["job"].value
            return _of_job(job) if isinstance(job, dict) and job.get("dataset_name") else None
    return None


def _of_job(job: dict[str, Any]) -> TrainingPrompts:
    name, split = job["dataset_name"], job.get("dataset_train_split") or "train"
    return TrainingPrompts(name, list(_prompts_of(name, split, job.get("dataset_config"))))


def _prompts_of(source: str, split: str = "train", config: str | None = None) -> Iterator[Turns]:
    """The prompt column, or what `to_pairs` finds in rows without one."""
    rows = load_rows(source, split=split, config=config)
    roles = resolve(rows.column_names, None, source)
    if "prompt" not in roles:
        rows, _ = to_pairs(rows)
        roles = {"prompt": "prompt"}
    if roles["prompt"] not in rows.column_names:
        raise DataError(
            f"{source}: no prompts as text in it; give the data before it was tokenized"
        )
    for number, prompt in enumerate(rows[roles["prompt"]]):
        yield checked_turns(prompt, f"{source}: row {number}, field {roles['prompt']!r}")
