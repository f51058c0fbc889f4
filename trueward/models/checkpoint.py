"""The small files of a checkpoint, in a folder or on the hub."""

import json
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

from trueward.errors import ModelError

ADAPTER_FILE = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def checkpoint_file(path: str, name: str, **hub: Any) -> Path | None:
    """The file of that name in a folder, or fetched from the hub; None where it has none.

    `hub` are the revision and token of a hub name.

    Raises:
        ModelError: there is no such hub name, or it cannot be read.
    """
    try:
        found = cached_file(path, name, _raise_exceptions_for_missing_entries=False, **hub)
    except OSError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"cannot read {name} of {path!r}: {reason}") from error
    return None if found is None else Path(found)


def read_object(path: str, name: str, **hub: Any) -> dict[str, Any]:
    """The JSON object in that file; empty where there is none. Raises as `checkpoint_file`.

    Raises:
        ModelError: the file is damaged.
    """
    file = checkpoint_file(path, name, **hub)
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{file}: expected a JSON object, got {error}; save the checkpoint again"
        ) from error
    if not isinstance(found, dict):
        raise ModelError(
            f"{file}: expected a JSON object, got {type(found).__name__}; save the checkpoint again"
        )
    return found
