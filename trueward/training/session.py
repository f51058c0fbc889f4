"""`trueward train`: one reward model from data to a finished folder, resumable."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trl
from datasets import Dataset
from transformers import ProgressCallback
from transformers.trainer_utils import IntervalStrategy

from trueward.data import Encoder, load_rows, to_pairs
from trueward.data.goldworld import BASE_PATH, WorldConfig, build_scenarios
from trueward.errors import InputError, MissingSplitError, OutputExistsError, TruewardError
from trueward.evals import Estimate, bootstrap_mean
from trueward.evals.files import write_json
from trueward.objectives import objective
from trueward.training.config import RewardConfig
from trueward.training.environment import environment
from trueward.training.interrupt import CheckpointOnSignal
from trueward.training.judge import (
    Bench,
    EncodedPairs,
    Verdict,
    bench,
    judge,
    judge_pairs,
    score_split,
)
from trueward.training.output import check_removable, occupied, remove
from trueward.training.progress import WatchedProgress
from trueward.training.settings import WORLD_TRAINING
from trueward.training.trainer import RewardTrainer
from trueward.types import Scenarios

RECORD = "train.json"
MAY_CHANGE = (
    "output_dir",
    "log",
    "report_to",
    "save_",
    "eval_",
    "disable_tqdm",
    "run_name",
    "hub_",
)
"""Beginnings of the names of settings that may change between two sittings of one job."""
HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 500


@dataclass(frozen=True)
class Job:
    """What to train, on what, how: TRL's three groups of flags."""

    script: trl.ScriptArguments
    training: RewardConfig
    model: trl.ModelConfig
    explicit: frozenset[str] = frozenset()
    """Settings that the user gave, and the gold world's recipe therefore leaves alone."""

    @property
    def on_gold_world(self) -> bool:
        """Whether no data set was named, so that the embedded world is meant."""
        return self.script.dataset_name is None


@dataclass(frozen=True)
class Trained:
    """A finished reward model and what the held-out data says of it."""

    folder: str
    objective: str
    steps: int
    held_out: Mapping[str, Estimate]
    counts: Mapping[str, int]
    scalars: Mapping[str, float]
    notices: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The JSON document of `trueward train --json`."""
        return {"schema": "trueward.train/1", **asdict(self), "environment": environment()}


@dataclass(frozen=True)
class _Data:
    train: Dataset
    held_out: Dataset
    scenarios: Scenarios | None
    notices: tuple[str, ...]


def world_defaults(job: Job) -> None:
    """The gold world's base model and recipe, where the user said nothing."""
    for name, value in (*WORLD_TRAINING.items(), ("gradient_checkpointing", False)):
        if name not in job.explicit:
            setattr(job.training, name, value)
    if job.model.model_name_or_path is None:
        job.model.model_name_or_path = str(BASE_PATH)


def train(job: Job, *, overwrite: bool = False) -> Trained:
    """Train, judge and save; goes on from the last checkpoint of an interrupted same job.

    With `overwrite`, an earlier run in the folder is removed once this one is known to begin.

    Raises:
        InputError: the flags, the data or the model are not what they must be; nothing is written.
        KeyboardInterrupt: stopped by a signal, with a checkpoint to go on from.
    """
    if job.training.objective is not None:
        objective(job.training.objective)
    if job.on_gold_world:
        world_defaults(job)
    elif job.model.model_name_or_path is None:
        raise InputError("--model_name_or_path: name the base model to train")
    folder = Path(job.training.output_dir)
    fingerprint = _fingerprint(job)
    if overwrite:
        check_removable(folder)
    else:
        _check_folder(folder, fingerprint)
    data = _data(job)
    trainer = _trainer(job, data)
    held_out = _held_out(trainer, data)
    if overwrite:
        remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, {"job": fingerprint, "finished": False})
    stop = CheckpointOnSignal()
    trainer.add_callback(stop)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(WatchedProgress)
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(folder))
    if stop.caught:
        raise KeyboardInterrupt
    trainer.save_model(str(folder))
    verdict = _verdict(trainer, held_out)
    trained = Trained(
        folder=str(folder),
        objective=str(trainer.objective),
        steps=trainer.state.global_step,
        held_out={n: bootstrap_mean(s.values, s.units) for n, s in verdict.scores.items()},
        counts={name: len(scores.values) for name, scores in verdict.scores.items()},
        scalars=verdict.scalars,
        notices=(*data.notices, *trainer.notices),
    )
    _write(folder, {"job": fingerprint, "finished": True, "result": trained.document()})
    return trained


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: its trainer state comes last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    steps = {int(path.name.rpartition("-")[2]): path for path in whole}
    return str(steps[max(steps)]) if steps else None


