"""One optimiser step whose micro-batches, on all ranks, are one batch to the objective."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from trueward.errors import InputError
from trueward.objectives import Objective
from trueward.training.batch import pair_columns
from trueward.training.exact_batch import Whole, differentiate, micro_losses
from trueward.training.ranks import from_table, gather_rows, rows_of_data, split_rows, to_table
from trueward.types import ObjectiveOutput, PairScores


@dataclass(frozen=True)
class ExactStep:
    """What a step needs: the model's reading of a micro-batch, the objective, and where it goes.

    `finish` gets the objective's output, the same on every rank, and every pair's row of
    `pair_columns`.
    """

    read: Callable[[Any], PairScores]
    objective: Objective
    state: Mapping[str, Tensor]
    accelerator: Accelerator
    finish: Callable[[ObjectiveOutput, Tensor], None]

    def losses(self, batches: Sequence[Any]) -> Iterator[Tensor]:
        """One loss a micro-batch, for a trainer that divides by their number and averages ranks.

        Each has the value of the whole batch's loss, so that what the trainer reports is true.
        """
        return micro_losses(batches, self.read, self._evaluate)

    def _evaluate(self, parts: Sequence[PairScores]) -> Whole:
        counts = [len(part.chosen) for part in parts]
        counts[-1] = rows_of_data(counts[-1], self.accelerator)
        like = self._needed(parts[0])
        own = [
            torch.cat([pair_columns(part), to_table(self._needed(part))], dim=1)[:count]
            for part, count in zip(parts, counts, strict=True)
        ]
        gathered = gather_rows(torch.cat(own), self.accelerator)
        logged = pair_columns(parts[0]).shape[1]
        scores = from_table(gathered.rows[:, logged:], like)
        out, gradients = differentiate(self.objective, scores, self.state)
        self.finish(out, gathered.rows[:, :logged])
        scale = len(parts) * self.accelerator.num_processes
        scaled = {name: scale * gradient for name, gradient in gradients.items()}
        return Whole(out.loss, split_rows(scaled, gathered.start, counts))

    def _needed(self, scores: PairScores) -> PairScores:
        if "hidden" in self.objective.needs:
            return scores
        return replace(scores, chosen_hidden=None, rejected_hidden=None)


def is_exact(wanted: str | None, objective: Objective, accelerator: Accelerator) -> bool:
    """Whether the objective is to see the effective batch; by default where it mixes pairs.

    Raises:
        InputError: ranks share a batch, so that its rows cannot be gathered over them.
    """
    exact = objective.batch_level if wanted is None else wanted == "exact"
    layout = accelerator.parallelism_config
    sharing = [] if layout is None else [k for k in ("tp", "cp", "sp") if _size(layout, k) > 1]
    if exact and sharing:
        raise InputError(
            f"batch_objective=exact needs a batch of its own on every rank, but {sharing[0]}_size "
            f"is {_size(layout, sharing[0])}; set batch_objective=micro"
        )
    return exact


def _size(layout: Any, kind: str) -> int:
    return getattr(layout, f"{kind}_size", 1)
