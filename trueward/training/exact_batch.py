"""The exact effective batch: one objective over every micro-batch of a step and every rank.

The loss is differentiated with respect to the scores, and a second pass of each micro-batch
carries those gradients into the model, so that one micro-batch's graph is alive at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from trueward.objectives import Objective
from trueward.training.random_state import random_state, replayed
from trueward.types import ObjectiveOutput, PairScores

Batch = TypeVar("Batch")
Gradients = Mapping[str, Tensor]
LEAVES = ("chosen", "rejected", "foreign", "chosen_hidden", "rejected_hidden")
"""Fields of `PairScores` that come from the model."""


@dataclass(frozen=True)
class Whole:
    """The loss of an effective batch, and its gradients with respect to each micro-batch's scores.

    A gradient may have fewer rows than its micro-batch: the rows after them do not count.
    """

    loss: Tensor
    gradients: Sequence[Gradients]


def micro_losses(
    batches: Sequence[Batch],
    read: Callable[[Batch], PairScores],
    evaluate: Callable[[Sequence[PairScores]], Whole],
) -> Iterator[Tensor]:
    """One scalar a micro-batch, to be backpropagated before the next is asked for.

    The value of each is the whole batch's loss; its gradient is the micro-batch's own part, so
    the gradients sum to the whole's: Σᵢ ∂rᵢ/∂θ · ∂L/∂rᵢ. `read` runs a micro-batch through the
    model; all but the first run twice, the first time without a graph, both times with the same
    random numbers. `evaluate` gets every micro-batch's scores, detached.
    """
    ahead, states = [], []
    with torch.no_grad():
        for batch in batches[1:]:
            states.append(random_state())
            ahead.append(read(batch))
    torch.clear_autocast_cache()  # weights cast without a graph would be taken again with one
    scores = read(batches[0])
    whole = evaluate([detached(scores), *ahead])
    ahead.clear()
    yield carrier(whole.loss, scores, whole.gradients[0])
    for batch, state, gradients in zip(batches[1:], states, whole.gradients[1:], strict=True):
        del scores
        with replayed(state):
            scores = read(batch)
        yield carrier(whole.loss, scores, gradients)


@torch.enable_grad()
def differentiate(
    objective: Objective, scores: PairScores, state: Mapping[str, Tensor]
) -> tuple[ObjectiveOutput, Gradients]:
    """The objective of detached scores, and its loss's gradient with respect to each of `LEAVES`.

    A field that the loss does not depend on (or only through a detached margin) has none.
    """
    leaves = {name: value.requires_grad_() for name, value in _leaves(detached(scores)).items()}
    out = objective(replace(scores, **leaves), state)
    found = torch.autograd.grad(out.loss, list(leaves.values()), allow_unused=True)
    gradients = {name: g for name, g in zip(leaves, found, strict=True) if g is not None}
    return replace(out, loss=out.loss.detach(), per_pair=out.per_pair.detach()), gradients


def carrier(value: Tensor, scores: PairScores, gradients: Gradients) -> Tensor:
    """A scalar of this value whose gradient with respect to the scores is `gradients`."""
    carried = value.new_zeros(())
    for name, gradient in gradients.items():
        score = _leaves(scores)[name][: len(gradient)]
        carried = carried + (score.to(gradient.dtype) * gradient).sum()
    return value + (carried - carried.detach())


def detached(scores: PairScores) -> PairScores:
    """The same scores without their graph."""
    return replace(scores, **{name: value.detach() for name, value in _leaves(scores).items()})


def _leaves(scores: PairScores) -> dict[str, Tensor]:
    values = {name: getattr(scores, name) for name in LEAVES}
    return {name: value for name, value in values.items() if value is not None}
