"""Where an encoder is read, in a way that its plain class computes too.

A checkpoint must score the same in `AutoModelForSequenceClassification`, so pooling is never done
outside the model. ModernBERT-like classes have a switch for it. BERT-like classes read the first
token only; there a mean is expressed inside the architecture, as one more layer whose attention is
uniform, so that the first token becomes the mean of all attended ones.
"""

import copy
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from trueward.errors import ModelError
from trueward.models.head import backbone

POOLINGS = ("auto", "last", "first", "mean")

MEAN_SCALE = 8.0
"""Weight of the mean against the first token's residual in the appended layer."""
POOLER_SCALE = 0.5
"""Initial slope of the pooler, small enough for its tanh to be nearly linear."""


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
    config.classifier_pooling = {"first": "cls"}.get(pooling, pooling)


def pooling_of(model: PreTrainedModel) -> str:
    """Where the model's own class reads: `last`, `first` or `mean`."""
    native = getattr(model.config, "classifier_pooling", None)
    if native is not None:
        return {"cls": "first", "bos": "first"}.get(native, native)
    if not _bert_layers(model):
        return "last" if hasattr(model, "score") else "first"
    return "mean" if getattr(model.config, "trueward_mean_pooling", False) else "first"


def apply_pooling(model: PreTrainedModel, pooling: str) -> None:
    """Make the model read where `pooling` says, adding a mean layer to BERT-like encoders.

    Raises:
        ModelError: the model's plain class cannot read there.
    """
    current = pooling_of(model)
    if pooling in ("auto", current):
        return
    if pooling == "mean" and _bert_layers(model):
        append_mean_layer(model)
        return
    raise ModelError(
        f"pooling={pooling!r} does not fit {type(model).__name__}, whose plain class reads the "
        f"{current} token; use pooling='auto'"
    )


def append_mean_layer(model: PreTrainedModel) -> None:
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
