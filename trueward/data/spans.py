"""Groups of responses that span the range of a prompt's scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueward.data.groups import Group, Response


def spanning_rows(
    groups: Sequence[Group], size: int, min_gap: float, seed: int
) -> list[dict[str, Any]]:
    """One row for each group that has `size` responses whose range of scores exceeds `min_gap`."""
    rows = []
    for number, group in enumerate(groups):
        drawn = _spanning(group.responses, size, np.random.default_rng([seed, number]))
        scores = [response.score for response in drawn]
        if scores and max(scores) - min(scores) > min_gap:
            rows.append(
                {
                    "prompt": group.prompt,
                    "prompt_id": group.prompt_id,
                    "responses": [response.turns for response in drawn],
                    "sources": [response.source for response in drawn],
                    "scores": scores,
                    **group.extras,
                }
            )
    return rows


def _spanning(
    responses: Sequence[Response], size: int, generator: np.random.Generator
) -> list[Response]:
    """The lowest, the highest, then each time the one furthest in score from those taken.

    Returned in random order, equal scores drawn at random; empty where there are too few.
    """
    if len(responses) < size:
        return []
    shuffled = [responses[i] for i in generator.permutation(len(responses))]
    scores = np.array([response.score for response in shuffled])
    taken = [int(scores.argmin()), len(scores) - 1 - int(scores[::-1].argmax())]
    while len(taken) < size:
        distance = np.abs(scores[:, None] - scores[taken]).min(axis=1)
        distance[taken] = -1.0
        taken.append(int(distance.argmax()))
    return [shuffled[i] for i in sorted(taken)]
