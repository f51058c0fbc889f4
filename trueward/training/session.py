"""`trueward train`: one reward model from data to a finished folder, resumable."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trl
from transformers import ProgressCallback
from transformers.trainer_utils import IntervalStrategy

from trueward.data import Encoder
from trueward.errors import InputError, TruewardError
from trueward.goldworld import BASE_PATH
from trueward.objectives import objective
from trueward.runs import Run, environment, last_checkpoint
from trueward.stats import bootstrap_mean
from trueward.training.interrupt import CheckpointOnSignal
from trueward.training.job import (
    Job,
    fingerprint,
    run_of,
    write_record,
)
from trueward.training.job_data import JobData, job_data
from trueward.training.judge import (
    Bench,
    EncodedPairs,
    Verdict,
    bench,
    judge,
    judge_pairs,
    score_split,
)
from trueward.training.main_rank import from_first, quiet_but_first
from trueward.training.progress import WatchedProgress
from trueward.training.settings import WORLD_TRAINING
from trueward.training.trainer import RewardTrainer
from trueward.types import Estimate


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


def world_defaults(job: Job) -> None:
    """The gold world's base model and recipe, where the user said nothing."""
    for name, value in (*WORLD_TRAINING.items(), ("gradient_checkpointing", False)):
        if name not in job.explicit:
            setattr(job.training, name, value)
    if job.model.model_name_or_path is None:
        job.model.model_name_or_path = str(BASE_PATH)


def train(job: Job, *, command: str = "", overwrite: bool = False) -> Trained:
    """Train, judge and save; goes on from the last checkpoint of an interrupted same job.

    `command` is what was typed, for the record; a later sitting may have another. With `overwrite`,
    an earlier run in the folder is removed once this one is known to begin.
    Over several ranks the first alone looks at the folder and writes; all judge alike, since a
    sharded model needs every rank to score.

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
    run, folder = run_of(job), Path(job.training.output_dir)
    wanted = fingerprint(job)
    quiet_but_first()
    from_first(lambda: run.claim(wanted, overwrite=overwrite))
    with job.training.main_process_first(local=False):
        data = job_data(job)
    trainer = _trainer(job, data)
    held_out = _held_out(trainer, data)
    record = {"job": wanted, "command": command}
    checkpoint = from_first(lambda: _begin(run, record, overwrite=overwrite))
    stop = CheckpointOnSignal()
    trainer.add_callback(stop)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(WatchedProgress)
    with stop:
        trainer.train(resume_from_checkpoint=checkpoint)
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
    done = {**record, "finished": True, "result": trained.document()}
    from_first(lambda: write_record(folder, done))
    return trained


def _begin(run: Run, record: Mapping[str, Any], *, overwrite: bool) -> str | None:
    """Make the folder this job's; the checkpoint to go on from, if it holds one."""
    if overwrite:
        run.remove()
    run.folder.mkdir(parents=True, exist_ok=True)
    write_record(run.folder, {**record, "finished": False})
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


def _held_out(trainer: RewardTrainer, data: JobData) -> Bench | EncodedPairs:
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
