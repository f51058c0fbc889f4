"""Attention over trees: the model's own function block by block, or FlexAttention at once."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from trueward.errors import ModelError
from trueward.models.head import unwrap
from trueward.models.packing.masks import TreeMask

SUFFIX = "_over_trees"
BASES = ("sdpa", "eager")


def attend_over_trees(model: nn.Module) -> None:
    """Let the model's attention take a `trees` argument; without one it stays as it is.

    On a CUDA device trees go through FlexAttention, elsewhere (and with attention dropout) block
    by block through the function that the model has.

    Raises:
        ModelError: the attention implementation is not one that can be applied block by block.
    """
    plain = unwrap(model)
    base = str(plain.config._attn_implementation)
    if base.endswith(SUFFIX):
        return
    if base not in BASES:
        raise ModelError(f"attention {base!r} cannot be applied to trees; use {' or '.join(BASES)}")
    name = base + SUFFIX
    AttentionInterface.register(name, partial(_attend, base))
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[base])
    plain.set_attn_implementation(name)


def _attend(
    base: str,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    trees: TreeMask | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    attention = _function(base, module)
    if trees is None:
        return attention(module, query, key, value, attention_mask, **kwargs)
    if trees.on_accelerator and not kwargs.get("dropout"):
        block_mask = trees.block_mask(kwargs.get("sliding_window"))
        return flex_attention_forward(module, query, key, value, block_mask, **kwargs)
    blocks = trees.trees.blocks
    masks = trees.masks(kwargs.get("sliding_window"), query.dtype)
    own = tuple(((block.start, block.stop),) for block in blocks)
    seen = tuple(block.keys for block in blocks)
    parts = zip(
        _Runs.apply(query, own), _Runs.apply(key, seen), _Runs.apply(value, seen), masks,
        strict=True,
    )  # fmt: skip
    return torch.cat([attention(module, *part, **kwargs)[0] for part in parts], dim=1), None


def _function(base: str, module: nn.Module) -> Callable[..., Any]:
    """What the model would have called: eager attention lives beside the model's own code."""
    if base == "eager":
        return sys.modules[type(module).__module__].eager_attention_forward
    return ALL_ATTENTION_FUNCTIONS[base]


class _Runs(torch.autograd.Function):
    """Pieces of a row (batch, heads, tokens, width), each some runs of tokens; no copy for one run.

    Written out because slicing's own gradient fills a whole row with zeros for every slice.
    """

    @staticmethod
    def forward(
        ctx: Any, row: Tensor, pieces: tuple[tuple[tuple[int, int], ...], ...]
    ) -> tuple[Tensor, ...]:
        ctx.pieces, ctx.like = pieces, row.shape
        cut = ([row[:, :, start:stop] for start, stop in runs] for runs in pieces)
        return tuple(runs[0] if len(runs) == 1 else torch.cat(runs, dim=2) for runs in cut)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        batch, heads, tokens, width = ctx.like
        # laid out as the model's projections are, (batch, tokens, heads, width), to spare a copy
        total = gradients[0].new_zeros(batch, tokens, heads, width).transpose(1, 2)
        for gradient, runs in zip(gradients, ctx.pieces, strict=True):
            lengths = [stop - start for start, stop in runs]
            for part, (start, stop) in zip(gradient.split(lengths, dim=2), runs, strict=True):
                total[:, :, start:stop] += part
        return total, None
