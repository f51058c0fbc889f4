"""An output folder: what may be written where, and what `--overwrite` may remove."""

import json
import shutil
from pathlib import Path

from trueward.errors import OutputExistsError

OURS = (
    ("settings.json", "accuracy_threshold"),
    ("results.json", "baselines"),
    ("trueward.json", "trueward"),
    ("train.json", "finished"),
)
"""Files that a run of ours leaves, and a key that each holds: users have files of such names."""


def occupied(folder: Path) -> bool:
    """Whether there is something in the folder.

    Raises:
        OutputExistsError: it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file, not a folder; choose another --output_dir")
    return folder.is_dir() and any(folder.iterdir())


def check_removable(folder: Path) -> None:
    """Refuse to overwrite what no run of ours made.

    Raises:
        OutputExistsError: the folder holds other people's files.
    """
    if occupied(folder) and not any(_says(folder / name, key) for name, key in OURS):
        raise OutputExistsError(f"{folder} holds nothing of ours; --overwrite will not remove it")


def remove(folder: Path) -> None:
    """Remove an earlier run's folder, once it is known that the next one can begin."""
    check_removable(folder)
    if folder.exists():
        shutil.rmtree(folder)


def _says(file: Path, key: str) -> bool:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and key in document
