"""What a verb hands back: one document for machines, one rendering for people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console


@dataclass(frozen=True)
class Outcome:
    """The result of a verb.

    `document` is printed as one JSON document on stdout under `--json`; `show` draws the same
    for a person.
    """

    document: Mapping[str, Any]
    show: Callable[[Console], None]
