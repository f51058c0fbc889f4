"""Rewards of the user's own rows, added to them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from trueward.errors import InputError, OutputExistsError
from trueward.evaluate.fingerprint import model_digest
from trueward.evaluate.own_rows import OwnRow, own_rows
from trueward.evaluate.settings import ScoreSettings
from trueward.evaluate.turns import Lengths, check_lengths
from trueward.runs import CHUNK, Begin, RowFile, begin_record, check_same, rows_digest, silent
from trueward.scorer import Scorer


@dataclass(frozen=True)
class ScoredRows:
    """What was scored, and where it is."""

    path: Path
    rows: int
    lengths: Lengths


def score_rows(
    model: str,
    source: str,
    path: Path,
    settings: ScoreSettings,
    *,
    overwrite: bool = False,
    begin: Begin = silent,
    read: Callable[[str], Iterator[OwnRow]] = own_rows,
    identity: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
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
        read: yields the rows, each of which knows what to write of itself (`with_rewards`).
        identity: what two sittings must share beside data, model and settings.
        facts: put into the record as they are (`command`, `environment`).

    Raises:
        OutputExistsError: the output is there, is the source, or was begun with something else.
        DataError: a row is not what it must be, or is too long; nothing is written.
        ModelError: the model is no reward model.
    """
    out = reward_file(path)
    out.check_apart(source)
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} is there already; choose another output, or --overwrite")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.absolute().parent}; make it first")
    made_of = made_of_rows(model, read(source), settings) | dict(identity or {})
    if out.part.exists() and not overwrite:
        check_same(out.part, out.record, made_of)
    scorer = settings.load(model)
    lengths = check_lengths(scorer, ((r.name, r.prompt, r.responses) for r in read(source)))
    if overwrite:
        out.remove()
    known = {"path": model, "source": source, "truncated": lengths.truncated}
    begin_record(out.record, made_of, known | {"settings": asdict(settings), **(facts or {})})
    done = out.resume()
    before = sum(len(row.responses) for row in islice(read(source), done))
    advance = begin(path.name, lengths.responses, before)
    for chunk in _chunks(islice(read(source), done, None)):
        _append(scorer, chunk, out, advance)
        done += len(chunk)
    out.finish()
    return ScoredRows(path, done, lengths)


def reward_file(path: Path) -> RowFile:
    """Rows at `path` (JSONL), with `….record.json` beside them."""
    return RowFile(path, path.with_name(path.name.removesuffix(".jsonl") + ".record.json"))


def made_of_rows(model: str, rows: Iterable[OwnRow], settings: ScoreSettings) -> dict[str, Any]:
    """What two sittings that score rows must share."""
    data = rows_digest(dict(row.fields) for row in rows)
    return {"data": data, "model": model_digest(model), **settings.identity()}


def _append(
    scorer: Scorer, chunk: list[OwnRow], out: RowFile, advance: Callable[[int], object]
) -> None:
    prompts, responses = zip(*((row.prompt, row.responses) for row in chunk), strict=True)
    rewards = scorer.score_groups(prompts, responses, advance=advance)
    out.append([row.with_rewards(group) for row, group in zip(chunk, rewards, strict=True)])


def _chunks(rows: Iterator[OwnRow]) -> Iterator[list[OwnRow]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
