"""Scoring with a model: rewards of rows, in files that a later call goes on with, and digests."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trueward.data import stream_rows
from trueward.data.messages import check_text, described, turns_of
from trueward.errors import DataError, InputError, ModelError
from trueward.models import ADAPTER_FILE, checkpoint_file, read_object
from trueward.runs import Advance, Begin, RowFile, check_free, check_same, rows_digest, silent
from trueward.scorer import Scorer
from trueward.settings import ScoreSettings, Setting
from trueward.types import Prompt, Row


class RewardModel:
    """A labelled checkpoint, loaded when it is first needed."""

    def __init__(self, label: str, path: str, settings: ScoreSettings) -> None:
        self.label, self.path, self.settings = label, path, settings
        self.digest = model_digest(path, settings.model_revision)

    @cached_property
    def scorer(self) -> Scorer:
        """The loaded model; ModelError if it is no reward model."""
        return self.settings.load(self.path)

    def release(self) -> None:
        """Give the model's memory back."""
        self.__dict__.pop("scorer", None)

    def identity(self) -> dict[str, Setting]:
        """Return what two sittings that score with it must share."""
        return {"model": self.digest, **self.settings.identity()}


def folder_name(label: str) -> str:
    """Return a label as the name of a folder."""
    return label.replace("/", "__")


# Rows of prompts with responses, read

REWARD_COLUMNS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("response",): ("reward",),
    ("responses",): ("rewards",),
    ("chosen", "rejected"): ("chosen_reward", "rejected_reward"),
}
"""Columns with responses to score, and the columns that take their rewards."""


def read_prompts(source: str) -> Iterator[Prompt]:
    """Yield rows to score: prompt with response, with responses, or with chosen and rejected.

    `source` is a file, folder or hub name that `load_rows` reads; JSONL is read line by line.
    `extras` hold all fields of the row as they came.

    Raises:
        DataError: naming the row and the field that is not what it must be.
    """
    for number, row in enumerate(stream_rows(source)):
        yield _prompt_to_score(row, number, f"{source}: row {number}")


