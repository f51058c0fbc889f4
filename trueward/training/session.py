"""`trueward train`: one reward model from data to a finished folder, resumable."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trl
from datasets import Dataset
from transformers import ProgressCallback
from transformers.trainer_utils import IntervalStrategy, get_last_checkpoint

from trueward.data import Encoder, load_rows, to_pairs
from trueward.data.goldworld import BASE_PATH, WorldConfig, build_scenarios
from trueward.errors import InputError, MissingSplitError, OutputExistsError
from trueward.evals import Estimate, Scores, bootstrap_mean
from trueward.evals.files import write_json
from trueward.objectives import objective
from trueward.training.config import RewardConfig
from trueward.training.environment import environment
from trueward.training.interrupt import CheckpointOnSignal
from trueward.training.judge import Verdict, judge, judge_pairs, score_split
from trueward.training.progress import WatchedProgress
from trueward.training.settings import WORLD_TRAINING
from trueward.training.trainer import RewardTrainer
from trueward.types import Scenarios

RECORD = "train.json"
SETTLES = (
    "objective",
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "max_length",
    "truncation",
    "pooling",
    "seed",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
)
"""What may not change between two sittings of one job."""
HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 500


@dataclass(frozen=True)
class Job:
    """What to train, on what, how: TRL's three groups of flags."""

    script: trl.ScriptArguments
    training: RewardConfig
    model: trl.ModelConfig

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


def world_defaults(job: Job) -> Job:
    """The gold world's base model and recipe, where the user left TRL's defaults alone."""
    plain = RewardConfig(job.training.output_dir)
    for name, value in (*WORLD_TRAINING.items(), ("gradient_checkpointing", False)):
        if getattr(job.training, name) == getattr(plain, name):
            setattr(job.training, name, value)
    if job.model.model_name_or_path is None:
        job.model.model_name_or_path = str(BASE_PATH)
    return job


def train(job: Job) -> Trained:
    """Train, judge and save; goes on from the last checkpoint of an interrupted same job.

    Raises:
        InputError: the flags, the data or the model are not what they must be; nothing is written.
        KeyboardInterrupt: stopped by a signal, with a checkpoint to go on from.
    """
    objective(job.training.objective)
    if job.on_gold_world:
        job = world_defaults(job)
    elif job.model.model_name_or_path is None:
        raise InputError("--model_name_or_path: name the base model to train")
    folder = Path(job.training.output_dir)
    fingerprint = _fingerprint(job)
    _check_folder(folder, fingerprint)
    data = _data(job)
    trainer = _trainer(job, data)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, {"job": fingerprint, "finished": False})
    stop = CheckpointOnSignal()
    trainer.add_callback(stop)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(WatchedProgress)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))
    if stop.caught:
        raise KeyboardInterrupt
    trainer.save_model(str(folder))
    verdict = _verdict(trainer, data)
    trained = Trained(
        folder=str(folder),
        objective=str(trainer.objective),
        steps=trainer.state.global_step,
        held_out={name: _estimate(scores) for name, scores in verdict.scores.items()},
        counts={name: len(scores.values) for name, scores in verdict.scores.items()},
        scalars=verdict.scalars,
        notices=(*data.notices, *trainer.notices),
    )
    _write(folder, {"job": fingerprint, "finished": True, "result": trained.document()})
    return trained


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
    return RewardTrainer(
        model=model.model_name_or_path,
        args=training,
        train_dataset=data.train,
        eval_dataset=data.held_out if followed or judged else None,
        peft_config=trl.get_peft_config(model),
        quantization_config=trl.get_quantization_config(model),
    )


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
        size = max(1, min(HELD_OUT_MOST, int(HELD_OUT_SHARE * len(pairs))))
        parts = pairs.train_test_split(test_size=size, seed=job.training.seed)
        note = (
            f"no split {script.dataset_test_split!r}: {size} pairs of the training split held out"
        )
        return _Data(parts["train"], parts["test"], None, (f"{name}: {report}", note))
    held_out, test_report = to_pairs(test)
    return _Data(pairs, held_out, None, (f"{name}: {report}", f"test split: {test_report}"))


def _verdict(trainer: RewardTrainer, data: _Data) -> Verdict:
    encoder = Encoder(trainer.processing_class, trainer.args.max_length, trainer.args.truncation)
    if data.scenarios is not None:
        return judge(trainer.model, encoder, data.scenarios)
    pairs = trainer.eval_dataset
    sequences = pairs["chosen_ids"][:] + pairs["rejected_ids"][:]
    judged = score_split(trainer.model, sequences, trainer.processing_class.pad_token_id)
    units = pairs["prompt_id"] if "prompt_id" in pairs.column_names else range(len(pairs))
    return judge_pairs(judged, [str(unit) for unit in units])


def _estimate(scores: Scores) -> Estimate:
    return bootstrap_mean(scores.values, scores.units)


def _fingerprint(job: Job) -> dict[str, Any]:
    """What two sittings of one job must share."""
    own = {name: getattr(job.training, name) for name in SETTLES}
    return {"data": job.script.dataset_name, "model": job.model.model_name_or_path, **own}


def _check_folder(folder: Path, fingerprint: Mapping[str, Any]) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file, not a folder; choose another --output_dir")
    if not folder.exists() or not any(folder.iterdir()):
        return
    earlier = _earlier(folder / RECORD)
    if earlier is None:
        raise OutputExistsError(f"{folder} is not empty; choose another --output_dir")
    if earlier["finished"]:
        raise OutputExistsError(f"{folder} holds a finished model; choose another, or --overwrite")
    if earlier["job"] != json.loads(json.dumps(fingerprint)):
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
