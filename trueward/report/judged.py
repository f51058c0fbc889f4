"""Results of suites as they are read: by model, with the records that lie beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trueward.errors import DataError
from trueward.files import JsonField, read_json
from trueward.suites import SuiteResult

TOLD = ("settings", "environment", "command")
"""What a record may tell of how the scores were made."""


@dataclass
class Judged:
    """What is read so far."""

    suites: dict[str, dict[str, SuiteResult]] = field(default_factory=dict)
    """By model and suite."""
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """By `MODEL on SUITE`: of `TOLD` what the record has."""
    _scorers: dict[str, tuple[str, Path]] = field(default_factory=dict)
    """By model: what gave its first scores, and the folder they were in."""

    def add(self, document: JsonField, path: Path) -> None:
        """Take the result in; a part of a suite is known by its file's name.

        Raises:
            DataError: the model has a result of that suite already, or is another model than the
                one of that name before.
        """
        result = replace(SuiteResult.parse(document), suite=path.stem)
        record = path.with_suffix(".record.json")
        told = read_json(record) if record.is_file() else JsonField({}, str(record))
        made_of = told["made_of"].members() if "made_of" in told.members() else {}
        self._check_one_model(result.scorer, made_of, path)
        known = self.suites.setdefault(result.scorer, {})
        if result.suite in known:
            raise DataError(
                f"{path}: {result.scorer} has a result of {result.suite!r} already; give each once"
            )
        digest = made_of["data"].text() if "data" in made_of else None
        known[result.suite] = replace(result, data=result.data or digest)
        self.records[f"{result.scorer} on {result.suite}"] = _told(told)

    def _check_one_model(self, label: str, made_of: Mapping[str, JsonField], path: Path) -> None:
        if not {"model", "scores"} & made_of.keys():
            return
        scorer = made_of["model"].text() if "model" in made_of else "a file of scores"
        earlier, folder = self._scorers.setdefault(label, (scorer, path.parent))
        if scorer != earlier:
            raise DataError(
                f"{path.parent}: {label!r} is {scorer} here and {earlier} in {folder}; judge one "
                "of them under another name (trueward eval NAME=PATH)"
            )


def _told(record: JsonField) -> dict[str, Any]:
    """Raises DataError where what it tells is of another form."""
    told = {name: node for name, node in record.members().items() if name in TOLD}
    for name, node in told.items():
        node.text() if name == "command" else node.members()
    return {name: node.value for name, node in told.items()}
