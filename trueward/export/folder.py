"""The folder of an export: written aside, then renamed; only exports are ever replaced."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.models import read_object
from trueward.runs import Run, RunKind
from trueward.scorer import RECORD_FILE

MARK = "exported_for"
"""The key of `trueward.json` that only exports have."""
KIND = RunKind(
    foreign="is not empty; choose another, or give --overwrite",
    marks=((RECORD_FILE, MARK),),
    irremovable="holds no export of ours; --overwrite will not remove it; choose another",
)


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    folder: Path
    changes: tuple[str, ...]
    """What differs from the checkpoint, and what to know: one line each."""
    command: str
    """How the target is run on it, as a shell line."""
    pairs: int | None = None
    """Pairs converted, where data was given."""


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Raise OutputExistsError where the folder holds something, unless it may be overwritten."""
    run = Run(folder, KIND)
    if overwrite and run.occupied():
        read_record(folder)
    run.claim(overwrite=overwrite)


def read_record(folder: str | Path) -> dict[str, Any]:
    """What training or an export wrote beside a checkpoint; empty where there is nothing.

    Raises:
        ModelError: it is damaged.
    """
    return read_object(str(folder), RECORD_FILE)


def read(file: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def write(file: Path, document: dict[str, Any]) -> None:
    """Write a JSON object as `transformers` does."""
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
