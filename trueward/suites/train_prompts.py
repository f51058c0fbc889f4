"""Which prompts a model was trained on, as hashes beside its checkpoint."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from trueward.files import read_json, write_json
from trueward.suites.contamination import Prompt, words_of

FILE = "train_prompts.json"
SCHEMA = "trueward.train_prompts/1"


def prompt_hash(prompt: Prompt) -> str:
    """64-bit BLAKE2 of a prompt's words (as `contamination` compares them), 16 hex digits."""
    return hashlib.blake2b(" ".join(words_of(prompt)).encode(), digest_size=8).hexdigest()


def write_train_prompts(prompts: Iterable[Prompt], folder: Path | str) -> None:
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
