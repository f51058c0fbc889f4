"""Rows from wherever preference data is kept."""

from collections.abc import Mapping
from pathlib import Path

from datasets import (
    Dataset,
    DatasetDict,
    ReadInstruction,
    concatenate_datasets,
    load_dataset,
    load_from_disk,
)

from trueward.data.files import READERS, read_file
from trueward.errors import DataError, MissingSplitError


def load_rows(
    source: str | Path | Dataset | DatasetDict,
    *,
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
) -> Dataset:
    """Rows of a file, a folder, a hub data set or a `datasets` object.

    - a JSON (one object a line, or a list), JSONL, CSV or Parquet file, plain or `.gz`: its only
      split is `train`;
    - a folder written by `save_to_disk`, with one split or several;
    - any other folder, or a name on the hub, as `datasets.load_dataset` reads it;
    - a `DatasetDict`; or a `Dataset`, which is returned as it is, `split` unread.

    `split` may be a slice or a sum, as in `"train[:1000]"` or `"train+test"`. `config` and
    `revision` are of the hub. Columns and types are kept: `to_pairs` gives them meaning. The name
    is kept as `info.dataset_name`, so that later messages can say where a row came from.

    Raises:
        DataError: nothing there, an unknown split, an unreadable row, or no rows.
    """
    name = str(source) if isinstance(source, str | Path) else "dataset"
    if isinstance(source, Dataset):
        rows = source
    elif isinstance(source, DatasetDict):
        rows = _select(source, split, name)
    elif Path(source).is_file():
        rows = _select({"train": read_file(Path(source))}, split, name)
    elif (Path(source) / "state.json").is_file() or (Path(source) / "dataset_dict.json").is_file():
        rows = _from_disk(Path(source), split)
    else:
        rows = _from_hub(name, split, config, revision)
    if len(rows) == 0:
        raise DataError(f"{name}: split {split!r} has no rows; expected at least one")
    if not isinstance(source, Dataset):
        rows.info.dataset_name = name
    return rows


def _from_disk(folder: Path, split: str) -> Dataset:
    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{folder}: not a readable save_to_disk folder ({_first_line(error)})"
        ) from error
    if isinstance(saved, Dataset):
        saved = {"train": saved, str(saved.split or "train"): saved}
    return _select(saved, split, str(folder))


def _from_hub(name: str, split: str, config: str | None, revision: str | None) -> Dataset:
    if not Path(name).is_dir() and _looks_like_a_path(name):
        raise DataError(f"{name}: no such file or folder")
    try:
        return load_dataset(name, config, split=split, revision=revision)
    except ValueError as error:
        if str(error).startswith(("Unknown split", "Bad split")):
            raise MissingSplitError(f"{name}: no split {split!r}: {_first_line(error)}") from error
        raise DataError(f"{name}: split {split!r}: {_first_line(error)}") from error
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{name}: no file, folder or readable hub data set of this name with split {split!r} "
            f"({_first_line(error)})"
        ) from error


def _looks_like_a_path(name: str) -> bool:
    known = tuple(f"{ending}{packed}" for ending in READERS for packed in ("", ".gz"))
    return name.lower().endswith(known) or name.startswith((".", "/", "~")) or name.count("/") > 1


def _select(splits: Mapping[str, Dataset], split: str, name: str) -> Dataset:
    """Rows of a split, a slice of one, or a sum of them, as `datasets` writes it."""
    lengths = {key: len(rows) for key, rows in splits.items()}
    try:
        parts = ReadInstruction.from_spec(split).to_absolute(lengths)
    except (ValueError, AssertionError) as error:
        raise MissingSplitError(
            f"{name}: no split {split!r}; it has {', '.join(splits)}"
        ) from error
    chosen = [
        splits[part.splitname].select(
            range(part.from_ or 0, lengths[part.splitname] if part.to is None else part.to)
        )
        for part in parts
    ]
    return chosen[0] if len(chosen) == 1 else concatenate_datasets(chosen)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
