"""Label noise on request, for noise studies."""

import numpy as np
from datasets import Dataset, Features, Value

from trueward.errors import DataError


def flip_labels(pairs: Dataset, rate: float, seed: int) -> tuple[Dataset, int]:
    """Flip the labels of a share of the pairs; return the pairs and how many were flipped.

    Exactly round(rate · n) pairs, drawn without replacement, change sides: `chosen` with
    `rejected`, and each `chosen_*` with its `rejected_*`. `margin`, `target` and `weight` stay:
    they belong to the label, which is now wrong. The column `flipped` says which pairs these are.

    Raises:
        DataError: `rate` is not in [0, 1], the labels are flipped already, or a column of one side
            has no counterpart.
    """
    if not 0 <= rate <= 1:
        raise DataError(f"the rate of flipped labels must be in [0, 1], got {rate}")
    if "flipped" in pairs.column_names:
        raise DataError("column 'flipped' is there already: labels are flipped once only")
    sides = {
        name: name.replace("chosen", "rejected", 1)
        for name in pairs.column_names
        if name == "chosen" or name.startswith("chosen_")
    }
    missing = [name for name in sides.values() if name not in pairs.column_names]
    if missing or not sides:
        raise DataError(f"missing column {(missing or ['chosen'])[0]!r}: cannot flip labels")
    count = round(rate * len(pairs))
    flipped = np.zeros(len(pairs), dtype=bool)
    flipped[np.random.default_rng(seed).permutation(len(pairs))[:count]] = True
    table = {name: pairs[name][:] for name in pairs.column_names}
    for chosen, rejected in sides.items():
        for row in np.flatnonzero(flipped):
            table[chosen][row], table[rejected][row] = table[rejected][row], table[chosen][row]
    features = Features({**pairs.features, "flipped": Value("bool")})
    return Dataset.from_dict({**table, "flipped": flipped}, features=features), count
