"""Speed of learning: how many steps to a given accuracy?"""

import math
from collections.abc import Sequence

from trueward.errors import DataError


def steps_to_accuracy(
    steps: Sequence[int] | Sequence[float], accuracies: Sequence[float], threshold: float
) -> float:
    """The first evaluated step at which the accuracy is at least the threshold; NaN if none is.

    The answer is as coarse as the evaluation interval, and one noisy evaluation is enough to
    cross: read it beside the curve.

    Raises:
        DataError: if the two lists differ in length.
    """
    if len(steps) != len(accuracies):
        raise DataError(
            f"steps to accuracy: got {len(steps)} steps and {len(accuracies)} accuracies; "
            "give one accuracy a step"
        )
    reached = [
        step for step, accuracy in zip(steps, accuracies, strict=True) if accuracy >= threshold
    ]
    return float(min(reached, default=math.nan))
