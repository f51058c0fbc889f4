"""Prompts that a model may have been trained on, against the prompts of suites."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trueward.data import load_rows, to_pairs
from trueward.data.forms import resolve
from trueward.data.messages import checked_turns
from trueward.data.mixture import Source, sources_of
from trueward.errors import DataError
from trueward.evaluate.benchmarks import SuiteTask
from trueward.files import read_json
from trueward.results import ExposedSuite
from trueward.suites import Contamination, contamination, read_train_prompts
from trueward.suites.contamination import TRAIN_PROMPTS
from trueward.types import Turns

RUN_RECORD = "train.json"
"""The document that `trueward train` writes beside a model; it names the training data."""
TRAIN = "train"
"""The split that is read where none is named."""


@dataclass(frozen=True)
class TrainingPrompts:
    """Prompts that a model may have been trained on."""

    source: str
    prompts: Sequence[Turns] | None = None
    """None where the text is not at hand: then near-duplicates cannot be found."""
    hashes: frozenset[str] = field(default_factory=frozenset)
    """Hashes of prompts that were trained on: they find the same words only."""

    def joined(self, other: "TrainingPrompts") -> "TrainingPrompts":
        """Return the prompts and hashes of two that name one source."""
        prompts = self.prompts if self.prompts is not None else other.prompts
        return TrainingPrompts(self.source, prompts, self.hashes | other.hashes)


@dataclass(frozen=True)
class Exposure:
    """The prompts that one source of training prompts has in common with one task."""

    source: str
    task: SuiteTask
    contamination: Contamination
    near_checked: bool
    """The training prompts' text was at hand; without it `near` is not known."""

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the prompts that are there, word for word or nearly."""
        pairs = zip(self.contamination.prompts, self.contamination.kinds, strict=True)
        return frozenset(str(prompt.id) for prompt, kind in pairs if kind != "none")

    def document(self) -> ExposedSuite:
        """Return the counts of a suite's items, by subset and kind."""
        unknown = {} if self.near_checked else {"near": None}
        subsets = {
            name: {**counts, **unknown} for name, counts in self.contamination.summary().items()
        }
        return {"source": self.source, "suite": self.task.stem, "subsets": subsets}


def exposures(tasks: Sequence[SuiteTask], known: Iterable[TrainingPrompts]) -> list[Exposure]:
    """Hold every task against every source of training prompts."""
    return [
        Exposure(
            one.source,
            task,
            contamination(task.items, one.prompts or (), hashes=one.hashes),
            one.prompts is not None,
        )
        for one in known
        for task in tasks
    ]


def known_prompts(
    models: Iterable[str], given: Iterable[str]
) -> tuple[list[TrainingPrompts], list[str]]:
    """Return what the models record of their training, and the given training data; and notices.

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
    known: dict[str, TrainingPrompts] = {}
    for one in found:
        known[one.source] = known[one.source].joined(one) if one.source in known else one
    return list(known.values()), notices


def training_prompts(source: str) -> TrainingPrompts:
    """Return the prompts of training data, or of the data that a run of `trueward train` read.

    Args:
        source: a file, folder or hub name that `load_rows` reads, or a run's folder.

    Raises:
        DataError: there are no prompts in it.
    """
    recorded = recorded_prompts(source)
    return recorded or TrainingPrompts(source, list(_prompts_of(source)))


def recorded_prompts(model: str) -> TrainingPrompts | None:
    """Return the prompts that a model's folder (or its checkpoint's run) records; None if none.

    Both records count: the data that the run names gives the text, the hashes what was trained on.

    Raises:
        DataError: it names training data that cannot be read, and has no hashes either.
    """
    folder = Path(model)
    places = [folder, folder.parent] if folder.name.startswith("checkpoint-") else [folder]
    for place in places:
        hashed = _hashed(place) if (place / TRAIN_PROMPTS).is_file() else None
        job = read_json(place / RUN_RECORD)["job"].value if (place / RUN_RECORD).is_file() else None
        if isinstance(job, dict) and job.get("dataset_name"):
            split = job.get("dataset_train_split") or TRAIN
            return _named_data(
                sources_of(job["dataset_name"], split=split, config=job.get("dataset_config")),
                hashed,
            )
        if hashed is not None or job is not None:
            return hashed
    return None


def _hashed(place: Path) -> TrainingPrompts:
    return TrainingPrompts(str(place / TRAIN_PROMPTS), hashes=read_train_prompts(place))


def _named_data(sources: list[Source], hashed: TrainingPrompts | None) -> TrainingPrompts:
    """Read the text of the data that a run names; where it is gone the hashes alone are known."""
    prompts: list[Turns] = []
    try:
        for one in sources:
            prompts += _prompts_of(one.name, one.split, one.config)
    except DataError:
        if hashed is None:
            raise
        return hashed
    said = " + ".join(
        one.name
        + (f":{one.config}" if one.config else "")
        + (f"[{one.split}]" if one.split != TRAIN else "")
        for one in sources
    )
    return TrainingPrompts(said, prompts, hashed.hashes if hashed else frozenset())


def _prompts_of(source: str, split: str = TRAIN, config: str | None = None) -> Iterator[Turns]:
    """Yield the prompt column, or what `to_pairs` finds in rows without one."""
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
