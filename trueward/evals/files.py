"""Reading JSON files, and writing files whole or not at all."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trueward.errors import DataError
from trueward.evals.json_field import JsonField

_FLAT_LIST = re.compile(r"\[\n([^\[\]{}]*?)\n\s*\]")


def read_json(path: Path | str) -> JsonField:
    """The document in a file.

    Raises:
        DataError: if the file is missing, unreadable or not JSON.
    """
    try:
        return JsonField(json.loads(Path(path).read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the path of a finished run or study") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: expected a JSON document, got {error}; delete the file and run again"
        ) from None


def write_json(document: Mapping[str, Any], path: Path | str) -> None:
    """Write a document aside and rename it into place; lists of plain values take one line."""
    text = json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(_FLAT_LIST.sub(_one_line, text) + "\n", path)


def write_text(text: str, path: Path | str) -> None:
    """Write a text file aside and rename it into place."""
    target = Path(path)
    aside = target.with_name(target.name + ".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(target)


def plain(value: Any) -> Any:
    """The same value in JSON's own types: NaN and infinities become null, arrays lists."""
    if isinstance(value, Mapping):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _one_line(match: re.Match[str]) -> str:
    return "[" + re.sub(r"\n\s*", " ", match.group(1).strip()) + "]"
