"""Which prompts a model was trained on, as hashes beside its checkpoint."""

from collections.abc import Iterable
from pathlib import Path

from trueward.results import TrainPrompts
from trueward.suites.contamination import prompt_hash
from trueward.types import Turns

FILE = "train_prompts.json"


def write_train_prompts(prompts: Iterable[Turns], folder: Path | str) -> None:
    """Write the sorted distinct hashes of training prompts into a checkpoint's folder."""
    TrainPrompts(tuple(sorted(set(map(prompt_hash, prompts))))).write(Path(folder) / FILE)


def read_train_prompts(folder: Path | str) -> frozenset[str]:
    """The hashes that lie in a checkpoint's folder.

    Raises:
        DataError: naming file and field, if they are not there or of another form.
    """
    return frozenset(TrainPrompts.read(Path(folder) / FILE).hashes)
