"""The exact effective batch: one objective over every micro-batch of a step and every rank.

The loss is differentiated with respect to the scores, and a second pass of each micro-batch carries
those gradients into the model, so that only one micro-batch's graph is in memory at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from trueward.objectives import Objective
from trueward.training.batch import pair_columns
from trueward.types import ObjectiveOutput, PairScores

Batch = TypeVar("Batch")
Gradients = Mapping[str, Tensor]
LEAVES = ("chosen", "rejected", "foreign", "chosen_hidden", "rejected_hidden")
"""Fields of `PairScores` that come from the model."""


@dataclass(frozen=True)
class BatchLoss:
    """The loss of an effective batch, and its gradients with respect to the scores."""

    loss: Tensor
    gradients: Sequence[Gradients]
    """One a micro-batch. It may have fewer rows: the rows after them do not count."""


@dataclass(frozen=True)
class ExactStep:
    """An optimiser step whose micro-batches, on all ranks, are one batch to the objective."""

    read: Callable[[Any], PairScores]
    """The model's scores of a micro-batch."""
    objective: Objective
    state: Mapping[str, Tensor]
    accelerator: Accelerator
    finish: Callable[[ObjectiveOutput, Tensor], None]
    """Takes the objective's output, equal on every rank, and the `pair_columns` of all pairs."""

    def losses(self, batches: Sequence[Any]) -> Iterator[Tensor]:
        """Yield `micro_losses` for a trainer that averages over micro-batches and ranks."""
        return micro_losses(batches, self.read, self._evaluate)

    def _evaluate(self, parts: Sequence[PairScores]) -> BatchLoss:
        counts = [len(part.chosen) for part in parts]
        counts[-1] = rows_of_data(counts[-1], self.accelerator)
        like = self._needed(parts[0])
        own = [
            torch.cat([pair_columns(part), to_table(self._needed(part))], dim=1)[:count]
            for part, count in zip(parts, counts, strict=True)
        ]
        rows, start = gather_rows(torch.cat(own), self.accelerator)
        logged = pair_columns(parts[0]).shape[1]
        scores = from_table(rows[:, logged:], like)
        out, gradients = differentiate(self.objective, scores, self.state)
        self.finish(out, rows[:, :logged])
        scale = len(parts) * self.accelerator.num_processes
        ends = [start + sum(counts[: i + 1]) for i in range(len(counts))]
        return BatchLoss(
            out.loss,
            [
                {name: scale * gradient[end - count : end] for name, gradient in gradients.items()}
                for end, count in zip(ends, counts, strict=True)
            ],
        )

    def _needed(self, scores: PairScores) -> PairScores:
        if "hidden" in self.objective.needs:
            return scores
        return replace(scores, chosen_hidden=None, rejected_hidden=None)


def micro_losses(
    batches: Sequence[Batch],
    read: Callable[[Batch], PairScores],
    evaluate: Callable[[Sequence[PairScores]], BatchLoss],
) -> Iterator[Tensor]:
    """Yield one scalar a micro-batch, to be backpropagated before the next is asked for.

    The value of each is the whole batch's loss; its gradient is the micro-batch's own part, so
    the gradients sum to the whole's: Σᵢ ∂rᵢ/∂θ · ∂L/∂rᵢ. `read` runs a micro-batch through the
    model; all but the first run twice, the first time without a graph, both times with the same
    random numbers. `evaluate` gets every micro-batch's scores, detached.
    """
    ahead, states = [], []
    with torch.no_grad():
        for batch in batches[1:]:
            states.append(_random_state())
            ahead.append(read(batch))
    torch.clear_autocast_cache()  # it holds weights that were cast without a graph
    scores = read(batches[0])
    whole = evaluate([_detached(scores), *ahead])
    ahead.clear()
    yield _carrier(whole.loss, scores, whole.gradients[0])
    for batch, state, gradients in zip(batches[1:], states, whole.gradients[1:], strict=True):
        del scores
        with _replayed(state):
            scores = read(batch)
        yield _carrier(whole.loss, scores, gradients)


