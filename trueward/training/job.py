"""One job of `trueward train`: its settings, its record, what an unfinished one goes on from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trl

from trueward.errors import OutputExistsError
from trueward.files import write_json
from trueward.training.config import RewardConfig
from trueward.training.output import occupied

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


def check_folder(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Raise OutputExistsError unless the folder is free or holds this job, unfinished."""
    if not occupied(folder):
        return
    earlier = _earlier(folder / RECORD)
    if earlier is None:
        raise OutputExistsError(f"{folder} is not empty; choose another --output_dir")
    if earlier["finished"]:
        raise OutputExistsError(f"{folder} holds a finished model; choose another, or --overwrite")
    if earlier["job"] != wanted:
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


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the job's record, whole or not at all."""
    write_json(record, folder / RECORD)


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: its trainer state comes last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    steps = {int(path.name.rpartition("-")[2]): path for path in whole}
    return str(steps[max(steps)]) if steps else None
