"""Several data sets in one: which they are, their pairs joined, and a draw by their weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, Value, concatenate_datasets

from trueward.errors import DataError, nearest

DATASET = "dataset"
"""The column that says which data set a pair of a mixture comes from."""
_SIDES = ("chosen", "chosen_ids")


@dataclass(frozen=True)
class Source:
    """A data set that is trained on, alone or with others."""

    name: str
    """A file, folder or hub name, as `load_rows` reads it."""
    weight: float | None = None
    """Its share of the training pairs, relative to the others' weights; None for all its pairs."""
    split: str = "train"
    test_split: str = "test"
    config: str | None = None

    @property
    def label(self) -> str:
        """The name in short: of a file or folder, its last part."""
        return Path(self.name).name if Path(self.name).exists() else self.name


def sources_of(
    given: Any, *, split: str = "train", test_split: str = "test", config: str | None = None
) -> list[Source]:
    """Return the data sets that `dataset_name` names: one name, or a list.

    Each of a list is a name, or a mapping with `name` and, if wanted, `weight`, `split`,
    `test_split` and `config`, for which the arguments stand in.

    Raises:
        DataError: an unknown key, a weight that is not above 0, weights for some only, or two data
            sets of one label.
    """
    if isinstance(given, str):
        return [Source(given, split=split, test_split=test_split, config=config)]
    if not isinstance(given, list) or not given:
        raise DataError(f"dataset_name: expected a name or a list of data sets, got {given!r}")
    known = [field.name for field in fields(Source)]
    found = []
    for number, one in enumerate(given):
        entry = {"name": one} if isinstance(one, str) else one
        where = f"dataset_name: data set {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise DataError(f"{where}: expected a name, or a mapping with 'name', got {one!r}")
        for key in entry:
            if key not in known:
                raise DataError(f"{where}: unknown key {key!r}; {nearest(key, known)}")
        weight = entry.get("weight")
        number_given = isinstance(weight, int | float) and not isinstance(weight, bool)
        if weight is not None and not (number_given and 0 < weight < float("inf")):
            raise DataError(f"{where}: expected a weight above 0, got {weight!r}")
        filled = {"split": split, "test_split": test_split, "config": config, **entry}
        found.append(Source(**filled | {"weight": None if weight is None else float(weight)}))
    labels = [source.label for source in found]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise DataError(f"dataset_name: {twice[0]!r} is there twice; give it once, or rename it")
    if len({source.weight is None for source in found}) > 1:
        raise DataError("dataset_name: weights for some data sets only; give all one, or none")
    return found


def joined(parts: Sequence[tuple[str, Dataset]]) -> tuple[Dataset, list[str]]:
    """Join pairs, each with its part's label in the column `dataset`; return lost columns, too.

    Only columns stay that all parts have, of one type.

    Raises:
        DataError: some pairs are text and others messages, or token ids.
    """
    first = parts[0][1]
    shared = [
        column
        for column, kind in first.features.items()
        if column != DATASET and all(part.features.get(column) == kind for _, part in parts)
    ]
    if not set(_SIDES) & set(shared):
        kinds = ", ".join(f"{label} {_kind(part)}" for label, part in parts)
        raise DataError(f"data sets of a mixture must have pairs of one form; here {kinds}")
    labelled = [
        part.select_columns(shared).add_column(DATASET, pa.array([label] * len(part), pa.string()))
        for label, part in parts
    ]
    columns = {column for _, part in parts for column in part.column_names}
    return concatenate_datasets(labelled), sorted(columns - {*shared, DATASET})


def drawn(pairs: Dataset, weights: Mapping[str, float], seed: int) -> Dataset:
    """Draw pairs so that each label has its weight's share: as many as there can be, none twice.

    With w_i the weights and n_i the pairs, data set i gives w_i/Σw · T pairs, drawn without
    replacement, where T = min_i n_i·Σw/w_i; order is kept. TRL's `fraction` is the same share.
    """
    labels = labels_of(pairs)
    counts = {label: int((labels == label).sum()) for label in weights}
    total = min(counts[label] / weight for label, weight in weights.items())
    generator = np.random.default_rng(seed)
    kept = [
        generator.choice(
            np.flatnonzero(labels == label),
            size=min(counts[label], round(weight * total)),
            replace=False,
        )
        for label, weight in weights.items()
    ]
    return pairs.select(np.sort(np.concatenate(kept)))


def labels_of(pairs: Dataset) -> np.ndarray:
    """Return the label of each pair of a mixture."""
    column = pairs.select_columns([DATASET]).with_format("arrow")[:][DATASET]
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _kind(part: Dataset) -> str:
    if "chosen" not in part.column_names:
        return "has token ids"
    kind = part.features["chosen"]
    return "has text" if isinstance(kind, Value) else f"has messages {kind}"
