"""Responses to prompts: read, sampled or written, judged by reward models, selected."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.alignment.sampling import Sampler, WorldSource, world_gold
from trueward.data import stream_rows
from trueward.data.messages import described
from trueward.errors import DataError, InputError
from trueward.evaluate import ScoredRows, ScoreSettings, read_prompts, response_columns, score_rows
from trueward.evaluate.scoring import reward_file, rows_identity
from trueward.models import check_base
from trueward.runs import Begin, RowFile, check_apart, read_record, rows_digest, silent
from trueward.types import Prompt, Row

PROXY = "proxy"
SAMPLES = "samples.jsonl"
FILE = "bon.json"


@dataclass(frozen=True)
class ScoredPrompts:
    """Samples of prompts, each with a reward of every proxy and, where known, a gold score."""

    prompts: tuple[str, ...]
    """A digest of each row's prompt: rows of one prompt are resampled together."""
    proxies: Mapping[str, tuple[Float[ndarray, " samples"], ...]]
    """By reward model, the rewards of each row's samples."""
    gold: tuple[Float[ndarray, " samples"], ...] | None

    @property
    def counts(self) -> list[int]:
        """The number of samples of each row."""
        return [len(row) for row in next(iter(self.proxies.values()))]


def read_scores(source: str) -> ScoredPrompts:
    """Read rows `{prompt, proxy: [numbers], gold: [numbers]}`: JSONL, or what `load_rows` reads.

    Raises:
        DataError: naming the row and the field that is not what it must be.
    """
    names, proxy, gold = [], [], []
    for number, fields in enumerate(stream_rows(source)):
        where = f"{source}: row {number}"
        names.append(_prompt_digest(fields, where))
        proxy.append(_numbers(fields, PROXY, where))
        gold.append(_numbers(fields, "gold", where, like=(PROXY, len(proxy[-1]))))
    return ScoredPrompts(tuple(names), {PROXY: tuple(proxy)}, tuple(gold))


def join_rewards(files: Mapping[str, str]) -> ScoredPrompts:
    """Join the rewards that models gave to the same rows, a file a model, with the rows' `gold`.

    Gold is None where no row has it.

    Raises:
        DataError: files of different rows, gold in some rows only, or not a number a response.
    """
    first = next(iter(files.values()))
    names: list[str] = []
    golds: list[ndarray | None] = []
    rewards: dict[str, list[ndarray]] = {label: [] for label in files}
    for number, together in enumerate(zip_longest(*map(stream_rows, files.values()))):
        where = f"{first}: row {number}"
        if None in together:
            raise DataError(f"{where}: not every model has this row; score again with --overwrite")
        names.append(_prompt_digest(together[0], where))
        for model_rewards, fields in zip(rewards.values(), together, strict=True):
            model_rewards.append(_numbers(fields, "rewards", where))
        golds.append(_gold(together[0], where, len(next(iter(rewards.values()))[-1])))
    proxies = {label: tuple(values) for label, values in rewards.items()}
    known = tuple(gold for gold in golds if gold is not None)
    if known and len(known) < len(golds):
        row = next(n for n, gold in enumerate(golds) if gold is None)
        raise DataError(
            f"{first}: row {row}, field 'gold': missing, and other rows have it; give it to all"
        )
    return ScoredPrompts(tuple(names), proxies, known or None)


def _gold(fields: Row, where: str, size: int) -> Float[ndarray, " samples"] | None:
    if fields.get("gold") is None:
        return None
    return _numbers(fields, "gold", where, like=("responses", size))


def _numbers(
    fields: Row, field: str, where: str, like: tuple[str, int] | None = None
) -> Float[ndarray, " samples"]:
    """Return a row's list of finite numbers; `like` names another field and its length."""
    value = fields.get(field)
    if not isinstance(value, list) or not value or not all(map(_finite, value)):
        raise DataError(
            f"{where}, field {field!r}: expected a list of finite numbers, one a response; "
            f"got {described(value)}"
        )
    if like is not None and len(value) != like[1]:
        raise DataError(
            f"{where}, field {field!r}: expected {like[1]} numbers, as {like[0]!r} has; "
            f"got {len(value)}"
        )
    return np.asarray(value, dtype=np.float64)


