"""What each token of a row of trees sees, in the two forms that attention functions take."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from trueward.models.packing.blocks import Block
from trueward.models.packing.trees import Trees

TILE = 128
"""Queries and keys of one tile of FlexAttention."""


class TreeMask:
    """What each block's queries see, as additive masks; made once, used by every layer."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self._masks: dict[tuple[int | None, torch.dtype], list[Tensor]] = {}
        self._block_masks: dict[int | None, BlockMask] = {}

    @property
    def on_accelerator(self) -> bool:
        """Whether the trees lie where FlexAttention can be compiled for training."""
        return self.trees.input_ids.is_cuda

    def masks(self, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        """One mask (1, 1, queries, keys) a block: 0 where seen, the lowest number elsewhere."""
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
        """The tiles that FlexAttention must visit, with the rule inside a tile."""
        if window not in self._block_masks:
            self._block_masks[window] = self._tiled(window)
        return self._block_masks[window]

    def _tiled(self, window: int | None) -> BlockMask:
        until, depth = self.trees.seen_until, self.trees.position_ids

        reach = len(until) if window is None else window
        # a lambda, since what is compiled must not be wrapped by run-time type checks
        seen = lambda _b, _h, q, k: (q >= k) & (q < until[k]) & (depth[q] - depth[k] < reach)  # noqa: E731
        count, order = _sorted_tiles(_tiles(until))
        return BlockMask.from_kv_blocks(
            count[None, None],
            order[None, None],
            BLOCK_SIZE=TILE,
            mask_mod=seen,
            seq_lengths=(len(until), len(until)),
        )


def _tiles(until: Int[Tensor, " tokens"]) -> Bool[Tensor, "tiles tiles"]:
    """Whether some query of a row's tile may see some key of a column's tile."""
    number = -(-len(until) // TILE)
    padded = torch.nn.functional.pad(until, (0, number * TILE - len(until)))
    last_seen = padded.reshape(number, TILE).amax(dim=1)
    tile = torch.arange(number, device=until.device)
    return (tile[:, None] >= tile) & (tile[:, None] * TILE < last_seen)


def _sorted_tiles(
    tiles: Bool[Tensor, "tiles tiles"],
) -> tuple[Int[Tensor, " tiles"], Int[Tensor, "tiles tiles"]]:
    """How many tiles each row visits, and which: those first."""
    order = torch.argsort(~tiles, dim=1, stable=True).to(torch.int32)
    return tiles.sum(dim=1, dtype=torch.int32), order
