"""Many sequences through one reward model, in batches of a token budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trueward.models.batching import length_batches, pad_right, tree_batches
from trueward.models.packing import attend_over_trees, plan_rows
from trueward.models.proof import difference
from trueward.models.readout import ReadOut, read_out, read_trees

CPU_TOKENS = 1024
"""Of padded rows in a batch on a CPU: more only adds padding, and memory that is mapped anew."""
PROVEN_ON = 3
"""Sequences on which the two layouts are compared, the longest among them."""


@dataclass(frozen=True)
class Scored:
    """One row a sequence, in the order given, in float32 on the CPU."""

    rewards: Float[Tensor, " sequences"]
    hidden: Float[Tensor, "sequences hidden"]
    """What the head read; without `states`, no columns."""
    before_norm: Float[Tensor, "sequences hidden"] | None


def score_sequences(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    *,
    pad_token_id: int,
    groups: Sequence[int] | None = None,
    batch_tokens: int = 4096,
    states: bool = False,
    layout: str | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> Scored:
    """Rewards of token-id sequences, without gradient; with `states`, hidden states too.

    Sequences of one group share what they have in common at their start: it is computed once.
    `layout` is "tree" (no padding) or "padded" (sorted by length); without it `settle_layout`
    chooses. A batch holds at most `batch_tokens` tokens; a longer sequence goes alone. `advance`
    is told the number of sequences after each batch.
    """
    was_training = model.training
    model.eval()
    groups = range(len(sequences)) if groups is None else groups
    with torch.no_grad():
        if layout is None:
            layout = settle_layout(model, sequences, groups, pad_token_id)
        batches: list[list[int]] = []
        reads: list[ReadOut] = []
        cut = tree_batches if layout == "tree" else length_batches
        if layout == "padded" and next(model.parameters()).device.type == "cpu":
            batch_tokens = min(batch_tokens, CPU_TOKENS)
        for batch in cut(sequences, groups, batch_tokens):
            rows = [sequences[i] for i in batch]
            of = [groups[i] for i in batch]
            reads.append(_on_cpu(_read(model, layout, rows, of, pad_token_id, states), states))
            batches.append(batch)
            advance(len(batch))
    model.train(was_training)
    return _in_order(batches, reads)


@torch.no_grad()
def settle_layout(
    model: nn.Module, sequences: Sequence[Sequence[int]], groups: Sequence[int], pad_token_id: int
) -> str:
    """The layout "tree" if it gives the scores of padded rows with this model, else "padded"."""
    longest = max(range(len(sequences)), key=lambda i: len(sequences[i]))
    mates = [i for i in range(len(sequences)) if groups[i] == groups[longest] and i != longest]
    some = [longest, *mates, *range(len(sequences))][:PROVEN_ON]
    rows, of = [sequences[i] for i in some], [groups[i] for i in some]
    plain = _read(model, "padded", rows, of, pad_token_id, False)
    half = next(model.parameters()).dtype.itemsize == 2
    try:
        trees = _read(model, "tree", rows, of, pad_token_id, False)
    except Exception:  # noqa: BLE001 (whatever a foreign model's code raises)
        return "padded"
    return "padded" if difference(plain, trees, half=half) else "tree"


def _read(
    model: nn.Module,
    layout: str,
    rows: Sequence[Sequence[int]],
    groups: Sequence[int],
    pad_token_id: int,
    before_norm: bool,
) -> ReadOut:
    device = next(model.parameters()).device
    if layout == "tree":
        attend_over_trees(model)
        return read_trees(model, plan_rows(rows, groups).to(device), before_norm=before_norm)
    ids, mask = pad_right(rows, pad_token_id)
    return read_out(model, ids.to(device), mask.to(device), before_norm=before_norm)


def _on_cpu(read: ReadOut, states: bool) -> ReadOut:
    if not states:
        return ReadOut(read.rewards.cpu(), torch.empty(len(read.rewards), 0), None)
    earlier = None if read.before_norm is None else read.before_norm.float().cpu()
    return ReadOut(read.rewards.cpu(), read.hidden.float().cpu(), earlier)


def _in_order(batches: Sequence[Sequence[int]], reads: Sequence[ReadOut]) -> Scored:
    back = torch.argsort(torch.tensor([i for batch in batches for i in batch], dtype=torch.long))
    earlier = [read.before_norm for read in reads if read.before_norm is not None]
    return Scored(
        torch.cat([read.rewards for read in reads])[back],
        torch.cat([read.hidden for read in reads])[back],
        torch.cat(earlier)[back] if earlier else None,
    )
