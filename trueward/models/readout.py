"""One forward pass of a plain `*ForSequenceClassification` model, read at the right token."""

import inspect
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trueward.errors import ModelError
from trueward.models.head import backbone, head_modules, unwrap
from trueward.models.tree_attention import TreeMask
from trueward.models.trees import TreeRows, Trees

SequenceRewards = Float[Tensor, " sequences"]
SequenceHidden = Float[Tensor, "sequences hidden"]
TokenMatrix = Int[Tensor, "sequences tokens"]


@dataclass(frozen=True)
class ReadOut:
    """Rewards in logits and the hidden states that the head turned into them."""

    rewards: SequenceRewards
    hidden: SequenceHidden
    before_norm: SequenceHidden | None = None
    """The same states before the backbone's final norm, where asked for and where it has one."""


def read_out(
    model: nn.Module,
    input_ids: TokenMatrix,
    attention_mask: TokenMatrix,
    *,
    before_norm: bool = False,
) -> ReadOut:
    """Return rewards r = W·h, computed in float32, with h the head's input.

    A decoder is read at its last attended token, found from the attention mask and never from a
    token id; an encoder is read where its class pools. The hidden state is taken by a hook on the
    head during the model's own forward pass, so DDP, FSDP and PEFT wrappers stay in charge.
    """
    last = attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(1)
    rows = torch.arange(len(last))
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    return _read(model, inputs, rows, last, before_norm=before_norm)


def read_trees(model: nn.Module, trees: TreeRows, *, before_norm: bool = False) -> ReadOut:
    """Read sequences laid out as trees: the numbers of `read_out`, from fewer tokens.

    The model must have been through `attend_over_trees`, and be a decoder whose every token sees
    earlier tokens only and whose positions are given by `position_ids`.

    Raises:
        ModelError: the model does not read its score at the last token.
    """
    reads = [_read_tree(model, row, before_norm=before_norm) for row in trees.rows]
    return joined(reads, trees.back)


def _read_tree(model: nn.Module, trees: Trees, *, before_norm: bool) -> ReadOut:
    inputs = {
        "input_ids": trees.input_ids[None],
        "position_ids": trees.position_ids[None],
        # four dimensions say that the mask is made; what is seen is in `trees`
        "attention_mask": trees.input_ids.new_ones(1, 1, 1, 1, dtype=torch.bool),
        "trees": TreeMask(trees),
    }
    first_row = torch.zeros_like(trees.read_at)
    read = _read(model, inputs, first_row, trees.read_at, before_norm=before_norm)
    if len(read.rewards) != len(trees.read_at):
        raise ModelError("it reads its score elsewhere than at the last token")
    return read


def read_chunks(
    model: nn.Module,
    input_ids: TokenMatrix,
    attention_mask: TokenMatrix,
    chunks: Sequence[Sequence[int]],
) -> ReadOut:
    """Read rows padded on the right chunk by chunk, each as wide as its longest row."""
    reads: list[ReadOut] = []
    for rows in chunks:
        mask = attention_mask[list(rows)]
        width = int(mask.sum(dim=1).max())
        reads.append(read_out(model, input_ids[list(rows), :width], mask[:, :width]))
    back = torch.argsort(torch.tensor([i for rows in chunks for i in rows])).to(input_ids.device)
    return joined(reads, back)


def joined(reads: Sequence[ReadOut], back: Tensor) -> ReadOut:
    """Return several read-outs as one, in the order that `back` takes their rows."""
    earlier = [read.before_norm for read in reads if read.before_norm is not None]
    return ReadOut(
        torch.cat([read.rewards for read in reads])[back],
        torch.cat([read.hidden for read in reads])[back],
        torch.cat(earlier)[back] if earlier else None,
    )


def _read(
    model: nn.Module, inputs: dict[str, Any], rows: Tensor, places: Tensor, *, before_norm: bool
) -> ReadOut:
    taken: dict[str, Tensor] = {}

    def at_head(module: Any, args: tuple[Any, ...], _output: object) -> None:
        taken["head_input"] = args[0]
        hidden = _pick(args[0], rows, places)
        with torch.autocast(hidden.device.type, enabled=False):
            bias = None if module.bias is None else module.bias.float()
            reward = nn.functional.linear(hidden.float(), module.weight.float(), bias)
        taken["hidden"], taken["reward"] = hidden, reward.squeeze(-1)

    def at_norm(_module: nn.Module, args: tuple[Any, ...]) -> None:
        taken["norm_input"] = args[0]

    with ExitStack() as hooks:
        for head in head_modules(model):
            hooks.callback(head.register_forward_hook(at_head).remove)
        norm = _final_norm(model) if before_norm else None
        if norm is not None:
            hooks.callback(norm.register_forward_pre_hook(at_norm).remove)
        takes_cache = "use_cache" in inspect.signature(unwrap(model).forward).parameters
        model(**inputs, **({"use_cache": False} if takes_cache else {}))
    at_token = norm is not None and taken["head_input"].dim() == 3
    earlier = _pick(taken["norm_input"], rows, places) if at_token else None
    return ReadOut(taken["reward"], taken["hidden"], earlier)


def _final_norm(model: nn.Module) -> nn.Module | None:
    """Return the norm that ends a pre-norm backbone (`norm`, `ln_f`, …), if it has one."""
    norms = [c for c in backbone(model).children() if "norm" in type(c).__name__.lower()]
    return norms[-1] if norms else None


def _pick(hidden: Tensor, rows: Tensor, places: Tensor) -> Tensor:
    if hidden.dim() == 2:
        return hidden
    return hidden[rows.to(hidden.device), places.to(hidden.device)]


TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2
"""Largest relative difference between hidden states of two layouts, in 32 and in 16 bits."""


def difference(plain: ReadOut, other: ReadOut, *, half: bool) -> str | None:
    """Return in words how two read-outs of one batch differ too much, or None.

    `half`: some of the computation is in 16 bits.
    """
    if plain.hidden.shape != other.hidden.shape:
        return "it reads the score elsewhere"
    before, after = plain.hidden.float(), other.hidden.float()
    error = float(((after - before).norm(dim=-1) / before.norm(dim=-1)).max())
    limit = HALF_TOLERANCE if half or plain.hidden.dtype.itemsize == 2 else TOLERANCE
    return None if error <= limit else f"hidden states differ by {error:.2g} (limit {limit:g})"
