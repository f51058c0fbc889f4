"""Many sequences through one reward model, in batches of a token budget."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from trueward.models.padding import length_batches, pad_right
from trueward.models.readout import ReadOut, difference, joined, read_out, read_trees
from trueward.models.tree_attention import attend_over_trees
from trueward.models.trees import plan_rows, tree_batches

CPU_TOKENS = 1024
"""Of padded rows in a batch on a CPU: more only adds padding, and memory that is mapped anew."""
PROVEN_ON = 3
"""Sequences on which the two layouts are compared, the longest among them."""


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
) -> ReadOut:
    """Return rewards of token-id sequences, without gradient, in float32 on the CPU.

    With `states` hidden states come too, as read by the head and before the final norm; without,
    the hidden states have no columns.

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
    order = [i for batch in batches for i in batch]
    return joined(reads, torch.argsort(torch.tensor(order, dtype=torch.long)))


@torch.no_grad()
def settle_layout(
    model: nn.Module, sequences: Sequence[Sequence[int]], groups: Sequence[int], pad_token_id: int
) -> str:
    """Return "tree" if that layout gives this model the scores of padded rows, else "padded"."""
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
