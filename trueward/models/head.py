"""The reward head, the model's one linear layer with a single output, and the token it reads.

A checkpoint must score the same in `AutoModelForSequenceClassification`, so pooling is never done
outside the model. ModernBERT-like classes have a switch for it. BERT-like classes read the first
token only; there a mean is expressed inside the architecture, as one more layer whose attention is
uniform, so that the first token becomes the mean of all attended ones.
"""

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from trueward.errors import ModelError

MEAN_SCALE = 8.0
"""Weight of the mean against the first token's residual in the appended layer."""
POOLER_SCALE = 0.5
"""Initial slope of the pooler, small enough for its tanh to be nearly linear."""


def unwrap(model: nn.Module) -> Any:
    """Return the Hugging Face model inside DDP and PEFT wrappers."""
    inner: Any = model
    while isinstance(getattr(inner, "module", None), nn.Module):
        inner = inner.module
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


@contextmanager
def whole(parameters: Iterable[torch.Tensor], *, write: bool = False) -> Iterator[None]:
    """Bring together what ZeRO-3 has spread over the ranks; with `write`, keep what is put there.

    Every rank must come here. Parameters that are not DeepSpeed's are whole already.
    """
    spread = [parameter for parameter in parameters if hasattr(parameter, "ds_id")]
    if not spread:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(spread, modifier_rank=0 if write else None):
        yield


def backbone(model: nn.Module) -> nn.Module:
    """Return the headless model, such as `Qwen2Model`."""
    plain = unwrap(model)
    headless: nn.Module = getattr(plain, plain.base_model_prefix)
    return headless


def head_modules(model: nn.Module) -> list[nn.Linear]:
    """Return the one-output linear layers outside the backbone: under PEFT also the original head.

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
    """Return the head's dotted name in the plain (not PEFT-wrapped) model, such as `score`."""
    head = head_modules(model)[-1]
    return next(str(name) for name, module in unwrap(model).named_modules() if module is head)


def outer_modules(model: nn.Module) -> list[str]:
    """Return names of the modules with weights outside the backbone: the head and those before it.

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
        weight = torch.empty(1, head.in_features, dtype=torch.float32)
        weight.normal_(0.0, 1.0 / math.sqrt(head.in_features + 1), generator=generator)
        with whole([head.weight], write=True), torch.no_grad():
            head.weight.copy_(weight)
        freeze_bias(head)


def freeze_bias(head: nn.Linear) -> None:
    """Keep the bias at zero: a constant added to every reward changes no comparison."""
    if head.bias is not None:
        with whole([head.bias], write=True):
            nn.init.zeros_(head.bias)
        head.bias.requires_grad_(False)


def head_norm(model: nn.Module) -> torch.Tensor:
    """Return ‖W‖ of the head in use, detached."""
    weight = head_modules(model)[-1].weight
    with whole([weight]):
        norm: torch.Tensor = weight.detach().float().norm()
    return norm


def set_pooling(config: PreTrainedConfig, pooling: str) -> None:
    """Write `pooling` into a config whose class has a switch for it (`classifier_pooling`).

    Raises:
        ModelError: the switch has no such position.
    """
    if pooling == "auto" or not hasattr(config, "classifier_pooling"):
        return
    if pooling == "last":
        raise ModelError(
            f"pooling='last' does not fit {config.model_type}, which reads the first token or the "
            "mean; use pooling='first' or 'mean'"
        )
    first = "bos" if config.model_type == "eurobert" else "cls"
    config.classifier_pooling = first if pooling == "first" else pooling


def pooling_of(model: PreTrainedModel) -> str:
    """Return the token that the model's own class reads: `last`, `first` or `mean`."""
    native = getattr(model.config, "classifier_pooling", None)
    if native is not None:
        return "first" if native in ("cls", "bos") else str(native)
    if not _bert_layers(model):
        return "last" if hasattr(model, "score") else "first"
    return "mean" if getattr(model.config, "trueward_mean_pooling", False) else "first"


def apply_pooling(model: PreTrainedModel, pooling: str) -> None:
    """Make the model read as `pooling` says, adding a mean layer to BERT-like encoders.

    Raises:
        ModelError: the model's plain class cannot read there.
    """
    current = pooling_of(model)
    if pooling in ("auto", current):
        return
    if pooling == "mean" and _bert_layers(model):
        if any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
            raise ModelError(
                f"pooling='mean' adds a layer to {type(model).__name__}, whose weights ZeRO-3 has "
                "spread over the ranks; use stage 2, or pooling='auto'"
            )
        _append_mean_layer(model)
        return
    raise ModelError(
        f"pooling={pooling!r} does not fit {type(model).__name__}, whose plain class reads the "
        f"{current} token; use pooling='auto'"
    )


def _append_mean_layer(model: PreTrainedModel) -> None:
    """Append h₀ ← LayerNorm(h₀ + 8·mean_t h_t) as a frozen layer of the model's own kind.

    Zero queries and keys make attention uniform over the attended tokens, identities make values
    and output the mean itself, and a zero feed-forward block leaves it alone. The pooler that
    follows starts as a scaled identity and is trained.
    """
    layers = _bert_layers(model)
    assert layers is not None
    layer: Any = copy.deepcopy(layers[-1])
    attention = layer.attention
    with torch.no_grad():
        for linear in (m for m in layer.modules() if isinstance(m, nn.Linear)):
            linear.weight.zero_()
            linear.bias.zero_()
        attention.self.value.weight.copy_(torch.eye(model.config.hidden_size))
        attention.output.dense.weight.copy_(MEAN_SCALE * torch.eye(model.config.hidden_size))
        for norm in (m for m in layer.modules() if isinstance(m, nn.LayerNorm)):
            norm.weight.fill_(1.0)
            norm.bias.zero_()
        for pooler in _poolers(model):
            pooler.weight.copy_(POOLER_SCALE * torch.eye(model.config.hidden_size))
            pooler.bias.zero_()
    layer.requires_grad_(False)
    layers.append(layer)
    model.config.num_hidden_layers += 1
    model.config.trueward_mean_pooling = True


def freeze_mean_layer(model: Any) -> None:
    """Keep an appended mean layer what it is when training goes on from a checkpoint."""
    if getattr(model.config, "trueward_mean_pooling", False):
        layers = _bert_layers(model)
        assert layers is not None
        layers[-1].requires_grad_(False)


def _bert_layers(model: nn.Module) -> nn.ModuleList | None:
    layers = getattr(getattr(backbone(model), "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList):
        return None
    inner: Any = getattr(getattr(layers[0], "attention", None), "self", None)
    return layers if hasattr(inner, "query") and hasattr(inner, "value") else None


def _poolers(model: PreTrainedModel) -> list[nn.Linear]:
    places = (getattr(backbone(model), "pooler", None), getattr(model, "classifier", None))
    dense = [getattr(place, "dense", None) for place in places]
    return [linear for linear in dense if isinstance(linear, nn.Linear)]
