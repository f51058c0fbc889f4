"""The order in which pairs are read, and whose prompt a pair borrows for prompt contrast.

Which pairs make up a step is drawn by the seed alone. How a step is cut, into micro-batches and
over ranks, may follow the lengths; whose prompt a pair borrows does not depend on the cut.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import trl
from accelerate.data_loader import SeedableRandomSampler
from datasets import Dataset
from jaxtyping import Int
from numpy import ndarray
from torch.utils.data import Sampler, SequentialSampler

from trueward.data.encode import shared_length
from trueward.errors import DataError
from trueward.types import Row

Place: TypeAlias = tuple[int, int]
"""The number of a row, and that of the row whose prompt it borrows."""
LENDER = "foreign_prompt"
"""The borrowed prompt's token ids, as a column of a row."""


def training_order(rows: Any, args: trl.RewardConfig) -> Sampler[Any] | None:
    """Return the sampler of training rows; None where transformers' own will do."""
    strategy = args.train_sampling_strategy
    if not isinstance(rows, BorrowingRows) and strategy != "group_by_length":
        return None
    if strategy == "sequential":
        places: Sampler[Any] = SequentialSampler(rows)
    else:
        places = SeedableRandomSampler(rows, data_seed=args.data_seed)
    if isinstance(rows, BorrowingRows):
        places = BorrowingSampler(places, prompt_numbers(rows.rows), "the training data")
        rows = rows.rows
    if strategy != "group_by_length":
        return places
    pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    return SortedSteps(places, pair_lengths(rows), pairs)


def evaluation_order(rows: Any) -> Sampler[Any]:
    """Return the sampler of rows to evaluate, in their own order."""
    if not isinstance(rows, BorrowingRows):
        return SequentialSampler(rows)
    return BorrowingSampler(SequentialSampler(rows), prompt_numbers(rows.rows), "the held-out data")


class BorrowingSampler(Sampler[Place]):
    """Numbers the rows as another sampler does, each with a row of another prompt to borrow from.

    The lender is the next row in the order that has another prompt; after the last row comes the
    first. So it depends on the order alone, not on the pairs a device, the accumulation or the
    ranks; and where a batch holds both rows, a lent prompt costs no tokens of its own.

    Args:
        rows: another sampler, over the rows that `prompts` numbers.
        prompts: a number for each row, equal where the prompts are.

    Raises:
        DataError: all rows have the same prompt.
    """

    def __init__(self, rows: Sampler[int], prompts: Int[ndarray, " rows"], name: str) -> None:
        self.rows, self.prompts = rows, prompts
        if len(prompts) and (prompts == prompts[0]).all():
            raise _one_prompt(name, len(prompts))

    def __len__(self) -> int:
        return len(self.prompts)

    def __iter__(self) -> Iterator[Place]:
        order = np.fromiter(self.rows, dtype=np.int64)
        for place, row in enumerate(order.tolist()):
            yield row, self._lender(order, place)

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on, which a shuffling sampler draws its order from."""
        _set_epoch(self.rows, epoch)

    def _lender(self, order: Int[ndarray, " rows"], place: int) -> int:
        own = self.prompts[order[place]]
        for other in range(place + 1, place + len(order)):
            row = int(order[other % len(order)])
            if self.prompts[row] != own:
                return row
        raise AssertionError("a data set with one prompt was refused")


class SortedSteps(Sampler[Any]):
    """Deals the same pairs to each step as another sampler does, the longest ones first.

    So micro-batches, and ranks, get pairs of like length, and a step's pairs stay a random draw.

    Args:
        places: another sampler, of row numbers or of `Place`s.
        lengths: tokens of each row.
        pairs: pairs of a step, over all micro-batches and ranks.
    """

    def __init__(self, places: Sampler[Any], lengths: Int[ndarray, " rows"], pairs: int) -> None:
        self.places, self.lengths, self.pairs = places, lengths, pairs

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Any]:
        places = iter(self.places)
        while step := list(islice(places, self.pairs)):
            yield from sorted(step, key=lambda place: -self.lengths[np.ravel(place)[0]])

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on, which a shuffling sampler draws its order from."""
        _set_epoch(self.places, epoch)


def _set_epoch(sampler: Any, epoch: int) -> None:
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)


class BorrowingRows:
    """The rows of a data set under the numbers of a `BorrowingSampler`, with the lent prompts."""

    def __init__(self, rows: Dataset) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Place) -> Row:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[Place]) -> list[Row]:
        numbers = list(dict.fromkeys(number for place in places for number in place))
        found = dict(zip(numbers, self.rows.__getitems__(numbers), strict=True))
        return [found[own] | {LENDER: prompt_of(found[lender])} for own, lender in places]


def with_lent_prompts(rows: Iterable[Row], name: str) -> Iterator[Row]:
    """Yield the rows of a stream in order, each with the prompt of the next that has another one.

    At the end of the stream the lender is an earlier row.

    Raises:
        DataError: all rows have the same prompt.
    """
    waiting: list[Row] = []
    before: list[int] = []
    for row in rows:
        own, newest = prompt_of(waiting[0]) if waiting else None, prompt_of(row)
        if own is not None and own != newest:
            yield from ({**one, LENDER: newest} for one in waiting)
            waiting, before = [], own
        waiting.append(row)
    if waiting and not before:
        raise _one_prompt(name, len(waiting))
    yield from ({**row, LENDER: before} for row in waiting)


def _one_prompt(name: str, pairs: int) -> DataError:
    return DataError(
        f"{name}: all {pairs} pairs have the same prompt, so there is no other one to read a "
        "response under; leave contrast out of the objective"
    )


def pair_lengths(rows: Dataset) -> Int[ndarray, " rows"]:
    """Return the tokens of each pair, both sides together."""
    sides = ["chosen_ids", "rejected_ids"]
    lengths = [
        sum(pc.list_value_length(table[side]).to_numpy() for side in sides)
        for table in rows.select_columns(sides).with_format("arrow").iter(batch_size=10_000)
    ]
    return np.concatenate(lengths)


def prompt_numbers(rows: Dataset) -> Int[ndarray, " rows"]:
    """Return a number for each row's prompt, equal for equal prompts."""
    known = "prompt_length" in rows.column_names
    columns = ["chosen_ids", "prompt_length" if known else "rejected_ids"]
    numbers: list[int] = []
    for table in rows.select_columns(columns).with_format("arrow").iter(batch_size=10_000):
        chosen, other = (table[column].combine_chunks() for column in columns)
        for row, ids in enumerate(_ragged(chosen)):
            length = other[row].as_py() if known else _common_start(ids, other[row].values)
            prompt = ids[:length].tobytes()
            numbers.append(zlib.crc32(prompt) << 31 ^ zlib.adler32(prompt))
    return np.asarray(numbers, dtype=np.int64)


def _ragged(lists: pa.ListArray) -> Iterator[ndarray]:
    offsets, values = lists.offsets.to_numpy(), lists.values.to_numpy()
    for start, stop in pairwise(offsets.tolist()):
        yield values[start:stop]


def _common_start(ids: ndarray, others: pa.Array) -> int:
    return shared_length(ids.tolist(), others.to_pylist())


def prompt_of(row: Row) -> list[int]:
    """Return the token ids of a pair's prompt."""
    return list(row["chosen_ids"][: prompt_length(row)])


def prompt_length(row: Row) -> int:
    """Return the number of tokens of the prompt: as recorded, or the sides' common prefix."""
    if row.get("prompt_length") is not None:
        return int(row["prompt_length"])
    return shared_length(row["chosen_ids"], row["rejected_ids"])
