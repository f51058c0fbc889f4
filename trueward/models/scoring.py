"""Many sequences through one reward model, in batches of a token budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trueward.models.readout import read_out


@dataclass(frozen=True)
class Scored:
    """One row a sequence, in the order given, in float32 on the CPU."""

    rewards: Float[Tensor, " sequences"]
    hidden: Float[Tensor, "sequences hidden"]
    before_norm: Float[Tensor, "sequences hidden"] | None


def score_sequences(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    *,
    pad_token_id: int,
    batch_tokens: int = 4096,
    before_norm: bool = False,
) -> Scored:
    """Rewards and hidden states of token-id sequences, without gradient.

    Sequences are sorted by length and batched so that a padded batch holds at most
    `batch_tokens` tokens (a longer sequence goes alone).
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    rewards: list[Tensor] = []
    hidden: list[Tensor] = []
    earlier: list[Tensor] = []
    batches = length_batches([len(s) for s in sequences], batch_tokens)
    with torch.no_grad():
        for batch in batches:
            ids, mask = pad_right([sequences[i] for i in batch], pad_token_id)
            out = read_out(model, ids.to(device), mask.to(device), before_norm=before_norm)
            rewards.append(out.rewards.cpu())
            hidden.append(out.hidden.float().cpu())
            if out.before_norm is not None:
                earlier.append(out.before_norm.float().cpu())
    model.train(was_training)
    back = torch.argsort(torch.tensor([i for batch in batches for i in batch], dtype=torch.long))
    return Scored(
        torch.cat(rewards)[back],
        torch.cat(hidden)[back],
        torch.cat(earlier)[back] if earlier else None,
    )


def length_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices sorted by length, cut where width times rows would pass the budget."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        widest = lengths[batches[-1][0]] if batches else 0
        if batches and (len(batches[-1]) + 1) * widest <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def pad_right(
    sequences: Sequence[Sequence[int]], pad_token_id: int, multiple: int = 1
) -> tuple[Int[Tensor, "sequences tokens"], Int[Tensor, "sequences tokens"]]:
    """Token ids and mask, padded on the right to the longest, rounded up to a multiple."""
    width = -(-max(len(s) for s in sequences) // multiple) * multiple
    ids = torch.full((len(sequences), width), pad_token_id, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(list(sequence), dtype=torch.long)
        mask[row, : len(sequence)] = 1
    return ids, mask
