"""Rewards of a set's responses and their variants, written as rows; resumable."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from trueward.evaluate.diagnosis.contestant import Contestant
from trueward.evaluate.diagnosis.plans import Plan
from trueward.evaluate.diagnosis.questions import Question
from trueward.evaluate.diagnosis.states import states_file
from trueward.evaluate.diagnosis.variants import Variant
from trueward.evaluate.turns import Lengths, check_lengths
from trueward.runs import CHUNK, Begin, RowFile, begin_record, check_same, read_record
from trueward.types import Turns

KINDS = {"edit": "edits", "probe": "probes", "given": "given"}


@dataclass(frozen=True)
class Rows:
    """What was scored: a row a question with `rewards`, `tokens`, `edits`, `probes`, `given`."""

    rows: Sequence[dict[str, Any]]
    facts: dict[str, Any]
    """`truncated` and `longest` of the responses, `too_long` variants that were left out."""
    probed: int
    """Questions whose edits and fixed probes were to be scored."""


def row_file(folder: Path, name: str) -> RowFile:
    """The files of one set."""
    return RowFile(folder / f"{name}.rewards.jsonl", folder / f"{name}.rewards.record.json")


def check(one: Contestant, plan: Plan, output: Path) -> None:
    """Raise OutputExistsError if the set's rows are there and of something else."""
    file = row_file(one.folder(output), plan.set.name)
    begun = next((path for path in (file.path, file.part) if path.exists()), None)
    if begun is not None:
        check_same(begun, file.record, one.identity() | plan.identity())


def reward_rows(one: Contestant, plan: Plan, output: Path, begin: Begin) -> Rows:
    """Score what is missing; read what is there."""
    file = row_file(one.folder(output), plan.set.name)
    if not file.path.exists():
        if not file.part.exists():  # states without rows are of who knows what
            states_file(one, output, plan.set.name).unlink(missing_ok=True)
        _score(one, plan, file, begin)
    with file.path.open(encoding="utf-8") as stream:
        rows = list(map(json.loads, stream))
    facts = read_record(file.record)
    kept = {name: facts.get(name) for name in ("truncated", "longest", "too_long")}
    return Rows(rows, kept, len(plan.probed))


def _score(one: Contestant, plan: Plan, file: RowFile, begin: Begin) -> None:
    questions = plan.set.questions
    lengths = check_lengths(
        one.scorer, ((q.name, *one.turns(q, list(q.responses))) for q in questions)
    )
    beside = [_fitting(one, question, plan.variants(i)) for i, question in enumerate(questions)]
    begin_record(file.record, one.identity() | plan.identity(), _facts(one, lengths, beside))
    done = file.resume()
    texts = [len(q.responses) + len(kept) for q, (kept, _) in zip(questions, beside, strict=True)]
    advance = begin(f"{one.label} · {plan.set.name}", sum(texts), sum(texts[:done]))
    for start in range(done, len(questions), CHUNK):
        chunk = questions[start : start + CHUNK]
        extra = [kept for kept, _ in beside[start : start + CHUNK]]
        turns = [
            one.turns(q, [*q.responses, *(v.turns for v in kept)])
            for q, kept in zip(chunk, extra, strict=True)
        ]
        prompts, groups = zip(*turns, strict=True)
        read = one.scorer.read_groups(prompts, groups, advance=advance)
        edges = list(pairwise(accumulate(map(len, groups), initial=0)))
        values = [read.values[start:stop].tolist() for start, stop in edges]
        tokens = [
            [one.response_tokens(p, r) for r in group[: len(q.responses)]]
            for q, p, group in zip(chunk, prompts, groups, strict=True)
        ]
        file.append(list(map(_row, chunk, extra, values, tokens)))
    file.finish()


def _row(
    question: Question, extra: Sequence[Variant], values: list[float], tokens: list[int]
) -> dict[str, Any]:
    real = len(question.responses)
    row: dict[str, Any] = {
        "name": question.name,
        "rewards": values[:real],
        "tokens": tokens,
        "edits": {},
        "probes": {},
        "given": {},
    }
    for variant, value in zip(extra, values[real:], strict=True):
        if variant.kind == "given":
            row["given"].setdefault(variant.name, []).append(value)
        else:
            row[KINDS[variant.kind]][variant.name] = value
    return row


def _fitting(
    one: Contestant, question: Question, found: list[Variant]
) -> tuple[list[Variant], int]:
    """The variants that the model can take, and how many are too long for it."""
    if one.scorer.encoder.truncation != "error":
        return found, 0
    kept = [v for v in found if not _too_long(one, question, v.turns)]
    return kept, len(found) - len(kept)


def _too_long(one: Contestant, question: Question, turns: Turns) -> bool:
    prompt, (response,) = one.turns(question, [turns])
    return one.scorer.encoder.excess(one.scorer.encode(prompt, response)) > 0


def _facts(
    one: Contestant, lengths: Lengths, beside: Sequence[tuple[list[Variant], int]]
) -> dict[str, Any]:
    return {
        "path": one.path,
        "truncated": lengths.truncated,
        "longest": lengths.longest,
        "too_long": sum(gone for _, gone in beside),
    }
