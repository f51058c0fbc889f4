"""The pairs of a training job: read, held out, mixed by weight, and counted by data set."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trl
from datasets import Dataset, concatenate_datasets
from jaxtyping import Bool, UInt
from numpy import ndarray

from trueward.data import PairingReport, load_rows, to_pairs
from trueward.data.mixture import Source, drawn, joined, labels_of, sources_of
from trueward.errors import DataError, InputError, MissingSplitError
from trueward.goldworld import WorldConfig, build_scenarios
from trueward.results import TrainSource
from trueward.types import Scenarios

HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 500
"""Pairs held out of training data without a test split: a share, and at most so many."""


@dataclass(frozen=True)
class JobData:
    """Training and held-out pairs."""

    train: Dataset
    held_out: Dataset
    notices: tuple[str, ...] = ()
    """Reports of what was read and what was left out."""
    scenarios: Scenarios | None = None
    """The gold world's, if that is the data."""
    sources: tuple[TrainSource, ...] = ()
    """What each data set of a mixture gave, before the length policy; none for a single one."""


@dataclass(frozen=True)
class _Part:
    """A data set's pairs, and its test split's where it has one."""

    source: Source
    pairs: Dataset
    report: PairingReport
    test: Dataset | None
    notices: tuple[str, ...]


def job_data(script: trl.ScriptArguments, seed: int) -> JobData:
    """Load the pairs; where there is no test split, hold a share of the training prompts out.

    Raises:
        InputError: the data is to be streamed.
        DataError: a split is not there, its rows are not pairs, or data sets do not go together.
    """
    if script.dataset_name is None:
        scenarios = build_scenarios(WorldConfig())
        return JobData(scenarios.train, scenarios.in_domain_pairs, scenarios=scenarios)
    if script.dataset_streaming:
        raise InputError(
            "--dataset_streaming: prompts are held out, which a stream cannot; leave it"
        )
    sources = sources_of(
        script.dataset_name,
        split=script.dataset_train_split,
        test_split=script.dataset_test_split,
        config=script.dataset_config,
    )
    parts = [_read(source) for source in sources]
    if len(parts) > 1:
        return _mixture(parts, seed)
    (part,) = parts
    if part.test is not None:
        return JobData(part.pairs, part.test, part.notices)
    kept, apart = _hold_out(part.pairs, np.ones(len(part.pairs), dtype=bool), seed)
    if not len(apart):
        raise DataError(
            f"{part.source.name}: all {len(kept)} pairs have one prompt, so none can be held out; "
            "give more prompts, or a test split"
        )
    return JobData(kept, apart, (*part.notices, _held_out_note(part.source, len(apart))))


def _read(source: Source) -> _Part:
    rows = load_rows(source.name, split=source.split, config=source.config)
    pairs, report = to_pairs(rows)
    said = f"{source.name}: {report}"
    try:
        test = load_rows(source.name, split=source.test_split, config=source.config)
    except MissingSplitError:
        if len(pairs) < 2:
            raise
        return _Part(source, pairs, report, None, (said,))
    held_out, test_report = to_pairs(test)
    return _Part(source, pairs, report, held_out, (said, f"test split: {test_report}"))


def _held_out_note(source: Source, count: int) -> str:
    return f"no split {source.test_split!r}: {count} training pairs held out"


def _mixture(parts: list[_Part], seed: int) -> JobData:
    """Join the parts; a prompt that is held out of one is trained on in none."""
    labels = [part.source.label for part in parts]
    tests = [(part.source.label, part.test) for part in parts if part.test is not None]
    whole, lost = joined([*zip(labels, (part.pairs for part in parts), strict=True), *tests])
    count = sum(len(part.pairs) for part in parts)
    pairs, test = whole.select(range(count)), whole.select([*range(count, len(whole))])
    outside = ~np.isin(_prompts(pairs), _prompts(test))
    pairs, repeated = pairs.select(np.flatnonzero(outside)), int((~outside).sum())
    tested = [label for label, _ in tests]
    kept, apart = _hold_out(pairs, ~np.isin(labels_of(pairs), tested), seed)
    held_out = concatenate_datasets([test, apart])
    train = kept
    weights = {p.source.label: p.source.weight for p in parts if p.source.weight is not None}
    if weights:
        train = drawn(kept, weights, seed)
    before, after = (Counter(labels_of(one).tolist()) for one in (kept, train))
    share = {label: f" (weight {weight:g})" for label, weight in weights.items()}
    mixed = ", ".join(f"{n} {after[n]:,} of {before[n]:,} pairs{share.get(n, '')}" for n in labels)
    notices = [notice for part in parts for notice in part.notices]
    if len(apart):
        untested = next(part.source for part in parts if part.test is None)
        notices.append(_held_out_note(untested, len(apart)))
    if repeated:
        notices.append(f"{repeated} training pairs left out, whose prompts are in a test split")
    if lost:
        notices.append(f"columns that not all data sets have are left out: {', '.join(lost)}")
    sources = tuple(_counts(part) for part in parts)
    return JobData(train, held_out, (*notices, f"mixture: {mixed}"), sources=sources)


def _counts(part: _Part) -> TrainSource:
    return {
        "dataset": part.source.label,
        "weight": part.source.weight,
        "rows": part.report.rows,
        "pairs": part.report.pairs,
        "left_out": part.report.left_out,
        "trained": 0,
        "held_out": 0,
    }


def counted(
    sources: Sequence[TrainSource], train: Dataset, held_out: Dataset
) -> tuple[TrainSource, ...]:
    """Return the sources with how many of their pairs are trained on, and judged on."""
    if not sources:
        return ()
    trained, judged = (Counter(labels_of(one).tolist()) for one in (train, held_out))
    return tuple(
        {**one, "trained": trained[one["dataset"]], "held_out": judged[one["dataset"]]}
        for one in sources
    )


def _hold_out(pairs: Dataset, among: Bool[ndarray, " pairs"], seed: int) -> tuple[Dataset, Dataset]:
    """Hold pairs among some out, and take their prompts from all, so that none is on both sides."""
    if not among.any():
        return pairs, pairs.select([])
    prompts = _prompts(pairs)
    found, first, counts = np.unique(prompts[among], return_index=True, return_counts=True)
    order = np.argsort(first).tolist()  # as they come
    random.Random(seed).shuffle(order)
    size = max(1, min(HELD_OUT_MOST, int(HELD_OUT_SHARE * among.sum())))
    before = np.cumsum(counts[order]) - counts[order]
    apart = np.isin(prompts, found[np.array(order)[:-1][before[:-1] < size]])
    return pairs.select(np.flatnonzero(~apart)), pairs.select(np.flatnonzero(apart & among))


def _prompts(pairs: Dataset) -> UInt[ndarray, " pairs"]:
    column = "prompt" if "prompt" in pairs.column_names else "chosen_ids"
    return np.fromiter(map(_digest, pairs[column]), dtype=np.uint64, count=len(pairs))


def _digest(prompt: object) -> int:
    text = json.dumps(prompt).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
