"""One forward pass of a plain `*ForSequenceClassification` model, read at the right token."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trueward.models.head import backbone, head_modules, unwrap

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
    """Rewards r = W·h, computed in float32, with h the head's input.

    A decoder is read at its last attended token, found from the attention mask and never from a
    token id; an encoder is read where its class pools. The hidden state is taken by a hook on the
    head during the model's own forward pass, so DDP, FSDP and PEFT wrappers stay in charge.
    """
    last = attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(1)
    taken: dict[str, Tensor] = {}

    def at_head(module: Any, args: tuple[Any, ...], _output: object) -> None:
        taken["head_input"] = args[0]
        hidden = _pick(args[0], last)
        with torch.autocast(hidden.device.type, enabled=False):
            bias = None if module.bias is None else module.bias.float()
            reward = nn.functional.linear(hidden.float(), module.weight.float(), bias)
        taken["hidden"], taken["reward"] = hidden, reward.squeeze(-1)

    def at_norm(_module: nn.Module, args: tuple[Any, ...]) -> None:
        taken["norm_input"] = args[0]

    with ExitStack() as hooks:
        for head in head_modules(model):
            hooks.enter_context(_removed(head.register_forward_hook(at_head)))
        norm = final_norm(model) if before_norm else None
        if norm is not None:
            hooks.enter_context(_removed(norm.register_forward_pre_hook(at_norm)))
        model(input_ids=input_ids, attention_mask=attention_mask, **_no_cache(model))
    at_last_token = taken["head_input"].dim() == 3
    earlier = _pick(taken["norm_input"], last) if norm is not None and at_last_token else None
    return ReadOut(taken["reward"], taken["hidden"], earlier)


def final_norm(model: nn.Module) -> nn.Module | None:
    """The norm that ends a pre-norm backbone (`norm`, `ln_f`, …), or None for a post-norm one."""
    norms = [c for c in backbone(model).children() if "norm" in type(c).__name__.lower()]
    return norms[-1] if norms else None


def _pick(hidden: Tensor, last: Tensor) -> Tensor:
    if hidden.dim() == 2:
        return hidden
    return hidden[torch.arange(hidden.shape[0], device=hidden.device), last.to(hidden.device)]


def _no_cache(model: nn.Module) -> dict[str, bool]:
    takes_it = "use_cache" in inspect.signature(unwrap(model).forward).parameters
    return {"use_cache": False} if takes_it else {}


@contextmanager
def _removed(handle: torch.utils.hooks.RemovableHandle) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()
