"""Columns of numbers that belong together, checked where they come in."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from trueward.errors import DataError


def column(where: str, name: str, values: ArrayLike) -> Float[ndarray, " rows"]:
    """The values in float64: one dimension, at least one, all finite.

    Args:
        where: the diagnostic, for the message.
        name: the column, for the message.
        values: one number an item.

    Raises:
        DataError: if they are not so.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where}: {name} are not all numbers; give one number an item") from None
    if array.ndim != 1 or not array.size:
        raise DataError(
            f"{where}: expected {name} as one row of numbers, at least one; got shape {array.shape}"
        )
    wrong = np.flatnonzero(~np.isfinite(array))
    if wrong.size:
        raise DataError(
            f"{where}: {wrong.size} of {array.size} {name} are not finite, the first in row "
            f"{wrong[0]} ({array[wrong[0]]}); check that the model did not diverge"
        )
    return array


def columns(where: str, values: Mapping[str, ArrayLike]) -> tuple[Float[ndarray, " rows"], ...]:
    """Several such columns of one length.

    Raises:
        DataError: if one is not such a column, or lengths differ.
    """
    arrays = tuple(column(where, name, one) for name, one in values.items())
    if len({array.size for array in arrays}) > 1:
        got = ", ".join(f"{a.size} {name}" for name, a in zip(values, arrays, strict=True))
        raise DataError(f"{where}: got {got}; give one of each for every item")
    return arrays
