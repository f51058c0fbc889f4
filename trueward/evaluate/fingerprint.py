"""Digests by which one sitting knows that it goes on with another's model and data."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from trueward.errors import ModelError
from trueward.models import ADAPTER_FILE, checkpoint_file, read_object
from trueward.runs import rows_digest
from trueward.types import Prompt

FILES = (
    "config.json",
    "adapter_config.json",
    "*.safetensors",
    "tokenizer*",
    "added_tokens.json",
    "chat_template*",
    "special_tokens_map.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "trueward.json",
)
"""The files of a checkpoint on which its rewards depend."""
_WHOLE = 64 * 2**20
_BLOCK = 2**20


def model_digest(path: str) -> str:
    """A digest of a checkpoint folder, or the commit of a hub name; of an adapter its base's too.

    Of a file above 64 MiB the size, the first MiB and 63 more, spread evenly, are read: another
    training changes every tensor.

    Raises:
        ModelError: there is no such folder or hub name.
    """
    folder = Path(path)
    own = _folder_digest(folder) if folder.is_dir() else _hub_commit(path)
    base = read_object(path, ADAPTER_FILE).get("base_model_name_or_path")
    return own if base is None else f"{own} on {model_digest(str(base))}"


def data_digest(items: Iterable[Prompt]) -> str:
    """A digest of items: their prompts, responses and labels, in order."""
    return rows_digest(
        {
            "id": one.id,
            "prompt": one.prompt,
            "responses": one.responses,
            "subset": one.subset,
            "labels": dict(one.labels) | ({"gold": one.scores} if one.scores else {}),
        }
        for one in items
    )


def _folder_digest(folder: Path) -> str:
    total = hashlib.sha256()
    for file in sorted({file for pattern in FILES for file in folder.glob(pattern)}):
        total.update(file.name.encode() + _file_digest(file))
    return f"sha256:{total.hexdigest()[:16]}"


def _file_digest(file: Path) -> bytes:
    size = file.stat().st_size
    found = hashlib.sha256(str(size).encode())
    with file.open("rb") as stream:
        if size <= _WHOLE:
            found.update(stream.read())
        else:
            for block in range(64):
                stream.seek(block * (size - _BLOCK) // 63)
                found.update(stream.read(_BLOCK))
    return found.digest()


def _hub_commit(name: str) -> str:
    try:
        file = checkpoint_file(name, "config.json")
    except ModelError as error:
        raise ModelError(_nothing(name)) from error
    if file is None:
        raise ModelError(_nothing(name))
    return f"{name}@{file.parent.name}"


def _nothing(name: str) -> str:
    return f"{name}: no folder of a model, and no hub name whose config.json can be read"
