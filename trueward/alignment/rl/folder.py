"""The folder of a run: free, or this run's own and unfinished."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueward.alignment.rl.record import FILE
from trueward.alignment.rl.settings import AlignSettings
from trueward.errors import OutputExistsError
from trueward.files import plain


def check_folder(folder: Path, settings: AlignSettings) -> None:
    """Raise OutputExistsError unless the folder is free or holds this run, unfinished."""
    if folder.is_file():
        raise OutputExistsError(f"{folder} is a file, not a folder; choose another -o")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    found = earlier_run(folder)
    if found is None:
        raise OutputExistsError(f"{folder} is not empty and holds no run; choose another -o")
    if found["finished"]:
        raise OutputExistsError(f"{folder} holds a finished run; choose another -o")
    check_same(folder, found, settings)


def earlier_run(folder: Path) -> dict[str, Any] | None:
    """The document of the run in this folder, if there is one."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if {"settings", "finished"} <= found.keys() else None


def check_same(folder: Path, found: Mapping[str, Any], settings: AlignSettings) -> None:
    """Raise OutputExistsError unless the run that was found is of these settings."""
    if found["settings"] != json.loads(json.dumps(plain(settings.identity()))):
        raise OutputExistsError(f"{folder} holds a run with other settings; choose another -o")
