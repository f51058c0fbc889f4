"""JSON files with errors that name the field, and files written whole or not at all."""

import json
import math
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np

from trueward.errors import DataError


@dataclass(frozen=True)
class JsonField:
    """A value of a JSON document, with its file and its path in it for error messages."""

    value: Any
    file: str
    path: str = ""
    remedy: str = "mend the field, or delete the file and run again"

    def fail(self, expected: str) -> NoReturn:
        """Raise the one-line error for a value that is not what it must be."""
        shown = json.dumps(self.value, default=str)
        got = shown if len(shown) <= 40 else shown[:37] + "..."
        raise DataError(
            f"{self.file}: field '{self.path or '(document)'}': expected {expected}, got {got}; "
            f"{self.remedy}"
        )

    def __getitem__(self, name: str) -> Self:
        """Return the member of that name; DataError if it is missing."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        if name not in self.value:
            raise DataError(f"{self.file}: field '{self._below(name)}' is missing; {self.remedy}")
        return replace(self, value=self.value[name], path=self._below(name))

    def items(self) -> list[Self]:
        """Return every item of a list."""
        if not isinstance(self.value, list):
            self.fail("a list")
        return [replace(self, value=v, path=f"{self.path}[{i}]") for i, v in enumerate(self.value)]

    def text(self) -> str:
        """Return a string."""
        return self.value if isinstance(self.value, str) else self.fail("a string")

    def integer(self) -> int:
        """Return a whole number."""
        whole = isinstance(self.value, int) and not isinstance(self.value, bool)
        return int(self.value) if whole else self.fail("a whole number")

    def number(self) -> float:
        """Return a number; null is NaN."""
        if self.value is None:
            return math.nan
        real = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        return float(self.value) if real else self.fail("a number or null")

    def numbers(self) -> list[float]:
        """Return a list of numbers; null is NaN."""
        return [item.number() for item in self.items()]

    def _below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


_FLAT_LIST = re.compile(r"\[\n([^\[\]{}]*?)\n\s*\]")


def read_json(path: Path | str) -> JsonField:
    """Return the document in a file.

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
    aside = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(target)


def plain(value: Any) -> Any:
    """Return the same value in JSON's own types: NaN and infinities become null, arrays lists."""
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
