"""An optimiser step: its micro-batches, on all ranks, count as one batch of pairs.

Where the terms of an objective are of one pair each, every micro-batch has a known share in the
step (`SharedStep`). Where pairs interact, the loss is differentiated with respect to the scores of
the whole step, and a second pass of each micro-batch carries those gradients into the model, so
that only one micro-batch's graph is in memory at a time (`ExactStep`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from trueward.objectives import Objective
from trueward.training.batch import PairBatch, pair_columns, passes_of, places
from trueward.types import ObjectiveOutput, PairScores

Batch = TypeVar("Batch")
Gradients = Mapping[str, Tensor]
LEAVES = ("chosen", "rejected", "foreign", "chosen_hidden", "rejected_hidden")
"""Fields of `PairScores` that come from the model."""


@dataclass(frozen=True)
class Part:
    """Pairs of a step that go through the model together."""

    batch: PairBatch
    kept: list[int] | None
    """The pairs that count, by their places; None for all."""


def parts_of(batches: Sequence[PairBatch], accelerator: Accelerator) -> list[Part]:
    """Return the passes of a step's micro-batches, less the rows repeated at the data's end."""
    parts = []
    for number, batch in enumerate(batches):
        limit = len(places(batch))
        if number == len(batches) - 1:
            limit = rows_of_data(limit, accelerator)
        for one in passes_of(batch):
            kept = [i for i, place in enumerate(places(one)) if place < limit]
            parts.append(Part(one, None if len(kept) == len(places(one)) else kept))
    return parts


@dataclass(frozen=True)
class BatchLoss:
    """The loss of an effective batch, and its gradients with respect to the scores."""

    loss: Tensor
    gradients: Sequence[Gradients]
    """One a micro-batch."""


@dataclass(frozen=True)
class Step(ABC):
    """The losses of a step's parts, whose gradients add up to that of the whole step."""

    read: Callable[[PairBatch], PairScores]
    """The model's scores of a batch."""
    objective: Objective
    state: Mapping[str, Tensor]
    accelerator: Accelerator
    averaged: int
    """Micro-batches, over which the trainer averages as it does over ranks."""
    finish: Callable[[Sequence[ObjectiveOutput], Tensor], None]
    """Takes the objective's outputs, detached, and the `pair_columns` of all pairs of the step."""

    @abstractmethod
    def losses(self, parts: Sequence[Part]) -> Iterator[Tensor]:
        """Yield a scalar a part, to be backpropagated before the next is asked for."""

    @property
    def scale(self) -> int:
        """What undoes the trainer's averages."""
        return self.averaged * int(self.accelerator.num_processes)


class SharedStep(Step):
    """A step whose objective is a mean over pairs, or sees each part alone where it is none.

    With k for what the trainer divides by, n pairs and weights w, part p has the loss

        k · (Σ_p w / Σ w) · preference_p  +  k · (n_p / n) · penalties_p
    """

    def losses(self, parts: Sequence[Part]) -> Iterator[Tensor]:
        """Yield the losses of the parts, each read once."""
        alone = len(parts) * self.accelerator.num_processes == 1
        shares = [None] if alone else self._shares(parts)
        state, outs, rows = self.state, [], []
        for number, (part, share) in enumerate(zip(parts, shares, strict=True)):
            scores = _taken(self.read(part.batch), part.kept)
            rows.append(pair_columns(scores))
            if len(scores.chosen):
                out = self.objective(scores, state)
                loss = out.loss
                if share is not None:
                    pairs, weight = share
                    loss = weight * out.preference + pairs * (out.loss - out.preference)
                state = out.state
                outs.append(_without_graph(out))
                del out
            else:
                loss = sum((leaf.sum() for leaf in _leaves(scores).values()), torch.zeros(()))
            del scores
            if number == len(parts) - 1:
                self.finish(outs, gather_rows(torch.cat(rows), self.accelerator)[0])
            yield loss

    def _shares(self, parts: Sequence[Part]) -> list[tuple[Tensor, Tensor]]:
        """Return k·n_p/n and k·Σ_p w / Σ w of each part."""
        sums = torch.stack([_sums(part) for part in parts])
        total = self.accelerator.gather(sums.sum(dim=0, keepdim=True)).sum(dim=0)
        shares = self.scale * sums / total.clamp_min(torch.finfo(total.dtype).tiny)
        return [(share[0], share[1]) for share in shares]


def _sums(part: Part) -> Float[Tensor, " 2"]:
    """Return the number of pairs that count, and the sum of their weights."""
    device = part.batch["input_ids"].device
    kept = slice(None) if part.kept is None else part.kept
    weight = part.batch.get("weight", torch.ones(len(places(part.batch)), device=device))[kept]
    return torch.stack([weight.new_tensor(len(weight)), weight.sum()])


class ExactStep(Step):
    """A step whose pairs, of all its parts and on all ranks, are one batch to the objective."""

    def losses(self, parts: Sequence[Part]) -> Iterator[Tensor]:
        """Yield `micro_losses`."""
        yield from micro_losses(
            [part.batch for part in parts], self.read, lambda scores: self._evaluate(parts, scores)
        )

    def _evaluate(self, parts: Sequence[Part], scores: Sequence[PairScores]) -> BatchLoss:
        kept = [_taken(s, part.kept) for s, part in zip(scores, parts, strict=True)]
        like = self._needed(kept[0])
        tables = [torch.cat([pair_columns(s), to_table(self._needed(s))], dim=1) for s in kept]
        rows, start = gather_rows(torch.cat(tables), self.accelerator)
        logged = pair_columns(kept[0]).shape[1]
        out, gradients = differentiate(
            self.objective, from_table(rows[:, logged:], like), self.state
        )
        self.finish([out], rows[:, :logged])
        own = []
        for part, table in zip(parts, tables, strict=True):
            cut = {name: g[start : start + len(table)] for name, g in gradients.items()}
            own.append({name: self.scale * _spread(g, part) for name, g in cut.items()})
            start += len(table)
        return BatchLoss(out.loss * (self.averaged / len(parts)), own)

    def _needed(self, scores: PairScores) -> PairScores:
        if "hidden" in self.objective.needs:
            return scores
        return replace(scores, chosen_hidden=None, rejected_hidden=None)


def _taken(scores: PairScores, kept: list[int] | None) -> PairScores:
    if kept is None:
        return scores
    named = {f.name: getattr(scores, f.name) for f in fields(scores)}
    there: dict[str, Any] = {n: v[kept] for n, v in named.items() if v is not None}
    return PairScores(**there)


def _spread(gradient: Tensor, part: Part) -> Tensor:
    """Return the gradient of the pairs that count among zeros for the others."""
    if part.kept is None:
        return gradient
    whole = gradient.new_zeros(len(places(part.batch)), *gradient.shape[1:])
    whole[part.kept] = gradient
    return whole


def _without_graph(out: ObjectiveOutput) -> ObjectiveOutput:
    return replace(
        out,
        loss=out.loss.detach(),
        per_pair=out.per_pair.detach(),
        preference=out.preference.detach(),
    )


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
    return _without_graph(out), gradients


def _carrier(value: Tensor, scores: PairScores, gradients: Gradients) -> Tensor:
    """Return a scalar of this value whose gradient with respect to the scores is `gradients`."""
    carried = value.new_zeros(())
    for name, gradient in gradients.items():
        score = _leaves(scores)[name]
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
