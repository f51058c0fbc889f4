"""Attention over trees: the model's own function block by block, or FlexAttention at once."""

import inspect
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.attention.flex_attention import BlockMask
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.flex_attention import flex_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from trueward.errors import ModelError
from trueward.models.head import unwrap
from trueward.models.trees import Block, Run, Trees

SUFFIX = "_over_trees"
BASES = ("sdpa", "eager")
Attention: TypeAlias = Callable[..., tuple[Tensor, Tensor | None]]
TILE = 128
"""Queries and keys of one tile of FlexAttention."""


class TreeMask:
    """Masks for a row of trees, of all that each token sees; made once, used by every layer."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self._masks: dict[tuple[int | None, torch.dtype], list[Tensor]] = {}
        self._block_masks: dict[int | None, BlockMask] = {}

    @property
    def on_accelerator(self) -> bool:
        """True if the trees lie on a device that FlexAttention can be compiled for."""
        return self.trees.input_ids.is_cuda

    def masks(self, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        """Return for each block a mask (1, 1, queries, keys): 0 where seen, else the lowest."""
        if (window, dtype) not in self._masks:
            made = [self._mask(block, window, dtype) for block in self.trees.blocks]
            self._masks[window, dtype] = made
        return self._masks[window, dtype]

    def _mask(self, block: Block, window: int | None, dtype: torch.dtype) -> Tensor:
        trees = self.trees
        place = torch.arange(len(trees.input_ids), device=trees.input_ids.device)
        query = place[block.start : block.stop, None]
        key = torch.cat([place[start:stop] for start, stop in block.keys])
        hidden = (key > query) | (query >= trees.seen_until[key])
        if window is not None:
            depth = trees.position_ids
            hidden |= depth[block.start : block.stop, None] - depth[key] >= window
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return mask.masked_fill_(hidden, torch.finfo(dtype).min)[None, None]

    def block_mask(self, window: int | None) -> BlockMask:
        """Return the tiles that FlexAttention must visit, with the rule inside a tile."""
        if window not in self._block_masks:
            until, depth = self.trees.seen_until, self.trees.position_ids
            reach = len(until) if window is None else window
            count, order = _sorted_tiles(until)
            self._block_masks[window] = BlockMask.from_kv_blocks(
                count[None, None],
                order[None, None],
                BLOCK_SIZE=TILE,
                # a lambda, since what is compiled must not be wrapped by run-time type checks
                mask_mod=lambda _b, _h, q, k: (
                    (q >= k) & (q < until[k]) & (depth[q] - depth[k] < reach)
                ),
                seq_lengths=(len(until), len(until)),
            )
        return self._block_masks[window]


def _sorted_tiles(
    until: Int[Tensor, " tokens"],
) -> tuple[Int[Tensor, " tiles"], Int[Tensor, "tiles tiles"]]:
    """Return for each tile of queries the number of key tiles it may see, and all, those first."""
    number = -(-len(until) // TILE)
    padded = torch.nn.functional.pad(until, (0, number * TILE - len(until)))
    last_seen = padded.reshape(number, TILE).amax(dim=1)
    tile = torch.arange(number, device=until.device)
    seen = (tile[:, None] >= tile) & (tile[:, None] * TILE < last_seen)
    order = torch.argsort(~seen, dim=1, stable=True).to(torch.int32)
    return seen.sum(dim=1, dtype=torch.int32), order


def attend_over_trees(model: nn.Module) -> None:
    """Let the model's attention take a `trees` argument; without one it stays as it is.

    On a CUDA device trees go through FlexAttention, elsewhere (and with attention dropout) block
    by block through the function that the model has.

    Raises:
        ModelError: the attention implementation is not one that can be applied block by block, or
            tokens see each other otherwise too, as in a state-space layer.
    """
    plain = unwrap(model)
    base = str(plain.config._attn_implementation)
    if base.endswith(SUFFIX):
        return
    if base not in BASES:
        raise ModelError(f"attention {base!r} cannot be applied to trees; use {' or '.join(BASES)}")
    if not getattr(plain, "_supports_attention_backend", False):
        raise ModelError(f"{type(plain).__name__} has attention code of its own")
    takes = inspect.signature(plain.forward).parameters
    passes_on = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values())
    if "position_ids" not in takes or not passes_on:
        raise ModelError(f"{type(plain).__name__} takes no positions, or no further arguments")
    causal = [module.is_causal for module in plain.modules() if hasattr(module, "is_causal")]
    if causal and not any(causal):
        raise ModelError(f"{type(plain).__name__} lets tokens see later ones")
    if any(isinstance(module, nn.Conv1d) for module in plain.modules()):
        raise ModelError(f"{type(plain).__name__} mixes neighbours outside its attention")
    name = base + SUFFIX
    AttentionInterface.register(name, partial(_attend, base))
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[base])
    plain.set_attn_implementation(name)


def attend_plainly(model: nn.Module) -> None:
    """Undo `attend_over_trees`: some classes ask for the name of their attention."""
    plain = unwrap(model)
    name = str(plain.config._attn_implementation)
    if name.endswith(SUFFIX):
        plain.set_attn_implementation(name.removesuffix(SUFFIX))


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
    # eager attention lives beside the code of the model's class
    eager = base == "eager" and sys.modules[type(module).__module__].eager_attention_forward
    attention: Attention = eager or ALL_ATTENTION_FUNCTIONS[base]
    if trees is None:
        return attention(module, query, key, value, attention_mask, **kwargs)
    if trees.on_accelerator and not kwargs.get("dropout"):
        block_mask = trees.block_mask(kwargs.get("sliding_window"))
        at_once: Attention = flex_attention_forward
        return at_once(module, query, key, value, block_mask, **kwargs)
    blocks = trees.trees.blocks
    masks = trees.masks(kwargs.get("sliding_window"), query.dtype)
    own = tuple(((block.start, block.stop),) for block in blocks)
    seen = tuple(block.keys for block in blocks)
    cut: Callable[..., tuple[Tensor, ...]] = _Runs.apply
    parts = zip(cut(query, own), cut(key, seen), cut(value, seen), masks, strict=True)
    return torch.cat([attention(module, *part, **kwargs)[0] for part in parts], dim=1), None


class _Runs(torch.autograd.Function):
    """Pieces of a row (batch, heads, tokens, width), each some runs of tokens; no copy for one run.

    Written out because slicing's own gradient fills a whole row with zeros for every slice.
    """

    @staticmethod
    def forward(ctx: Any, row: Tensor, pieces: tuple[tuple[Run, ...], ...]) -> tuple[Tensor, ...]:
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
            parts = gradient.split_with_sizes([stop - start for start, stop in runs], dim=2)
            for part, (start, stop) in zip(parts, runs, strict=True):
                total[:, :, start:stop] += part
        return total, None
