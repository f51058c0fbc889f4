"""One temperature for all margins: rescaling that makes σ(m/T) the best forecast, ranking kept.

    T = argmin mean −log σ(m/T), over pairs of other prompts than those judged

How to read it: see `calibration`. T above 1 shrinks overconfident margins, below 1 stretches timid
ones; the loss is convex in 1/T, so there is one minimum.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from trueward.diagnostics.calibration import (
    BINS,
    Calibration,
    calibration,
    negative_log_likelihood,
)
from trueward.diagnostics.columns import column
from trueward.errors import DataError


def fit_temperature(margins: ArrayLike) -> float:
    """The T > 0 with the least NLL of σ(m/T); inf where the mean margin is not above 0.

    Raises:
        DataError: if there are no margins, one is not finite, or every pair is ranked right (then
            the smaller T the better, and there is no best one).
    """
    given = column("temperature", "margins", margins)
    if given.mean() <= 0:
        return math.inf
    if given.min() >= 0:
        raise DataError(
            f"temperature: all {given.size} pairs are ranked right, so no temperature is best; "
            "fit it on more or harder pairs"
        )
    unit = np.abs(given).mean()
    best = minimize_scalar(
        lambda log: negative_log_likelihood(given / unit * math.exp(log)),
        bounds=(-20, 20),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(unit / math.exp(best.x))


def calibration_after_temperature(
    margins: ArrayLike,
    prompts: Sequence[str],
    fit_margins: ArrayLike,
    fit_prompts: Sequence[str],
    *,
    bins: int = BINS,
) -> Calibration:
    """The same after one temperature fitted on pairs of other prompts.

    Args:
        margins: of the pairs to judge, in logits.
        prompts: the prompt of each.
        fit_margins: of the pairs to fit the temperature on.
        fit_prompts: the prompt of each.
        bins: as in `calibration`.

    Raises:
        DataError: as `calibration` and `fit_temperature`, or if lengths differ, or a prompt is on
            both sides.
    """
    for kind, values, units in (("", margins, prompts), ("fit ", fit_margins, fit_prompts)):
        if column("calibration", f"{kind}margins", values).size != len(units):
            raise DataError(
                f"calibration: got {np.size(values)} {kind}margins and {len(units)} {kind}prompts; "
                "give one of each for every pair"
            )
    shared = set(prompts) & set(fit_prompts)
    if shared:
        raise DataError(
            f"calibration: {len(shared)} prompts are both judged and fitted on, such as "
            f"{min(shared)!r}; fit the temperature on pairs of other prompts"
        )
    return calibration(margins, temperature=fit_temperature(fit_margins), bins=bins)
