"""A trainer's data sets and streams as token ids; what is kept and left out is said."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from datasets import Dataset, IterableDataset
from trl.trainer.utils import global_then_local_main_first

from trueward.data import Encoder, StreamReport, encode_pairs, encode_stream, to_pairs
from trueward.errors import DataError
from trueward.training.config import RewardConfig
from trueward.training.order import with_lent_prompts

Say = Callable[[str], None]


class Encoded(NamedTuple):
    """Pairs as token ids, and what they were made of."""

    rows: Dataset | IterableDataset
    columns: list[str]
    pairs: Dataset | None = None
    """The pairs as text or messages; None for a stream."""
    stream: StreamReport | None = None
    """What becomes of a stream's rows, as they are read."""


def encode_dataset(
    rows: Dataset, encoder: Encoder, name: str, args: RewardConfig, say: Say
) -> Encoded:
    """Pair and encode a data set, the main process first; the others find what it stores.

    Raises:
        DataError: a row is not what it must be, or no pair is left.
    """
    with global_then_local_main_first():
        pairs, pairing = to_pairs(rows)
        encoded, lengths = encode_pairs(pairs, encoder, num_proc=args.dataset_num_proc)
    for report in (pairing, lengths):
        say(f"{name}: {report}")
    return Encoded(encoded, encoded.column_names, pairs)


def encode_lazily(
    rows: IterableDataset,
    encoder: Encoder,
    name: str,
    args: RewardConfig,
    say: Say,
    *,
    borrows: bool,
) -> Encoded:
    """Return a stream that is paired and encoded as it is read; with lent prompts, if it `borrows`.

    Raises:
        DataError: the first row is not what it must be, or no pair is left.
    """
    encoded, report = encode_stream(rows, encoder, name)
    first = next(iter(encoded), None)
    if first is None:
        raise DataError(f"{name}: no pairs left: {report}")
    shown = "what is left out is counted as it is read, and said when training ends"
    if args.dataloader_num_workers:
        shown = "its counts stay in the loader's workers; dataloader_num_workers=0 shows them"
    say(f"{name}: a stream of {report.form.kind}; {shown}")
    if borrows:
        inner = encoded
        encoded = IterableDataset.from_generator(partial(with_lent_prompts, inner, name))
        vars(encoded)["set_epoch"] = inner.set_epoch  # a shuffled stream is drawn anew each epoch
    return Encoded(encoded, list(first), stream=report)
