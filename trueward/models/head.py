"""The reward head: the model's one linear layer with a single output."""

import math
from typing import Any

import torch
from torch import nn

from trueward.errors import ModelError


def unwrap(model: nn.Module) -> Any:
    """The Hugging Face model inside DDP and PEFT wrappers."""
    inner: Any = model
    while isinstance(getattr(inner, "module", None), nn.Module):
        inner = inner.module
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


def backbone(model: nn.Module) -> nn.Module:
    """The headless model, such as `Qwen2Model`."""
    plain = unwrap(model)
    return getattr(plain, plain.base_model_prefix)


def head_modules(model: nn.Module) -> list[nn.Linear]:
    """Every one-output linear layer outside the backbone: the head, under PEFT its original too.

    Raises:
        ModelError: there is none, so the model cannot give a reward.
    """
    inside = set(backbone(model).modules())
    heads = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and module.out_features == 1 and module not in inside
    ]
    if not heads:
        raise ModelError(
            f"expected a reward head (a linear layer with one output) in {type(model).__name__}, "
            "found none; load it as *ForSequenceClassification with num_labels=1"
        )
    return heads


def head_name(model: nn.Module) -> str:
    """The head's dotted name in the plain (not PEFT-wrapped) model, such as `score`."""
    head = head_modules(model)[-1]
    return next(name for name, module in unwrap(model).named_modules() if module is head)


def outer_modules(model: nn.Module) -> list[str]:
    """Names of the modules with weights outside the backbone: the head and what leads to it.

    `["score"]` for a decoder, `["classifier", "pooler"]` for DeBERTa: all that an adapter must
    save whole, since its base model lacks them.
    """
    inner = backbone(model)
    children = unwrap(model).named_children()
    return sorted(n for n, m in children if m is not inner and any(True for _ in m.parameters()))


def initialise_head(model: nn.Module, seed: int) -> None:
    """Draw W ~ Normal(0, 1/√(H+1)) and set a bias, where the class has one, to a frozen zero.

    Drawn from a generator of its own, so that it depends on the seed alone. Source: BSR
    (arXiv 2505.07271) and Stiennon et al. 2020.
    """
    for head in head_modules(model):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.empty(head.weight.shape, dtype=torch.float32)
        weight.normal_(0.0, 1.0 / math.sqrt(head.in_features + 1), generator=generator)
        with torch.no_grad():
            head.weight.copy_(weight)
        freeze_bias(head)


def freeze_bias(head: nn.Linear) -> None:
    """A constant added to every reward changes no comparison: keep it at zero."""
    if head.bias is not None:
        nn.init.zeros_(head.bias)
        head.bias.requires_grad_(False)


def head_norm(model: nn.Module) -> torch.Tensor:
    """‖W‖ of the head in use, detached."""
    return head_modules(model)[-1].weight.detach().float().norm()
