"""From prompts or responses to scored prompts: what is missing is made, what is there is kept."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.alignment.chosen_rows import rows_of_responses
from trueward.alignment.kept_rows import ready, write_rows
from trueward.alignment.samples import Sampler, sample_rows
from trueward.alignment.scored_prompts import ScoredPrompts, join_rewards, numbers
from trueward.alignment.world import world_gold, world_prompts, written_by_writers
from trueward.data import stream_rows
from trueward.data.messages import described
from trueward.errors import DataError, InputError
from trueward.evaluate import ScoreSettings, score_rows
from trueward.evaluate.own_rows import OwnRow
from trueward.evaluate.rewarded_rows import made_of_rows, reward_file
from trueward.models import check_base
from trueward.runs import Begin, RowFile, read_record, rows_digest, silent

SAMPLES = "samples.jsonl"


@dataclass(frozen=True)
class WorldSource:
    """The embedded world's held-out prompts, answered by its training writers or by a policy."""

    prompts: int = 150
    samples: int = 16
    """A prompt, where writers answer."""
    seed: int = 0


@dataclass(frozen=True)
class Responses:
    """Where responses come from, and gold."""

    file: str | None
    """Rows with responses, or, for a sampler, with prompts; None for the world's own prompts."""
    sampler: Sampler | None = None
    gold_world: bool = False
    world: WorldSource = WorldSource()

    @property
    def makes_rows(self) -> bool:
        """Whether rows are written, and not the file's judged as they are."""
        return self.sampler is not None or self.gold_world


@dataclass(frozen=True)
class Judged:
    """Scored prompts, and what was cut on the way."""

    scored: ScoredPrompts
    rows: str
    """The file of responses."""
    truncated: Mapping[str, int]
    """By model: sequences cut before scoring."""
    cut: int
    """Samples that ended at the policy's `max_new_tokens`."""


def check_models(models: Mapping[str, str]) -> None:
    """Raise ModelError where one is not there, before anything is sampled."""
    for path in models.values():
        check_base(path)


def response_rows(
    wanted: Responses, folder: Path, *, overwrite: bool = False, begin: Begin = silent
) -> str:
    """The file with rows `{prompt, responses[, gold]}`: the one given, or `samples.jsonl`.

    Raises:
        InputError: neither a file nor the world.
        DataError: a row that is not what it must be.
        OutputExistsError: samples of something else are there, or the file itself.
    """
    world, path = wanted.world, folder / SAMPLES
    if wanted.file is None and not wanted.gold_world:
        raise InputError("no rows: name a FILE, or give --gold_world for the world's own prompts")
    out = reward_file(path)
    if wanted.file is not None and wanted.makes_rows:
        out.check_apart(wanted.file)
    if wanted.sampler is not None:
        given = wanted.file
        prompts = (
            world_prompts(world.prompts, world.seed)
            if given is None
            else [dict(row) for row in stream_rows(given)]
        )
        return str(sample_rows(wanted.sampler, prompts, path, overwrite=overwrite, begin=begin))
    if not wanted.makes_rows:
        return str(wanted.file)
    rows = (
        written_by_writers(world.prompts, world.samples, world.seed)
        if wanted.file is None
        else _with_gold(wanted.file)
    )
    made = list(rows)  # all are checked before the first is written
    identity = {"data": rows_digest(made)}
    if not ready(out, identity, overwrite):
        write_rows(out, identity, made[out.resume(chunk=1) :])
    return str(path)


def judge_responses(
    rows: str,
    models: Mapping[str, str],
    settings: ScoreSettings,
    folder: Path,
    *,
    overwrite: bool = False,
    begin: Begin = silent,
) -> Judged:
    """Rewards of every model in `rewards-NAME.jsonl`, and all of them together.

    Raises:
        DataError: a row that is not what it must be.
        ModelError: one of them is no reward model.
        OutputExistsError: rewards of something else are there, or the rows themselves.
    """
    files: dict[str, str] = {}
    truncated: dict[str, int] = {}
    outputs = reward_files(folder, models)
    for out in outputs.values():
        out.check_apart(rows)
    for label, model in models.items():
        out = outputs[label]
        identity = made_of_rows(model, _judged_rows(rows), settings)
        if not ready(out, identity, overwrite):
            score_rows(model, rows, out.path, settings, begin=begin, read=_judged_rows)
        files[label] = str(out.path)
        truncated[label] = int(read_record(out.record).get("truncated", 0))
    cut = sum(int(row.get("cut") or 0) for row in stream_rows(rows))
    return Judged(join_rewards(files), rows, truncated, cut)


def check_outputs(wanted: Responses, models: Iterable[str], folder: Path) -> None:
    """Refuse to replace the file that is read, before anything is made.

    Raises:
        OutputExistsError: an output of these models is that file.
    """
    if wanted.file is not None:
        made = [reward_file(folder / SAMPLES)] if wanted.makes_rows else []
        for out in (*made, *reward_files(folder, models).values()):
            out.check_apart(wanted.file)


def reward_files(folder: Path, models: Iterable[str]) -> dict[str, RowFile]:
    """Where each model's rewards go."""
    return {
        label: reward_file(folder / f"rewards-{label.replace('/', '--')}.jsonl") for label in models
    }


def _judged_rows(source: str) -> Iterator[OwnRow]:
    """Rows of responses whose gold and `cut`, if any, fit: seen before a model is run."""
    for row in rows_of_responses(source):
        cut = row.fields.get("cut")
        if cut is not None and (type(cut) is not int or cut < 0):
            raise DataError(
                f"{row.name}, field 'cut': expected how many samples ended at the length limit, "
                f"got {described(cut)}; rename or drop it"
            )
        if row.fields.get("gold") is not None:
            numbers(row.fields, "gold", row.name, like=("responses", len(row.responses)))
        yield row


def _with_gold(source: str) -> Iterator[dict[str, Any]]:
    for row in rows_of_responses(source):
        yield {**row.fields, "gold": world_gold(row.fields, row.responses, row.name)}
