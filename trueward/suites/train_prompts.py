"""Which prompts a model was trained on, as hashes beside its checkpoint."""

from collections.abc import Iterable
from pathlib import Path

from trueward.files import read_json, write_json
from trueward.suites.contamination import prompt_hash
from trueward.types import Turns

FILE = "train_prompts.json"
SCHEMA = "trueward.train_prompts/1"


def write_train_prompts(prompts: Iterable[Turns], folder: Path | str) -> None:
    """Write the sorted distinct hashes of training prompts into a checkpoint's folder."""
    hashes = sorted(set(map(prompt_hash, prompts)))
    write_json({"schema": SCHEMA, "hashes": hashes}, Path(folder) / FILE)


def read_train_prompts(folder: Path | str) -> frozenset[str]:
    """The hashes that lie in a checkpoint's folder.

    Raises:
        DataError: naming file and field, if they are not there or of another form.
    """
    document = read_json(Path(folder) / FILE)
    if document["schema"].value != SCHEMA:
        document["schema"].fail(f'"{SCHEMA}"')
    return frozenset(document["hashes"].texts())