@torch.enable_grad()
def differentiate(
    objective: Objective, scores: PairScores, state: Mapping[str, Tensor]
) -> tuple[ObjectiveOutput, Gradients]:
    """Return the objective of detached scores, and its loss's gradient with respect to `LEAVES`.

    A field that the loss does not depend on (or only through a detached margin) has none.
    """
    leaves = {name: value.requires_grad_() for name, value in _leaves(_detached(scores)).items()}
    out = objective(replace(scores, **leaves), state)
    computed = torch.autograd.grad(out.loss, list(leaves.values()), allow_unused=True)
    gradients = {name: g for name, g in zip(leaves, computed, strict=True) if g is not None}
    return replace(out, loss=out.loss.detach(), per_pair=out.per_pair.detach()), gradients


def _carrier(value: Tensor, scores: PairScores, gradients: Gradients) -> Tensor:
    """Return a scalar of this value whose gradient with respect to the scores is `gradients`."""
    carried = value.new_zeros(())
    for name, gradient in gradients.items():
        score = _leaves(scores)[name][: len(gradient)]
        carried = carried + (score.to(gradient.dtype) * gradient).sum()
    return value + (carried - carried.detach())


def _detached(scores: PairScores) -> PairScores:
    return replace(scores, **{name: value.detach() for name, value in _leaves(scores).items()})


def _leaves(scores: PairScores) -> dict[str, Tensor]:
    values = {name: getattr(scores, name) for name in LEAVES}
    return {name: value for name, value in values.items() if value is not None}


# Rows of pairs over ranks


def gather_rows(
    own: Float[Tensor, "own columns"], accelerator: Accelerator
) -> tuple[Float[Tensor, "pairs columns"], int]:
    """Return the rows of all ranks in order, and the place of this rank's first one.

    Ranks may have different numbers of rows, even none.
    """
    if accelerator.num_processes == 1:
        return own, 0
    counts = accelerator.gather(torch.tensor([len(own)], device=own.device)).tolist()
    padded = own.new_zeros(max(counts), own.shape[1])
    padded[: len(own)] = own
    blocks = accelerator.gather(padded).split(max(counts))
    rows = torch.cat([block[:count] for block, count in zip(blocks, counts, strict=True)])
    return rows, sum(counts[: accelerator.process_index])


def rows_of_data(rows: int, accelerator: Accelerator) -> int:
    """Return the number of rows of this rank's newest batch that are not repeated ones.

    At the end of the data accelerate repeats rows (`even_batches`), so that every rank has a full
    batch; in the order of ranks they come last.
    """
    loader = accelerator.gradient_state
    if not loader.end_of_dataloader or loader.remainder <= 0:
        return rows
    return int(min(max(loader.remainder - accelerator.process_index * rows, 0), rows))


def to_table(scores: PairScores) -> Float[Tensor, "pairs columns"]:
    """Return all fields that are not None side by side, in float32."""
    present = [getattr(scores, f.name) for f in fields(scores)]
    columns = [v if v.ndim == 2 else v[:, None] for v in present if v is not None]
    return torch.cat([column.detach().float() for column in columns], dim=1)


def from_table(table: Float[Tensor, "pairs columns"], like: PairScores) -> PairScores:
    """Return the scores in a table that `to_table` made of the fields that `like` has."""
    named = {f.name: getattr(like, f.name) for f in fields(like)}
    widths = {n: v.shape[1] if v.ndim == 2 else 1 for n, v in named.items() if v is not None}
    parts = dict(zip(widths, table.split(list(widths.values()), dim=1), strict=True))
    return PairScores(
        **{name: part if named[name].ndim == 2 else part[:, 0] for name, part in parts.items()}
    )


# Random numbers


def _random_state() -> tuple[Tensor, Tensor | None]:
    """Return the states of torch's generators: the CPU's, and the accelerator's if any."""
    device = _device_module()
    return torch.get_rng_state(), device.get_rng_state() if device else None


def _set_random_state(state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        _device_module().set_rng_state(state[1])


@contextmanager
def _replayed(state: tuple[Tensor, Tensor | None]) -> Iterator[None]:
    """Set the generators to `state` inside, and back to their present states afterwards."""
    now = _random_state()
    _set_random_state(state)
    try:
        yield
    finally:
        _set_random_state(now)


def _device_module() -> Any:
    return torch.get_device_module() if torch.accelerator.is_available() else None
