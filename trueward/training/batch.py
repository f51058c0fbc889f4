"""What one batch of read-outs says: scores for the objective, numbers for the log."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trueward.models import ReadOut, head_norm
from trueward.types import PairScores


def pair_scores(read: ReadOut, inputs: Mapping[str, Tensor], *, foreign: bool) -> PairScores:
    """Split a read-out of [chosen; rejected] or [chosen; rejected; foreign] rows into pairs."""
    rewards = read.rewards.chunk(3 if foreign else 2)
    hidden = read.hidden.chunk(3 if foreign else 2)
    return PairScores(
        chosen=rewards[0],
        rejected=rewards[1],
        chosen_hidden=hidden[0],
        rejected_hidden=hidden[1],
        foreign=rewards[2] if foreign else None,
        margin=inputs.get("margin"),
        target=inputs.get("target"),
        weight=inputs.get("weight"),
    )


@torch.no_grad()
def pair_columns(scores: PairScores) -> Float[Tensor, "pairs columns"]:
    """What the log wants of each pair: r⁺, r⁻ and, with hidden states, ‖h⁺‖, ‖h⁻‖, ‖h⁺ − h⁻‖."""
    columns = [scores.chosen, scores.rejected]
    if scores.chosen_hidden is not None and scores.rejected_hidden is not None:
        up, down = scores.chosen_hidden.float(), scores.rejected_hidden.float()
        columns += [up.norm(dim=-1), down.norm(dim=-1), (up - down).norm(dim=-1)]
    return torch.stack(columns, dim=1)


@torch.no_grad()
def batch_metrics(table: Float[Tensor, "pairs columns"], model: nn.Module) -> dict[str, Tensor]:
    """TRL's reward metrics and the norms, one value a pair or one a batch, from `pair_columns`.

    `hidden_norm` is ‖h‖ over chosen and rejected, `difference_norm` is ‖h⁺ − h⁻‖, `head_norm` ‖W‖.
    """
    chosen, rejected = table[:, 0], table[:, 1]
    rewards = table[:, :2]
    metrics = {
        "min_reward": rewards.min().reshape(1),
        "mean_reward": rewards.mean(dim=1),
        "max_reward": rewards.max().reshape(1),
        "accuracy": (chosen > rejected).float(),
        "margin": chosen - rejected,
        "head_norm": head_norm(model).reshape(1),
    }
    if table.shape[1] > 2:
        norms = table[:, 2:4]
        metrics["hidden_norm"] = norms.mean(dim=1)
        metrics["hidden_norm_std"] = norms.std(correction=0).reshape(1)
        metrics["difference_norm"] = table[:, 4]
    return metrics