def _finite(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _prompt_digest(fields: Row, where: str) -> str:
    if fields.get("prompt") is None:
        raise DataError(f"{where}: expected a field 'prompt'; got {', '.join(fields) or 'nothing'}")
    return rows_digest([{"prompt": fields["prompt"]}])


@dataclass(frozen=True)
class ResponseSource:
    """The origin of responses, and of their gold."""

    file: str | None
    """Rows with responses, or, for a sampler, with prompts; None for the world's own prompts."""
    sampler: Sampler | None = None
    """The policy that answers the prompts; None where responses are there."""
    gold_world: bool = False
    """True where the embedded world's gold is added to the rows."""
    world: WorldSource = WorldSource()

    @property
    def makes_rows(self) -> bool:
        """True where rows are sampled or get gold; else the file's are judged as they are."""
        return self.sampler is not None or self.gold_world


@dataclass(frozen=True)
class JudgedResponses:
    """Scored prompts, and how many sequences were cut on the way."""

    scored: ScoredPrompts
    truncated: Mapping[str, int]
    """By model, the number of sequences cut before scoring."""
    cut: int
    """The number of samples that ended at the policy's `max_new_tokens`."""


def check_request(
    source: ResponseSource, models: Mapping[str, str], folder: Path, settings: ScoreSettings
) -> None:
    """Check, before anything is written, that the models exist and that no output is the source.

    Raises:
        OutputExistsError: an output is the file that is read.
        ModelError: a model is not there.
    """
    if source.file is not None:
        check_apart(source.file, folder / FILE)
        made = [reward_file(folder / SAMPLES)] if source.makes_rows else []
        for out in (*made, *_reward_files(folder, models).values()):
            out.check_apart(source.file)
    for path in models.values():
        check_base(
            path, revision=settings.model_revision, trust_remote_code=settings.trust_remote_code
        )


def response_rows(
    source: ResponseSource, folder: Path, *, overwrite: bool = False, begin: Begin = silent
) -> str:
    """Return the file with rows `{prompt, responses[, gold]}`: the one given, or `samples.jsonl`.

    A finished file of the same policy and prompts is kept, an unfinished one gone on with.

    Raises:
        InputError: neither a file nor the world.
        DataError: a row that is not what it must be.
        OutputExistsError: samples of something else are there, or the file itself.
        ModelError: the policy cannot be read.
    """
    out = reward_file(folder / SAMPLES)
    if source.file is None and not source.gold_world:
        raise InputError("no rows: name a FILE, or give --gold_world for the world's own prompts")
    if not source.makes_rows:
        return str(source.file)
    if source.file is not None:
        out.check_apart(source.file)
    if source.sampler is not None:
        prompts = stream_rows(source.file) if source.file else source.world.prompt_rows()
        _sample(source.sampler, list(map(dict, prompts)), out, overwrite=overwrite, begin=begin)
        return str(out.path)
    rows = list(_with_gold(source.file) if source.file else source.world.written_rows())
    identity = {"data": rows_digest(rows)}  # all are checked before the first is written
    if not _finished(out, identity, overwrite):
        out.write(rows, lambda rows, advance: rows, identity, chunk=1)
    return str(out.path)


def _sample(
    sampler: Sampler, prompts: list[Row], out: RowFile, *, overwrite: bool, begin: Begin
) -> None:
    for number, row in enumerate(prompts):
        if taken := {"responses", "cut"} & row.keys():
            raise DataError(
                f"row {number}: field {min(taken)!r} is there already; leave out --policy to "
                "judge the responses that are there"
            )
    identity = {"data": rows_digest(prompts), **sampler.identity()}
    if _finished(out, identity, overwrite):
        return
    each = sampler.settings.samples
    out.write(
        range(len(prompts)),
        sampler.answers(prompts),
        identity,
        size=lambda number: each,
        begin=partial(begin, out.path.name, len(prompts) * each),
        chunk=1,
    )


def _finished(out: RowFile, identity: Mapping[str, object], overwrite: bool) -> bool:
    """Return whether rows of this identity are finished; with `overwrite` remove them first."""
    if overwrite:
        out.remove()
    return out.finished(identity)


def judge_responses(
    rows: str,
    models: Mapping[str, str],
    settings: ScoreSettings,
    folder: Path,
    *,
    overwrite: bool = False,
    begin: Begin = silent,
) -> JudgedResponses:
    """Write every model's rewards to `rewards-NAME.jsonl`, and return all of them together.

    Raises:
        DataError: a row that is not what it must be.
        ModelError: a model is no reward model.
        OutputExistsError: rewards of something else are there, or the rows themselves.
    """
    outputs = _reward_files(folder, models)
    for out in outputs.values():
        out.check_apart(rows)
    for label, model in models.items():
        identity = rows_identity(model, _checked_rows(rows), settings)
        if not _finished(outputs[label], identity, overwrite):
            path = outputs[label].path
            score_rows(model, rows, path, settings, begin=begin, read=_checked_rows)
    return JudgedResponses(
        join_rewards({label: str(out.path) for label, out in outputs.items()}),
        {name: int(read_record(out.record).get("truncated", 0)) for name, out in outputs.items()},
        sum(int(row.get("cut") or 0) for row in stream_rows(rows)),
    )


def _reward_files(folder: Path, models: Iterable[str]) -> dict[str, RowFile]:
    return {
        label: reward_file(folder / f"rewards-{label.replace('/', '--')}.jsonl") for label in models
    }


def _read_responses(source: str) -> Iterator[Prompt]:
    for prompt in read_prompts(source):
        if response_columns(prompt.extras) != ("responses",):
            raise DataError(f"{prompt.where}: expected a field 'responses', a list to choose from")
        yield prompt


def _checked_rows(source: str) -> Iterator[Prompt]:
    """Yield rows of responses; check their gold and `cut`, if any, before a model is run."""
    for prompt in _read_responses(source):
        cut = prompt.extras.get("cut")
        if cut is not None and (type(cut) is not int or cut < 0):
            raise DataError(
                f"{prompt.where}, field 'cut': expected how many samples ended at the length "
                f"limit, got {described(cut)}; rename or drop it"
            )
        _gold(prompt.extras, prompt.where, len(prompt.responses))
        yield prompt


def _with_gold(source: str) -> Iterator[Row]:
    for prompt in _read_responses(source):
        gold = world_gold(prompt.extras, prompt.responses, prompt.where)
        yield {**prompt.extras, "gold": gold}


SELECTED = ("response", "reward", "response_index")
"""The fields that take the place of `responses` where the best one is selected."""


def select_rows(
    model: str,
    source: str,
    path: Path,
    settings: ScoreSettings,
    *,
    n: int | None = None,
    overwrite: bool = False,
    begin: Begin = silent,
) -> ScoredRows:
    """Write every row with the best of its first n responses, by reward; resumable.

    `{prompt, responses, …}` becomes `{prompt, …, response, reward, response_index}`; of equal
    rewards the first wins. All rows are checked before the first is scored.

    Args:
        model: folder or hub name of a reward model.
        source: rows, as for `score_rows`.
        path: the JSONL file to write.
        settings: how the model scores.
        n: how many responses are considered; None for all.
        overwrite: remove an earlier output first.
        begin: called with the output's name, the number of responses, and how many are done.

    Raises:
        OutputExistsError: the output is there, or was begun with something else.
        DataError: a row without responses, or with fewer than n; nothing is written.
        InputError: n below 1.
        ModelError: the model is no reward model.
    """
    if n is not None and n < 1:
        raise InputError(f"--n: expected at least 1, got {n}")
    return score_rows(
        model,
        source,
        path,
        settings,
        overwrite=overwrite,
        begin=begin,
        read=partial(_selection_rows, n=n),
        row=_with_best,
        identity={"select": "first highest", "n": n},
    )


def _selection_rows(source: str, n: int | None) -> Iterator[Prompt]:
    for prompt in _read_responses(source):
        for field in SELECTED:
            if field in prompt.extras:
                raise DataError(f"{prompt.where}: field {field!r} is there already; rename it")
        if n is not None and len(prompt.responses) < n:
            raise DataError(
                f"{prompt.where}, field 'responses': expected at least {n} (--n), "
                f"got {len(prompt.responses)}"
            )
        yield replace(prompt, responses=prompt.responses[:n])


def _with_best(prompt: Prompt, rewards: Sequence[float]) -> Row:
    """Return the row with its best response, the first of equals, instead of all of them."""
    best = max(range(len(rewards)), key=rewards.__getitem__)
    kept = {name: value for name, value in prompt.extras.items() if name != "responses"}
    chosen = (prompt.extras["responses"][best], rewards[best], best)
    return {**kept, **dict(zip(SELECTED, chosen, strict=True))}
