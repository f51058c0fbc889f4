"""What the demo's runs come to, said plainly."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trueward.stats import Totals, plain_means, resampled_means
from trueward.stats import estimate as interval_of

BASELINE = "bt"
Run = tuple[str, int, Mapping[str, Any]]
"""Objective, seed, and the document of `align.json`."""


def summary(
    objective: str, seed: int, document: Mapping[str, Any], judged: Mapping[str, float]
) -> dict[str, Any]:
    """One run in a line of numbers, and its curve."""
    points = document["points"]
    return {
        "objective": objective,
        "seed": seed,
        "gold_start": points[0]["gold"],
        "gold_best": document["best"]["gold"],
        "step_best": document["best"]["step"],
        "gold_last": points[-1]["gold"],
        "distance_last": points[-1]["distance"],
        "alarms": document["alarms"],
        "fit": document["fit"],
        "reward_model": dict(judged),
        "curve": {n: [p[n] for p in points] for n in ("step", "distance", "proxy", "gold")},
    }


def verdict(runs: Sequence[Run]) -> list[str]:
    """A line an objective: its gold at the end beside Bradley–Terry's, paired by seed and prompt.

    The interval is a bootstrap over prompts and seeds; of one seed, over its prompts alone.
    """
    lines = []
    for objective in dict.fromkeys(name for name, _, _ in runs):
        found = {seed: document for name, seed, document in runs if name == objective}
        change = [d["points"][-1]["gold"] - d["points"][0]["gold"] for d in found.values()]
        lost = [d["best"]["gold"] - d["points"][-1]["gold"] for d in found.values()]
        line = (
            f"{objective}: gold changed by {np.mean(change):+.3f} in training, and ended "
            f"{np.mean(lost):.3f} below its best"
        )
        if all(document["best"]["step"] == 0 for document in found.values()):
            line += ", which was its start"
        base = {seed: document for name, seed, document in runs if name == BASELINE}
        lines.append(line + ("" if objective == BASELINE else _beside(found, base)))
    seeds = len({seed for _, seed, _ in runs})
    over = f"{seeds} seeds; the intervals are over prompts and seeds"
    return [*lines, f"over {over if seeds > 1 else '1 seed; the intervals are over prompts alone'}"]


def _beside(found: Mapping[int, Any], base: Mapping[int, Any]) -> str:
    gaps = [
        np.subtract(*(d["points"][-1]["gold_each"] for d in (document, base[seed])))
        for seed, document in found.items()
    ]
    of_seed = np.repeat(np.arange(len(gaps)), [len(gap) for gap in gaps])
    counts = (of_seed[:, None] == np.arange(len(gaps)))[:, None, :].astype(np.float64)
    totals = Totals(counts * np.concatenate(gaps)[:, None, None], counts)
    estimate = interval_of(float(plain_means(totals)[0]), resampled_means(totals)[:, 0])
    interval = f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"
    if estimate.low > 0:
        return f"; at the end better than {BASELINE} by {interval}"
    if estimate.high < 0:
        return f"; at the end worse than {BASELINE} by {interval}"
    return f"; at the end not to be told apart from {BASELINE}: {interval}"
