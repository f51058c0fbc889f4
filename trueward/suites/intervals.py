"""Parts of a suite with bootstrap intervals over prompts, for one scorer or two at once."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.stats import Totals, estimate, plain_means, resampled_means, totals_of
from trueward.suites.outcomes import Cell
from trueward.suites.weights import Weights
from trueward.types import Estimate


def cell_means(
    cells: Sequence[Cell], draws: int, seed: int
) -> tuple[Float[ndarray, " cells"], Float[ndarray, "draws cells"]]:
    """Mean of each cell, and under resampled prompts; a draw is the same for all the cells."""
    units = {
        unit: slot for slot, unit in enumerate(dict.fromkeys(u for c in cells for u in c.units))
    }
    columns = [totals_of(c.values, [units[u] for u in c.units], len(units)) for c in cells]
    stacked: Float[ndarray, "units 2 cells"] = np.array(columns, dtype=np.float64).T
    totals = Totals(stacked[:, 0, :, None], stacked[:, 1, :, None])
    return plain_means(totals), resampled_means(totals, draws=draws, seed=seed)


def estimates(
    cells: Mapping[str, Cell],
    weights: Mapping[str, Weights],
    draws: int,
    confidence: float,
    seed: int,
) -> dict[str, Estimate]:
    """Every part with its percentile interval; none where there is no part."""
    if not weights:
        return {}
    names = list(cells)
    means, resampled = cell_means(list(cells.values()), draws, seed)
    return {
        name: estimate(
            float(part_values(means, names, part)),
            part_values(resampled, names, part),
            confidence,
        )
        for name, part in weights.items()
    }


def part_values(
    means: Float[ndarray, "*draws cells"], names: Sequence[str], weights: Weights
) -> Float[ndarray, "*draws"]:
    """Σ_c w_c·mean_c of one part.

    A cell without a value in a draw is masked there, its weight spread over the others; NaN where
    all of them are.
    """
    values = means[..., [names.index(cell) for cell in weights]]
    given = np.array(list(weights.values()))
    present = np.where(np.isnan(values), 0.0, given)
    total = present.sum(axis=-1)
    mean = (present * np.nan_to_num(values)).sum(axis=-1)
    whole = np.full_like(mean, np.nan)
    return np.divide(mean * given.sum(), total, out=whole, where=total > 0)


def counts_of(cells: Mapping[str, Cell]) -> dict[str, int]:
    """How many defined values each cell has."""
    return {name: cell.defined for name, cell in cells.items()}
