"""Rewards and gold scores of every prompt's samples, from a file of scores or of rewarded rows."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.data import stream_rows
from trueward.data.messages import described
from trueward.errors import DataError
from trueward.runs import rows_digest

PROXY = "proxy"


@dataclass(frozen=True)
class ScoredPrompts:
    """Samples of prompts, each with a reward of every proxy and, where known, a gold score."""

    prompts: tuple[str, ...]
    """A name for each row's prompt: rows of one prompt are resampled together."""
    proxies: Mapping[str, tuple[Float[ndarray, " samples"], ...]]
    gold: tuple[Float[ndarray, " samples"], ...] | None

    @property
    def counts(self) -> list[int]:
        """Samples of each row."""
        return [len(row) for row in next(iter(self.proxies.values()))]


def read_scores(source: str, label: str = PROXY) -> ScoredPrompts:
    """Rows `{prompt, proxy: [numbers], gold: [numbers]}`, as JSONL or anything `load_rows` reads.

    Raises:
        DataError: naming the row and the field that is not what it must be.
    """
    rows = [
        (_named(fields, f"{source}: row {n}"), fields, f"{source}: row {n}")
        for n, fields in enumerate(stream_rows(source))
    ]
    proxy = [numbers(fields, PROXY, where) for _, fields, where in rows]
    gold = [
        numbers(fields, "gold", where, like=(PROXY, len(scores)))
        for (_, fields, where), scores in zip(rows, proxy, strict=True)
    ]
    return ScoredPrompts(tuple(name for name, _, _ in rows), {label: tuple(proxy)}, tuple(gold))


def join_rewards(files: Mapping[str, str]) -> ScoredPrompts:
    """The rewards that models gave to the same rows, a file a model, with the rows' `gold`.

    Gold is None where no row has it.

    Raises:
        DataError: files of different rows, gold in some rows only, or not a number a response.
    """
    labels = list(files)
    names: list[str] = []
    golds: list[ndarray | None] = []
    rewards: dict[str, list[ndarray]] = {label: [] for label in labels}
    for number, together in enumerate(zip_longest(*(stream_rows(file) for file in files.values()))):
        where = f"{files[labels[0]]}: row {number}"
        if any(one is None for one in together):
            raise DataError(f"{where}: not every model has this row; score again with --overwrite")
        names.append(_named(together[0], where))
        for label, fields in zip(labels, together, strict=True):
            rewards[label].append(numbers(fields, "rewards", where))
        size = len(rewards[labels[0]][-1])
        given = together[0].get("gold") is not None
        golds.append(
            numbers(together[0], "gold", where, like=("responses", size)) if given else None
        )
    proxies = {label: tuple(values) for label, values in rewards.items()}
    return ScoredPrompts(tuple(names), proxies, _all_or_none(golds, files[labels[0]]))


def numbers(
    fields: Mapping[str, Any], field: str, where: str, like: tuple[str, int] | None = None
) -> Float[ndarray, " samples"]:
    """A row's list of finite numbers; `like` names another field and how many it has.

    Raises:
        DataError: naming row and field.
    """
    value = fields.get(field)
    if not isinstance(value, list) or not value or not all(map(_finite, value)):
        raise DataError(
            f"{where}, field {field!r}: expected a list of finite numbers, one a response; "
            f"got {described(value)}"
        )
    if like is not None and len(value) != like[1]:
        raise DataError(
            f"{where}, field {field!r}: expected {like[1]} numbers, as {like[0]!r} has; "
            f"got {len(value)}"
        )
    return np.asarray(value, dtype=np.float64)


def _finite(one: Any) -> bool:
    if not isinstance(one, int | float) or isinstance(one, bool):
        return False
    try:
        return math.isfinite(one)
    except OverflowError:  # a whole number that no float holds
        return False


def _named(fields: Mapping[str, Any], where: str) -> str:
    if fields.get("prompt") is None:
        raise DataError(f"{where}: expected a field 'prompt'; got {', '.join(fields) or 'nothing'}")
    return rows_digest([{"prompt": fields["prompt"]}])


def _all_or_none(golds: Iterable[ndarray | None], source: str) -> tuple[ndarray, ...] | None:
    given = list(golds)
    found = [gold for gold in given if gold is not None]
    if found and len(found) < len(given):
        row = next(n for n, gold in enumerate(given) if gold is None)
        raise DataError(
            f"{source}: row {row}, field 'gold': missing, and other rows have it; give it to all"
        )
    return tuple(found) if found else None
