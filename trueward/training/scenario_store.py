"""A study's data: built once, kept in its folder, loaded by every run."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from datasets import Dataset, load_from_disk

from trueward.data import PairRule, load_rows, split_scenarios
from trueward.errors import InputError, nearest
from trueward.goldworld import BASE_PATH, WorldConfig, build_scenarios
from trueward.training.settings import StudySettings
from trueward.types import Scenarios

REPORT_FILE = "report.txt"


def build(settings: StudySettings) -> tuple[Scenarios, str]:
    """The gold world's scenarios or those of the user's scored responses, and a line about them.

    Raises:
        InputError: a dial of the world or of the split is unknown.
        DataError: the data cannot be split.
    """
    if settings.data == "goldworld":
        known = [f.name for f in fields(WorldConfig)]
        _check("world", settings.world, known)
        try:
            scenarios = build_scenarios(WorldConfig(**settings.world))
        except TypeError as error:
            raise InputError(f"world: {error}") from error
        return scenarios, f"gold world: {len(scenarios.train):,} training pairs"
    split: dict[str, Any] = dict(settings.split)
    try:
        if "rule" in split:
            split["rule"] = PairRule(**split["rule"])
        scenarios, report = split_scenarios(load_rows(settings.data), **split)
    except TypeError as error:
        raise InputError(f"split: {error}") from error
    return scenarios, str(report)


def base_model(settings: StudySettings) -> str:
    """The base model's path: the user's, or the gold world's own."""
    return settings.model_name_or_path or str(BASE_PATH)


def store(scenarios: Scenarios, report: str, folder: Path) -> None:
    """Write each part as a `save_to_disk` folder, and the line about them."""
    for item in fields(scenarios):
        part = getattr(scenarios, item.name)
        if part is not None:
            part.save_to_disk(str(folder / item.name))
    (folder / REPORT_FILE).write_text(report + "\n", encoding="utf-8")


def data_report(folder: Path) -> str:
    """The line that `store` kept: sizes, and what was left out."""
    return (folder / REPORT_FILE).read_text(encoding="utf-8").strip()


def load(folder: Path) -> Scenarios:
    """What `store` wrote."""
    parts: dict[str, Dataset | None] = {
        item.name: load_from_disk(str(folder / item.name))
        if (folder / item.name).is_dir()
        else None
        for item in fields(Scenarios)
    }
    return Scenarios(**parts)


def _check(what: str, given: dict[str, Any], known: list[str]) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"{what}: unknown setting {name!r}; {nearest(name, known)}")
