"""`trueward train`: one reward model from data to a finished folder, resumable."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import trl
from transformers import ProgressCallback
from transformers.trainer_utils import IntervalStrategy

from trueward.data.mixture import labels_of
from trueward.errors import InputError, TruewardError, reason
from trueward.goldworld import BASE_PATH
from trueward.objectives import objective
from trueward.processes import from_first, quiet_but_first
from trueward.results import Scores, TrainDocument, TrainRecord, TrainSource, schema_of, write
from trueward.runs import Run, RunKind, environment, last_checkpoint
from trueward.stats import bootstrap_mean
from trueward.training.callbacks import CheckpointOnSignal, WatchedProgress
from trueward.training.config import WORLD_TRAINING, RewardConfig
from trueward.training.data import JobData, counted, job_data
from trueward.training.judging import EncodedPrompts, encode_held_out, judge, judge_pairs
from trueward.training.trainer import RewardTrainer
from trueward.types import Estimate

JOB_RUN = RunKind(
    document="train.json",
    identity="job",
    option="--output_dir",
    foreign="is not empty; choose another --output_dir",
    finished="holds a finished model; choose another, or --overwrite",
    other="holds an unfinished run of another job; choose another, or --overwrite",
)
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
"""Prefixes of settings that may change between two sittings of one job."""


@dataclass(frozen=True)
class Job:
    """A model to train, its data and its settings: TRL's three groups of flags."""

    script: trl.ScriptArguments
    training: RewardConfig
    model: trl.ModelConfig
    explicit: frozenset[str] = frozenset()
    """Settings that the user gave, which the gold world's recipe does not change."""

    @property
    def on_gold_world(self) -> bool:
        """True where no data set is named, which means the embedded world."""
        return self.script.dataset_name is None

    def identity(self) -> dict[str, object]:
        """Return the settings that two sittings of one job must share."""
        settings = {**asdict(self.script), **self.training.to_dict(), **asdict(self.model)}
        fixed = {n: v for n, v in settings.items() if not n.startswith(MAY_CHANGE)}
        return dict(json.loads(json.dumps(fixed, default=str)))


@dataclass(frozen=True)
class Trained:
    """A finished reward model and its measurements on held-out data."""

    folder: str
    objective: str
    steps: int
    held_out: Mapping[str, Estimate]
    counts: Mapping[str, int]
    scalars: Mapping[str, float]
    notices: tuple[str, ...]
    sources: tuple[TrainSource, ...] = ()

    def document(self) -> TrainDocument:
        """Return the JSON document of `trueward train --json`."""
        facts = {"schema": schema_of(TrainDocument), **asdict(self), "environment": environment()}
        if not self.sources:
            del facts["sources"]
        return cast(TrainDocument, facts)


def train(job: Job, *, command: str = "", overwrite: bool = False) -> Trained:
    """Train, judge and save a reward model; resume the same job where it was interrupted.

    `command` is recorded; a later sitting may have another. With `overwrite`, an earlier run in the
    folder is removed once the data and the model of this one are loaded. Over several ranks only
    the first reads and writes the folder; all score, as a sharded model needs every rank.

    Raises:
        InputError: the flags, the data or the model are wrong; nothing is written.
        KeyboardInterrupt: stopped by a signal, with a checkpoint to go on from.
    """
    if job.training.objective is not None:
        objective(job.training.objective)
    if job.on_gold_world:
        _take_world_defaults(job)
    elif job.model.model_name_or_path is None:
        raise InputError("--model_name_or_path: name the base model to train")
    run = Run(Path(job.training.output_dir), JOB_RUN)
    record: TrainRecord = {"job": job.identity(), "command": command, "finished": False}
    quiet_but_first()
    from_first(lambda: run.claim(record["job"], overwrite=overwrite))
    with job.training.main_process_first(local=False):
        data = job_data(job.script, job.training.seed)
    trainer = _trainer(job, data)
    world = data.scenarios
    held_out = (
        _evaluation_pairs(trainer)
        if world is None
        else encode_held_out(trainer.processing_class, trainer.args, world)
    )
    checkpoint = from_first(lambda: _begin(run, record, overwrite=overwrite))
    stop = CheckpointOnSignal()
    trainer.add_callback(stop)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(WatchedProgress)
    with stop:
        trainer.train(resume_from_checkpoint=checkpoint)
    if stop.caught:
        raise KeyboardInterrupt
    trainer.save_model(str(run.folder))
    pad, model = trainer.processing_class.pad_token_id, trainer.finished_model()
    if isinstance(held_out, EncodedPrompts):
        judgement = judge_pairs(model, held_out, pad)
    else:
        judgement = judge(model, held_out, pad)
    scores = dict(judgement.scores)
    if data.sources:
        scores |= _by_source(scores["accuracy"], labels_of(trainer.eval_dataset))
    trained = Trained(
        folder=str(run.folder),
        objective=str(trainer.objective),
        steps=trainer.state.global_step,
        held_out={name: bootstrap_mean(one.values, one.units) for name, one in scores.items()},
        counts={name: len(one.values) for name, one in scores.items()},
        scalars=judgement.scalars,
        notices=(*data.notices, *trainer.notices),
        sources=counted(data.sources, trainer.train_dataset, trainer.eval_dataset),
    )
    done: TrainRecord = {**record, "finished": True, "result": trained.document()}
    from_first(lambda: write(done, run.folder / JOB_RUN.document))
    return trained


def _take_world_defaults(job: Job) -> None:
    """Set the gold world's base model and recipe, except settings that the user gave."""
    for name, value in (*WORLD_TRAINING.items(), ("gradient_checkpointing", False)):
        if name not in job.explicit:
            setattr(job.training, name, value)
    if job.model.model_name_or_path is None:
        job.model.model_name_or_path = str(BASE_PATH)


def _begin(run: Run, record: TrainRecord, *, overwrite: bool) -> str | None:
    """Write the job's record to its folder; return the checkpoint to resume from, if any."""
    if overwrite:
        run.remove()
    run.folder.mkdir(parents=True, exist_ok=True)
    write(record, run.folder / JOB_RUN.document)
    return last_checkpoint(run.folder)


def _trainer(job: Job, data: JobData) -> RewardTrainer:
    training, model = job.training, job.model
    training.model_init_kwargs = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        **(training.model_init_kwargs or {}),
    }
    followed = training.eval_strategy != IntervalStrategy.NO
    judged = data.scenarios is None  # encoded here, so that bad rows fail before training
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
        raise InputError(reason(error)) from error


def _evaluation_pairs(trainer: RewardTrainer) -> EncodedPrompts:
    pairs = trainer.eval_dataset
    ids = pairs["prompt_id"] if "prompt_id" in pairs.column_names else range(len(pairs))
    units: Iterable[str] = map(str, ids)
    if "dataset" in pairs.column_names:  # ids of one data set may be those of another
        named = zip(pairs["dataset"], units, strict=True)
        units = (f"{dataset} {unit}" for dataset, unit in named)
    sides = zip(pairs["chosen_ids"][:], pairs["rejected_ids"][:], strict=True)
    return EncodedPrompts([list(pair) for pair in sides], list(units))


def _by_source(accuracy: Scores, labels: np.ndarray) -> dict[str, Scores]:
    """Return the accuracy on the held-out pairs of each data set."""
    own = {label: np.flatnonzero(labels == label).tolist() for label in dict.fromkeys(labels)}
    return {
        f"accuracy ({label})": Scores(
            [accuracy.values[i] for i in kept], [accuracy.units[i] for i in kept]
        )
        for label, kept in own.items()
    }
