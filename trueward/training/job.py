"""One job of `trueward train`: its settings, its record, what an unfinished one goes on from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trl

from trueward.files import write_json
from trueward.runs import Run, RunKind
from trueward.training.config import RewardConfig

RECORD = "train.json"
KIND = RunKind(
    document=RECORD,
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
"""Beginnings of the names of settings that may change between two sittings of one job."""


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


def fingerprint(job: Job) -> dict[str, Any]:
    """What two sittings of one job must share."""
    settings = {**asdict(job.script), **job.training.to_dict(), **asdict(job.model)}
    kept = {n: v for n, v in settings.items() if not n.startswith(MAY_CHANGE)}
    return json.loads(json.dumps(kept, default=str))


def run_of(job: Job) -> Run:
    """Return the folder that the job is to fill."""
    return Run(Path(job.training.output_dir), KIND)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the job's record, whole or not at all."""
    write_json(record, folder / RECORD)
