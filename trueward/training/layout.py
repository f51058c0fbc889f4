"""The layout in which a batch goes through the model, proven on the first batch before it is used.

The plain padded batch is the reference: its rewards must be the logits of the model's own class,
and another layout must give its hidden states and its gradients.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import trl
from accelerate import PartialState
from jaxtyping import Float
from torch import Tensor, nn

from trueward.errors import LayoutWarning, ModelError
from trueward.models import (
    ReadOut,
    class_difference,
    evaluating,
    layout_difference,
    length_chunks,
    read_chunks,
    read_out,
    read_trees,
    unwrap,
    width_dependence,
)
from trueward.processes import most_on_ranks, on_any_rank
from trueward.training.batch import PairBatch

LAYOUTS = {"auto": ("tree", "chunk"), "tree": ("tree", "chunk"), "chunk": ("chunk",), "off": ()}
"""The layouts that `packing` tries, in this order, before the plain padded batch."""
CHUNKS = 16
"""The most chunks of a batch."""
CPU_ROW_TOKENS, ROW_TOKENS = 2048, 32_768
"""Most tokens of a row of trees: on a CPU as many as its caches hold, and on an accelerator."""
PROVEN_PAIRS = 4
"""Pairs whose gradients are compared: few, as the padded layout may need more memory."""
SHARED_CHUNKS = 4
"""The number with several ranks: all make as many passes, so that collectives meet."""
GRADIENT_LIMIT, HALF_GRADIENT_LIMIT = 1e-2, 2e-1
"""Largest relative difference between gradients of two layouts, in 32 and in 16 bits."""


def row_tokens(args: trl.RewardConfig) -> int:
    """Return the most tokens of a forward pass over trees."""
    return CPU_ROW_TOKENS if args.device.type == "cpu" else ROW_TOKENS


@dataclass
class BatchReader:
    """Reads rewards and hidden states of batches, without padding where that gives the same.

    Before its first batch it holds the plain padded layout against the logits of the model's own
    class, and then chooses the first layout that agrees with the plain one: in the hidden states
    of that batch and of the longest pair, and in the gradients of the first pairs, all without
    dropout.

    Raises:
        ModelError: the class's logits are not the rewards that are read.
    """

    packing: str
    """A key of `LAYOUTS`."""
    first: PairBatch | None
    """The first pairs of the data as a batch; None for a stream."""
    longest: PairBatch | None
    """The longest pair as a batch of its own; None for a stream."""
    half: bool
    """True where the model computes in 16 bits somewhere, which widens the tolerance."""
    backward: bool
    """True where a backward pass may be tried without a step (not under DeepSpeed)."""
    say: Callable[[str], None]
    """Takes a notice for the user."""
    layout: str | None = field(default=None, init=False)
    """The chosen layout; None before the first batch."""

    def __call__(self, model: nn.Module, inputs: PairBatch) -> ReadOut:
        """Read the batch in the chosen layout."""
        return self._read(self.prove(model, inputs), model, inputs)

    def prove(self, model: nn.Module, inputs: PairBatch) -> str:
        """Return the layout, proven on the first call.

        In training that must not be within a `no_sync`, which holds gradients back.
        """
        if self.layout is None:
            self._check_class(model, inputs)
            wide = self._depends_on_width(model, inputs)
            self.layout = "off" if wide else self._choose_layout(model, inputs)
        return self.layout

    def _check_class(self, model: nn.Module, inputs: PairBatch) -> None:
        with evaluating(model):
            for batch in self._with_longest(inputs):
                reason = class_difference(model, batch["input_ids"], batch["attention_mask"])
                if on_any_rank(reason is not None):
                    raise ModelError(
                        "the model would be trained on other rewards than it is used by: "
                        f"{reason or 'another rank says why'}"
                    )

    def _depends_on_width(self, model: nn.Module, inputs: PairBatch) -> bool:
        with evaluating(model):
            for batch in self._with_longest(inputs):
                reason = width_dependence(
                    model, batch["input_ids"], batch["attention_mask"], half=self.half
                )
                if on_any_rank(reason is not None):
                    self.say(
                        f"a score of {type(unwrap(model)).__name__} depends on the width of its "
                        f"batch ({reason or 'another rank says why'}): packing is off, and "
                        "training pads batches as TRL does; a Scorer reads each sequence as the "
                        "class does alone"
                    )
                    return True
        return False

    def _choose_layout(self, model: nn.Module, inputs: PairBatch) -> str:
        proofs = (self._state_difference, *([self._gradient_difference] if self.backward else []))
        for layout in LAYOUTS[self.packing]:
            for differ in proofs:
                reason = _tried(differ, layout, model, inputs)
                if on_any_rank(reason is not None):
                    reason = reason or "another rank differs"
                    self.say(f"packing: {layout} does not give this model's scores ({reason})")
                    break
            else:
                return layout
        return "off"

    @torch.no_grad()
    def _state_difference(self, layout: str, model: nn.Module, inputs: PairBatch) -> str | None:
        reason = None
        with evaluating(model):
            for batch in self._with_longest(inputs):
                plain, other = (self._read(name, model, batch) for name in ("off", layout))
                reason = reason or layout_difference(plain, other, half=self.half)
        return reason

    def _with_longest(self, inputs: PairBatch) -> list[PairBatch]:
        return [inputs] if self.longest is None else [inputs, self.longest]

    def _gradient_difference(self, layout: str, model: nn.Module, inputs: PairBatch) -> str | None:
        batch = inputs if self.first is None else self.first
        with _without_dropout(model):
            plain, other = (self._gradients(name, model, batch) for name in ("off", layout))
        if plain.shape != other.shape:
            return "other weights have a gradient"
        error = float((other - plain).norm() / plain.norm())
        limit = HALF_GRADIENT_LIMIT if self.half else GRADIENT_LIMIT
        return None if error <= limit else f"gradients differ by {error:.2g} (limit {limit:g})"

    @torch.enable_grad()
    def _gradients(self, layout: str, model: nn.Module, batch: PairBatch) -> Float[Tensor, " sums"]:
        """Return signed sums over the rows of each parameter's gradient, which are few numbers.

        Where gradients differ by Δ, these differ by ‖Δ‖ in the mean over signs. The gradient is
        of a fixed random mix of rewards and hidden states.
        """
        try:
            read = self._read(layout, model, batch)
            mix = sum(
                (values.float() * _signs(values.numel(), values).view_as(values)).sum()
                / values[0].numel() ** 0.5
                for values in (read.rewards, read.hidden)
            )
            assert isinstance(mix, Tensor)
            mix.backward()
        finally:  # a pass that fails leaves gradients too
            gradients = [parameter.grad for parameter in model.parameters()]
            model.zero_grad(set_to_none=True)
        sums = []
        for gradient in gradients:
            if gradient is not None:
                local = gradient.to_local() if hasattr(gradient, "to_local") else gradient
                if local.numel():  # a rank's shard may be empty
                    rows = local.detach().float().reshape(len(local) if local.dim() else 1, -1)
                    sums.append(_signs(len(rows), rows) @ rows)
        return torch.cat(sums)

    def _read(self, layout: str, model: nn.Module, inputs: PairBatch) -> ReadOut:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        if layout == "tree" and "trees" in inputs:
            rows = inputs["trees"]
            return read_trees(model, rows, passes=most_on_ranks(len(rows.rows)))
        if layout == "chunk":
            lengths = mask.sum(dim=1).tolist()
            shared = PartialState().num_processes > 1
            most = SHARED_CHUNKS if shared else CHUNKS
            return read_chunks(model, ids, mask, length_chunks(lengths, most, exactly=shared))
        return read_out(model, ids, mask)


def _tried(
    differ: Callable[[str, nn.Module, PairBatch], str | None],
    layout: str,
    model: nn.Module,
    inputs: PairBatch,
) -> str | None:
    """Return what a proof finds; a model may refuse a layout, but code that fails is warned of."""
    try:
        return differ(layout, model, inputs)
    except ModelError as error:
        return str(error)
    except torch.OutOfMemoryError:
        return "it does not fit into memory"
    except Exception as error:  # noqa: BLE001 (whatever a foreign model's code raises)
        line = (str(error).splitlines() or [""])[0][:200]
        failure = f"{type(error).__name__}: {line}"
        warnings.warn(
            f"packing: {layout} fails with {type(unwrap(model)).__name__} ({failure}); training "
            "goes on without it, slower. Please report it, with the model's name",
            LayoutWarning,
            stacklevel=2,
        )
        return failure


def _signs(count: int, like: Tensor) -> Float[Tensor, " count"]:
    generator = torch.Generator().manual_seed(count)
    drawn = torch.randint(0, 2, (count,), generator=generator)
    return (2.0 * drawn - 1.0).to(like.device)


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    """Leave out whatever training draws at random.

    Evaluation mode also switches gradient checkpointing off, and would take more memory than
    training does; so only a model that draws outside of dropout modules stays in it.
    """
    config = unwrap(model).config.to_dict()
    rates = [v for k, v in config.items() if "drop" in k or "jitter" in k or k.endswith("_prob")]
    with evaluating(model):
        if not any(isinstance(rate, float) and rate > 0 for rate in rates):
            model.train()
            for module in model.modules():
                module.training = "dropout" not in type(module).__name__.lower()
        yield
