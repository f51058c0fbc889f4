"""Batches of pairs in float64 NumPy, and their transformations."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from trueward.objectives import NEEDS
from trueward.types import PairScores


@dataclass(frozen=True)
class Batch:
    chosen: np.ndarray
    rejected: np.ndarray
    chosen_hidden: np.ndarray
    rejected_hidden: np.ndarray
    foreign: np.ndarray
    margin: np.ndarray
    target: np.ndarray

    def scores(self, needs=tuple(NEEDS), dtype=torch.float64, weight=None) -> PairScores:
        """The batch with the two rewards and exactly what `needs` names."""
        names = ["chosen", "rejected", *(field for need in needs for field in NEEDS[need])]
        given = {name: torch.tensor(getattr(self, name), dtype=dtype) for name in names}
        if weight is not None:
            given["weight"] = torch.tensor(weight, dtype=dtype)
        return PairScores(**given)

    def rounded(self, dtype) -> "Batch":
        def through(values):
            return torch.tensor(values).to(dtype).double().numpy()

        return Batch(*(through(getattr(self, f.name)) for f in fields(self)))

    def take(self, index) -> "Batch":
        return Batch(*(getattr(self, f.name)[index] for f in fields(self)))

    def shifted(self, by: float) -> "Batch":
        return replace(
            self, chosen=self.chosen + by, rejected=self.rejected + by, foreign=self.foreign + by
        )

    def swapped(self) -> "Batch":
        """Each pair with the label the other way round."""
        return replace(
            self,
            chosen=self.rejected,
            rejected=self.chosen,
            chosen_hidden=self.rejected_hidden,
            rejected_hidden=self.chosen_hidden,
            target=1 - self.target,
        )


def random_batch(pairs: int, seed: int = 0, scale: float = 2.0, hidden: int = 5) -> Batch:
    rng = np.random.default_rng((seed, pairs))
    return Batch(
        chosen=scale * rng.normal(size=pairs) + 0.5,
        rejected=scale * rng.normal(size=pairs) - 0.5,
        chosen_hidden=rng.normal(size=(pairs, hidden)) + 0.4,
        rejected_hidden=rng.normal(size=(pairs, hidden)) + 0.4,
        foreign=scale * rng.normal(size=pairs),
        margin=rng.uniform(0, 3, size=pairs),
        target=rng.uniform(size=pairs),
    )


def extreme_batch() -> Batch:
    """Rewards of ±1e4, tiny and zero in every combination; hidden states equal, zero and huge."""
    values = np.array([-1e4, -1.0, -1e-8, 0.0, 1e-8, 1.0, 1e4])
    chosen, rejected = (grid.ravel() for grid in np.meshgrid(values, values))
    pairs = len(chosen)
    hidden = np.random.default_rng(0).normal(size=(pairs, 4))
    hidden[0] = 0
    hidden[1] *= 1e4
    other = hidden[::-1].copy()
    other[2] = hidden[2]
    return Batch(
        chosen,
        rejected,
        hidden,
        other,
        foreign=-rejected,
        margin=np.linspace(0, 1e4, pairs),
        target=np.linspace(0, 1, pairs),
    )