def response_columns(row: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the columns of `row` that hold responses to score, None where there are none."""
    return next((c for c in REWARD_COLUMNS if all(row.get(name) is not None for name in c)), None)


def _prompt_to_score(row: Row, number: int, where: str) -> Prompt:
    columns = response_columns(row)
    if columns is None or row.get("prompt") is None:
        raise DataError(
            f"{where}: expected prompt with response, responses, or chosen and rejected; got "
            f"{', '.join(k for k, v in row.items() if v is not None) or 'nothing'}"
        )
    for column in REWARD_COLUMNS[columns]:
        if column in row:
            raise DataError(
                f"{where}: field {column!r} is there already; rename it, for the reward"
            )
    listed = columns == ("responses",)
    responses = row["responses"] if listed else [row[column] for column in columns]
    if not isinstance(responses, list) or not responses:
        raise DataError(
            f"{where}, field 'responses': expected a list of at least one response, got "
            f"{described(responses)}"
        )
    for column, value in row.items():  # what is only kept is written too
        check_text([column, value], f"{where}, field {column!r}")
    named = columns * len(responses) if listed else columns
    turns = [
        turns_of(response, f"{where}, field {column!r}")
        for column, response in zip(named, responses, strict=True)
    ]
    prompt = turns_of(row["prompt"], f"{where}, field 'prompt'")
    return Prompt(number, prompt, tuple(turns), extras=row, where=where)


# The same rows, scored and written


@dataclass(frozen=True)
class Lengths:
    """Counts and lengths of the sequences that are to be scored."""

    responses: int
    truncated: int
    longest: int
    """In tokens, before any truncation."""


def check_lengths(scorer: Scorer, prompts: Iterable[Prompt]) -> Lengths:
    """Count what will be truncated; messages call a prompt what its `where` says.

    Raises:
        DataError: sequences are longer than `max_length` and the policy is `error`; or messages
            that cannot be encoded.
    """
    counted = over = longest = 0
    longest_at = ""
    for prompt in prompts:
        for response in prompt.responses:
            try:
                ids = scorer.encode(prompt.prompt, response)
            except DataError as error:
                raise DataError(f"{prompt.where}: {error}") from error
            counted += 1
            over += scorer.encoder.excess(ids) > 0
            if len(ids) > longest:
                longest, longest_at = len(ids), prompt.where
    if over and scorer.encoder.truncation == "error":
        raise DataError(
            f"{over:,} of {counted:,} sequences are longer than max_length="
            f"{scorer.encoder.max_length} tokens (the longest, {longest:,}, is of {longest_at}); "
            "raise --max_length as far as the model allows, or cut them with --truncation "
            "truncate_left or truncate_right"
        )
    return Lengths(counted, over, longest)


def write_scores(
    scorer: Scorer,
    prompts: Iterable[Prompt],
    row: Callable[[Prompt, list[float]], Row],
    out: RowFile,
    identity: Mapping[str, Setting],
    facts: Mapping[str, object],
    begin: Callable[[int], Advance],
) -> int:
    """Write the rows that are missing, each made of a prompt and its rewards; return how many are.

    Args:
        scorer: gives the rewards, in logits.
        prompts: all of them; those of rows that stand are passed over.
        row: makes a row.
        out: the file of rows.
        identity: what two sittings must share.
        facts: put into the record.
        begin: told how many responses were done before; what it returns is told of the others.
    """

    def rows_of(chunk: list[Prompt], advance: Advance) -> Iterable[Row]:
        texts, responses = [p.prompt for p in chunk], [p.responses for p in chunk]
        return map(row, chunk, scorer.score_groups(texts, responses, advance=advance))

    return out.write(
        prompts, rows_of, identity, facts, size=lambda prompt: len(prompt.responses), begin=begin
    )


@dataclass(frozen=True)
class ScoredRows:
    """A file of rows with rewards that was written."""

    path: Path
    rows: int
    lengths: Lengths


def with_rewards(prompt: Prompt, rewards: Sequence[float]) -> Row:
    """Return the row that a prompt was read from, with its rewards, in logits."""
    columns = REWARD_COLUMNS[response_columns(prompt.extras) or ("responses",)]
    values = [list(rewards)] if columns == ("rewards",) else rewards
    return {**prompt.extras, **dict(zip(columns, values, strict=True))}


def score_rows(
    model: str,
    source: str,
    path: Path,
    settings: ScoreSettings,
    *,
    overwrite: bool = False,
    begin: Begin = silent,
    read: Callable[[str], Iterable[Prompt]] = read_prompts,
    row: Callable[[Prompt, Sequence[float]], Row] = with_rewards,
    identity: Mapping[str, Setting] | None = None,
    facts: Mapping[str, object] | None = None,
) -> ScoredRows:
    """Write every row of `source` to `path` as JSONL, its rewards in logits beside its own fields.

    Rows are `{prompt, response}`, `{prompt, responses}` or `{prompt, chosen, rejected}`, text or
    messages. They are read twice: all are checked before the first is scored. Scored rows go to
    `PATH.part`, chunk by chunk; an interrupted call goes on from there.

    Args:
        model: folder or hub name.
        source: a file, folder or hub name that `load_rows` reads; JSONL is read line by line.
        path: the JSONL file to write.
        settings: how the model scores.
        overwrite: remove an earlier output first.
        begin: told what begins, and how many responses there are.
        read: yields the prompts of `source`, each with its row as `extras`.
        row: makes the row to write of a prompt and its rewards.
        identity: what two sittings must share beside data, model and settings.
        facts: put into the record as they are (`command`, `environment`).

    Raises:
        OutputExistsError: the output is there, is the source, or was begun with something else.
        DataError: a row is not what it must be, or is too long; nothing is written.
        ModelError: the model is no reward model.
    """
    out = reward_file(path)
    out.check_apart(source)
    check_free(path, overwrite=overwrite)
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.absolute().parent}; make it first")
    sources = rows_identity(model, read(source), settings) | dict(identity or {})
    if out.part.exists() and not overwrite:
        check_same(out.part, out.record, sources)
    scorer = settings.load(model)
    lengths = check_lengths(scorer, read(source))
    if overwrite:
        out.remove()
    known = {"path": model, "source": source, "truncated": lengths.truncated}
    written = write_scores(
        scorer,
        read(source),
        row,
        out,
        sources,
        known | {"settings": settings.record(), **(facts or {})},
        lambda done: begin(path.name, lengths.responses, done),
    )
    return ScoredRows(path, written, lengths)


def reward_file(path: Path) -> RowFile:
    """Return the rows at `path` (JSONL), with `….record.json` beside them."""
    return RowFile(path, path.with_name(path.name.removesuffix(".jsonl") + ".record.json"))


def rows_identity(
    model: str, rows: Iterable[Prompt], settings: ScoreSettings
) -> dict[str, Setting]:
    """Return what two sittings that score rows must share: data, model and settings."""
    data = rows_digest(dict(row.extras) for row in rows)
    digest = model_digest(model, settings.model_revision)
    return {"data": data, "model": digest, **settings.identity()}


# Digests, by which a sitting knows that it goes on with the same model

CHECKPOINT_FILES = (
    "config.json",
    "adapter_config.json",
    "*.safetensors",
    "tokenizer*",
    "added_tokens.json",
    "chat_template*",
    "special_tokens_map.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "trueward.json",
)
"""The files of a checkpoint on which its rewards depend."""
_WHOLE, _BLOCK = 64 * 2**20, 2**20
"""Bytes of the largest file that is read whole, and of the blocks of a larger one."""


def model_digest(path: str, revision: str | None = None) -> str:
    """Return a digest of a checkpoint folder, or a hub name's commit; of an adapter its base's too.

    Of a file above 64 MiB the size, the first MiB and 63 more, spread evenly, are read: another
    training changes every tensor.

    Raises:
        ModelError: there is no such folder or hub name.
    """
    folder = Path(path)
    own = _folder_digest(folder) if folder.is_dir() else _hub_commit(path, revision)
    adapter = read_object(path, ADAPTER_FILE, revision=revision)
    base = adapter.get("base_model_name_or_path")
    return own if base is None else f"{own} on {model_digest(str(base), adapter.get('revision'))}"


def _folder_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted({file for pattern in CHECKPOINT_FILES for file in folder.glob(pattern)}):
        total.update(file.name.encode() + _file_digest(file))
    return f"sha256:{total.hexdigest()[:16]}"


def _file_digest(file: Path) -> bytes:
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        if size <= _WHOLE:
            digest.update(stream.read())
        else:
            for block in range(64):
                stream.seek(block * (size - _BLOCK) // 63)
                digest.update(stream.read(_BLOCK))
    return digest.digest()


def _hub_commit(name: str, revision: str | None) -> str:
    nothing = f"{name}: no folder of a model, and no hub name whose config.json can be read"
    try:
        file = checkpoint_file(name, "config.json", revision=revision)
    except ModelError as error:
        raise ModelError(nothing) from error
    if file is None:
        raise ModelError(nothing)
    return f"{name}@{file.parent.name}"
