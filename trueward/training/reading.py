"""How a training batch goes through the model: the cheapest layout that gives the same scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import trl
from torch import nn

from trueward.errors import ModelError
from trueward.models import (
    ReadOut,
    attend_over_trees,
    difference,
    length_chunks,
    read_chunks,
    read_out,
    read_trees,
)

LAYOUTS = {"auto": ("tree", "chunk"), "tree": ("tree", "chunk"), "chunk": ("chunk",), "off": ()}
"""What `packing` tries, in this order, before the plain padded batch."""
CHUNKS = 16
ROW_TOKENS = 2048
SHARED_CHUNKS = 4
"""With several ranks all must make the same number of passes, so that collectives meet."""


def row_tokens(args: trl.RewardConfig) -> int | None:
    """Tokens of a forward pass over trees: on a CPU few enough to stay in its caches.

    With several ranks, and on an accelerator, the whole batch: one pass.
    """
    return ROW_TOKENS if args.device.type == "cpu" and args.world_size == 1 else None


@dataclass
class BatchReader:
    """Rewards and hidden states of a batch, without the padding where that is proven the same.

    Before its first batch it compares layouts with the plain padded one, on that batch and on the
    longest pair, without gradient or dropout, and settles for the first that agrees.
    """

    packing: str
    longest: Mapping[str, Any] | None
    """The longest pair as a batch of its own; None for a stream."""
    half: bool
    """Whether the model computes in 16 bits somewhere, so that equal is less equal."""
    ranks: int
    all_agree: Callable[[bool], bool]
    say: Callable[[str], None]
    layout: str | None = field(default=None, init=False)

    def __call__(self, model: nn.Module, inputs: Mapping[str, Any]) -> ReadOut:
        """Read the batch, in the layout that was proven."""
        if self.layout is None:
            self.layout = self._settle(model, inputs)
        return self._read(self.layout, model, inputs)

    def _settle(self, model: nn.Module, inputs: Mapping[str, Any]) -> str:
        was_training = model.training
        model.eval()
        try:
            for layout in LAYOUTS[self.packing]:
                reason = self._disagreement(layout, model, inputs)
                if self.all_agree(reason is None):
                    return layout
                reason = reason or "another rank differs"
                self.say(f"packing: {layout} does not give this model's scores ({reason})")
            return "off"
        finally:
            model.train(was_training)
            torch.clear_autocast_cache()  # weights cast without a graph must not be used with one

    @torch.no_grad()
    def _disagreement(self, layout: str, model: nn.Module, inputs: Mapping[str, Any]) -> str | None:
        """Why the layout cannot be trusted, or None."""
        reason = None
        for batch in (inputs, self.longest):
            if batch is None:
                continue
            plain = self._read("off", model, batch)
            try:
                other = self._read(layout, model, batch)
            except ModelError as error:
                return str(error)
            except Exception as error:  # noqa: BLE001 (whatever a foreign model's code raises)
                lines = str(error).splitlines() or [""]
                return f"{type(error).__name__}: {lines[0][:100]}"
            reason = reason or difference(plain, other, half=self.half)
        return reason

    def _read(self, layout: str, model: nn.Module, inputs: Mapping[str, Any]) -> ReadOut:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        if layout == "tree" and "trees" in inputs:
            attend_over_trees(model)
            return read_trees(model, inputs["trees"])
        if layout == "chunk":
            lengths = mask.sum(dim=1).tolist()
            shared = self.ranks > 1
            most = SHARED_CHUNKS if shared else CHUNKS
            return read_chunks(model, ids, mask, length_chunks(lengths, most, exactly=shared))
        return read_out(model, ids, mask)
