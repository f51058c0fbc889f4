"""Models diagnosed on sets of data: what is scored is kept, what is computed is computed anew."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trueward.errors import InputError
from trueward.evaluate.diagnosis.beside import Beside, not_given
from trueward.evaluate.diagnosis.compare import compared
from trueward.evaluate.diagnosis.contestant import Contestant
from trueward.evaluate.diagnosis.earlier import SCHEMA, check_kept
from trueward.evaluate.diagnosis.judging import diagnosed
from trueward.evaluate.diagnosis.label_noise import label_noise
from trueward.evaluate.diagnosis.plans import Plan, plans_of
from trueward.evaluate.diagnosis.questions import QuestionSet
from trueward.evaluate.diagnosis.rewards import check, reward_rows, row_file
from trueward.evaluate.diagnosis.scored import ScoredSet
from trueward.evaluate.diagnosis.sets import TRAIN
from trueward.evaluate.diagnosis.states import states_file, states_of
from trueward.evaluate.judging import check_writable
from trueward.evaluate.settings import ScoreSettings
from trueward.files import plain, write_json
from trueward.runs import Begin, silent

FILE = "diagnostics.json"


def diagnose(
    models: Mapping[str, str],
    sets: Sequence[QuestionSet],
    train: QuestionSet | None,
    settings: ScoreSettings,
    folder: Path,
    *,
    beside: Beside | None = None,
    facts: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    begin: Begin = silent,
) -> dict[str, Any]:
    """Score every model on every set, compute all diagnostics, write `folder/diagnostics.json`.

    Scored rows go to `folder/LABEL/SET.rewards.jsonl`, hidden states of a sample of responses to
    `SET.states.safetensors`; those of the same model, data and settings are read, not made again,
    and an interrupted call goes on from them.

    Args:
        models: folders or hub names by label.
        sets: what to diagnose on.
        train: what the models were trained on, for the shift of norms and rank.
        settings: how models score.
        folder: where everything goes.
        beside: a reference, answers as probes, flip rates.
        facts: put into the document as they are (`command`, `environment`, …).
        overwrite: remove earlier scores of these models and sets first, and replace a document
            of others.
        begin: told of each model and set that is scored.

    Raises:
        OutputExistsError: scores are there of another model, other data or settings, or a document
            with models or sets that this call does not have.
        InputError: a model, a file or a row is not what it must be.
    """
    extra = beside or Beside()
    contestants = {label: Contestant(label, path, settings) for label, path in models.items()}
    reference = _reference(contestants, extra, settings)
    plans = plans_of(sets, train, extra)
    everyone = [*contestants.values(), *([reference] if reference else [])]
    everyone = list({one.label: one for one in everyone}.values())
    how = asdict(settings) | {"probed": extra.probed}
    if not overwrite:
        check_kept(folder / FILE, contestants, plans, how, extra)
    _check(everyone, plans, folder, overwrite=overwrite)
    scored = {one.label: _scored(one, plans, folder, begin) for one in everyone}
    against = scored[reference.label] if reference else {}
    document = {
        "schema": SCHEMA,
        **(facts or {}),
        "settings": how,
        "train": None if train is None else train.source,
        "reference": reference.label if reference else None,
        "models": [
            _model(one, scored[one.label], against if one is not reference else {})
            for one in contestants.values()
        ],
        "comparison": compared({label: scored[label] for label in contestants}),
    }
    noise, needs = label_noise(document["models"], extra.flip_rates)
    document |= {"label_noise": noise, "not_given": needs | not_given(train, extra)}
    write_json(document, folder / FILE)
    return dict(plain(document))


def _reference(
    contestants: Mapping[str, Contestant], beside: Beside, settings: ScoreSettings
) -> Contestant | None:
    if beside.reference is None:
        return None
    label, path = beside.reference
    there = contestants.get(label)
    if there is not None and there.path != path:
        raise InputError(f"--reference {path}: a model is called {label!r} too; give NAME=PATH")
    return there or Contestant(label, path, settings)


def _check(
    everyone: Sequence[Contestant], plans: Mapping[str, Plan], folder: Path, *, overwrite: bool
) -> None:
    for one in everyone:
        for plan in plans.values():
            if not overwrite:
                check(one, plan, folder)
    check_writable(folder)
    for one in everyone if overwrite else ():
        for name in plans:
            row_file(one.folder(folder), name).remove()
            states_file(one, folder, name).unlink(missing_ok=True)


def _scored(
    one: Contestant, plans: Mapping[str, Plan], folder: Path, begin: Begin
) -> dict[str, ScoredSet]:
    found = {
        name: ScoredSet(
            plan.set, reward_rows(one, plan, folder, begin), states_of(one, plan.set, folder, begin)
        )
        for name, plan in plans.items()
    }
    one.release()
    return found


def _model(
    one: Contestant, scored: Mapping[str, ScoredSet], against: Mapping[str, ScoredSet]
) -> dict[str, Any]:
    train = scored.get(TRAIN)
    blocks, needs = [], []
    for name, part in scored.items():
        block, missing = diagnosed(part, None if part is train else train, against.get(name))
        if part is train:
            missing = {
                name: why for name, why in missing.items() if name not in ("edits", "probes")
            }
        blocks.append(block)
        needs += [{"set": name, "diagnostic": d, "needs": why} for d, why in missing.items()]
    return {
        "model": one.label,
        "path": one.path,
        "digest": one.digest,
        "sets": blocks,
        "not_computed": needs,
    }
