"""A checkpoint as a reward model: one label, a head, a fit place to read."""

from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.utils import logging as transformers_logging

from trueward.errors import ModelError
from trueward.models.adapter import base_of, put_on, supplied_by
from trueward.models.checkpoint import ADAPTER_FILE, checkpoint_file
from trueward.models.head import freeze_bias, head_modules, head_name, initialise_head
from trueward.models.pooling import (
    apply_pooling,
    freeze_mean_layer,
    pooling_of,
    set_pooling,
)


@dataclass(frozen=True)
class Loaded:
    """A model ready to be trained as a reward model."""

    model: PreTrainedModel
    new_head: bool
    """Whether the head was drawn anew because the checkpoint has none."""
    pooling: str


def load_for_training(path: str, *, pooling: str = "auto", seed: int = 0, **kwargs: Any) -> Loaded:
    """Load a base model or a reward model; a new head is drawn only where there is none.

    Raises:
        ModelError: the checkpoint is not there, or classifies into more than one label.
    """
    config = _read_config(path, kwargs)
    if _is_classifier(config) and config.num_labels != 1:
        raise ModelError(_label_message(path, config.num_labels))
    config.num_labels = 1
    if not _is_classifier(config):
        set_pooling(config, pooling)
    with torch.random.fork_rng(devices=[]):  # for layers that the base lacks, as a pooler
        torch.manual_seed(seed)
        model, missing = _load(path, config, kwargs)
    new_head = _head_is_missing(model, missing)
    if new_head and _is_classifier(config):
        raise ModelError(
            f"{path} says it is a reward model but lacks {head_name(model)}.weight; save it again "
            "with its head (under PEFT: modules_to_save)"
        )
    if new_head:
        initialise_head(model, seed)
        apply_pooling(model, pooling)
    elif pooling not in ("auto", pooling_of(model)):
        raise ModelError(
            f"{path} was trained with pooling={pooling_of(model)!r}, not {pooling!r}; "
            "use pooling='auto'"
        )
    prepare(model)
    return Loaded(model, new_head, pooling_of(model))


def check_base(path: str, **kwargs: Any) -> None:
    """Raise ModelError where there is no model to train, or one of several labels."""
    config = _read_config(path, kwargs)
    if _is_classifier(config) and config.num_labels != 1:
        raise ModelError(_label_message(path, config.num_labels))


def load_reward_model(path: str, **kwargs: Any) -> Any:
    """Load a finished reward model, or an adapter of one, in evaluation mode.

    Raises:
        ModelError: it has no head, more than one label, or lacks a weight.
    """
    config = _read_config(path, kwargs)
    if config.num_labels != 1:
        raise ModelError(_label_message(path, config.num_labels))
    hub = {name: value for name, value in kwargs.items() if name in ("revision", "token")}
    if checkpoint_file(path, ADAPTER_FILE, **hub) is None:
        model, missing = _load(path, config, kwargs)
        _check_whole(path, model, missing)
        return model.eval()
    base, revision = base_of(path, hub)
    supplied = supplied_by(path, hub)
    model, missing = _load(base, config, {**kwargs, "revision": revision})
    _check_whole(f"{path} on its base {base}", model, missing - supplied)
    return put_on(model, path, hub).eval()


def _check_whole(where: str, model: PreTrainedModel, missing: set[str]) -> None:
    """Refuse weights that only chance would set; tied ones and buffers are none."""
    if _head_is_missing(model, missing):
        raise ModelError(
            f"{where} has no reward head: {head_name(model)}.weight is not in the checkpoint; "
            "train it first, or save it with its head (under PEFT: modules_to_save)"
        )
    lacking = sorted(missing - {name for name, _ in model.named_buffers()})
    if lacking:
        few = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        raise ModelError(
            f"{where} lacks {len(lacking)} of the weights of {type(model).__name__} ({few}), which "
            "would be random; save it whole again (under PEFT: modules_to_save)"
        )


def prepare(model: Any) -> None:
    """Set what every checkpoint of ours says: one label, regression, a bias-free head.

    Raises:
        ModelError: the model classifies into more than one label.
    """
    if model.config.num_labels != 1:
        raise ModelError(_label_message(type(model).__name__, model.config.num_labels))
    model.config.problem_type = "regression"
    for head in head_modules(model):
        freeze_bias(head)
    freeze_mean_layer(model)


def position_limit(model: PreTrainedModel) -> int | None:
    """The longest sequence, in tokens, that the model has positions for; None if it states none."""
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and "roberta" in config.model_type:
        return limit - config.pad_token_id - 1  # its positions start after the pad id
    return limit


def _read_config(path: str, kwargs: dict[str, Any]) -> Any:
    hub = {k: kwargs[k] for k in ("revision", "trust_remote_code", "token") if k in kwargs}
    try:
        return AutoConfig.from_pretrained(path, **hub)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"cannot read a model at {path!r}: {reason}") from error


def _load(path: str, config: Any, kwargs: dict[str, Any]) -> tuple[PreTrainedModel, set[str]]:
    kwargs = {"dtype": torch.float32, "use_safetensors": True, **kwargs}
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its table of missing keys; ours is one line
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            path, config=config, output_loading_info=True, **kwargs
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"cannot load {path!r} as a reward model: {reason}") from error
    finally:
        transformers_logging.set_verbosity(level)
    return model, set(info["missing_keys"])


def _is_classifier(config: Any) -> bool:
    return any("ForSequenceClassification" in a for a in config.architectures or [])


def _head_is_missing(model: PreTrainedModel, missing: set[str]) -> bool:
    return f"{head_name(model)}.weight" in missing


def _label_message(where: str, labels: int) -> str:
    return (
        f"expected a model with one label, {where} has num_labels={labels}; "
        "start from the base model, or from a reward model with num_labels=1"
    )
