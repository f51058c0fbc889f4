"""Classes whose score of a sequence depends on its row's length, or on what was read before."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from trueward.errors import ModelError


def check_repeatable(config: Any) -> None:
    """Raise ModelError for a class that scores one sequence differently from time to time."""
    kind, attention = config.model_type, getattr(config, "attention_type", None)
    if kind in ("big_bird", "bigbird_pegasus") and attention == "block_sparse":
        raise ModelError(
            f"{kind} with attention_type='block_sparse' changes to full attention for good at the "
            "first short batch, so that a score depends on what was read before; set "
            "attention_type='original_full' in its config.json"
        )
    if "lsh" in getattr(config, "attn_layers", ()):
        raise ModelError(
            f"{kind} hashes its tokens at random in every pass (attn_layers with 'lsh'), so that a "
            "sequence has another score each time it is read; use another model"
        )


def length_kind(model: nn.Module) -> Callable[[int], tuple[int, ...]]:
    """Return a function from a sequence's length to what it must share with others of its row.

    Some rotary embeddings look at the longest position of the row: "longrope" has one set of
    frequencies up to a length and another beyond it, "dynamic" one for every length beyond it.
    """
    switches = [(kind, at) for _, kind, at in _ropes(model)]
    return lambda length: tuple(
        max(length, at) if kind == "dynamic" else int(length > at) for kind, at in switches
    )


def forget_lengths(model: nn.Module) -> None:
    """Let dynamic rotary embeddings forget the longest row so far, which they would go on using."""
    for module, kind, _ in _ropes(model):
        for name in list(vars(module)) if kind == "dynamic" else ():
            if name.endswith("max_seq_len_cached"):
                setattr(module, name, 0)


def _ropes(model: nn.Module) -> Iterator[tuple[Any, str, int]]:
    """Yield rotary embeddings that depend on their row's length, their kind, and from which on."""
    for module in model.modules():
        config: Any = getattr(module, "config", None) if hasattr(module, "rope_type") else None
        rope = getattr(config, "rope_parameters", None) or {}
        for one in (rope, *rope.values()):  # one for all layers, or one a kind of layer
            kind = one.get("rope_type") if isinstance(one, dict) else None
            if kind == "longrope":
                yield module, kind, int(one["original_max_position_embeddings"])
            elif kind == "dynamic":
                yield module, kind, int(config.max_position_embeddings)