def _trainer(job: Job, data: _Data) -> RewardTrainer:
    training, model = job.training, job.model
    training.model_init_kwargs = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        **(training.model_init_kwargs or {}),
    }
    followed = training.eval_strategy != IntervalStrategy.NO
    judged = data.scenarios is None  # so encode them now: bad rows are found before training
    try:
        return RewardTrainer(
            model=model.model_name_or_path,
            args=training,
            train_dataset=data.train,
            eval_dataset=data.held_out if followed or judged else None,
            peft_config=trl.get_peft_config(model),
            quantization_config=trl.get_quantization_config(model),
        )
    except TruewardError:
        raise
    except (ValueError, TypeError, ImportError, OSError) as error:  # what libraries refuse
        raise InputError(str(error).strip().splitlines()[0]) from error


def _data(job: Job) -> _Data:
    if job.on_gold_world:
        scenarios = build_scenarios(WorldConfig())
        return _Data(scenarios.train, scenarios.in_domain_pairs, scenarios, ())
    script = job.script
    name = script.dataset_name
    rows = load_rows(name, split=script.dataset_train_split, config=script.dataset_config)
    pairs, report = to_pairs(rows)
    try:
        test = load_rows(name, split=script.dataset_test_split, config=script.dataset_config)
    except MissingSplitError:
        if len(pairs) < 2:
            raise
        kept, apart = _hold_out(pairs, job.training.seed)
        note = f"no split {script.dataset_test_split!r}: {len(apart)} training pairs held out"
        return _Data(kept, apart, None, (f"{name}: {report}", note))
    held_out, test_report = to_pairs(test)
    return _Data(pairs, held_out, None, (f"{name}: {report}", f"test split: {test_report}"))


def _hold_out(pairs: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """A share of the pairs, prompt by prompt, so that no prompt is on both sides."""
    column = "prompt" if "prompt" in pairs.column_names else "chosen_ids"
    prompts = [json.dumps(prompt) for prompt in pairs[column]]
    order = list(dict.fromkeys(prompts))
    random.Random(seed).shuffle(order)
    size = max(1, min(HELD_OUT_MOST, int(HELD_OUT_SHARE * len(pairs))))
    apart: set[str] = set()
    counts = Counter(prompts)
    for prompt in order[:-1]:
        if sum(counts[p] for p in apart) >= size:
            break
        apart.add(prompt)
    inside = [i for i, prompt in enumerate(prompts) if prompt not in apart]
    outside = [i for i, prompt in enumerate(prompts) if prompt in apart]
    return pairs.select(inside), pairs.select(outside)


def _held_out(trainer: RewardTrainer, data: _Data) -> Bench | EncodedPairs:
    if data.scenarios is not None:
        args = trainer.args
        encoder = Encoder(trainer.processing_class, args.max_length, args.truncation)
        return bench(encoder, data.scenarios)
    pairs = trainer.eval_dataset
    units = pairs["prompt_id"] if "prompt_id" in pairs.column_names else range(len(pairs))
    sequences = pairs["chosen_ids"][:] + pairs["rejected_ids"][:]
    return EncodedPairs(sequences, [str(unit) for unit in units])


def _verdict(trainer: RewardTrainer, held_out: Bench | EncodedPairs) -> Verdict:
    pad = trainer.processing_class.pad_token_id
    if isinstance(held_out, Bench):
        return judge(trainer.model, held_out, pad)
    return judge_pairs(score_split(trainer.model, held_out.sequences, pad), held_out.units)


def _fingerprint(job: Job) -> dict[str, Any]:
    """What two sittings of one job must share."""
    settings = {**asdict(job.script), **job.training.to_dict(), **asdict(job.model)}
    kept = {n: v for n, v in settings.items() if not n.startswith(MAY_CHANGE)}
    return json.loads(json.dumps(kept, default=str))


def _check_folder(folder: Path, fingerprint: Mapping[str, Any]) -> None:
    if not occupied(folder):
        return
    earlier = _earlier(folder / RECORD)
    if earlier is None:
        raise OutputExistsError(f"{folder} is not empty; choose another --output_dir")
    if earlier["finished"]:
        raise OutputExistsError(f"{folder} holds a finished model; choose another, or --overwrite")
    if earlier["job"] != fingerprint:
        raise OutputExistsError(
            f"{folder} holds an unfinished run of another job; choose another, or --overwrite"
        )


def _earlier(record: Path) -> dict[str, Any] | None:
    """The record of an earlier sitting; None where there is none, or a file that is not ours."""
    try:
        earlier = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return earlier if isinstance(earlier, dict) and {"job", "finished"} <= earlier.keys() else None


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    write_json(record, folder / RECORD)
