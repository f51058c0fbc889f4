"""A checkpoint as a reward model: its files, one label, a head, adapters on a base."""

import copy
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from trueward.errors import ModelError, reason
from trueward.models.head import (
    apply_pooling,
    freeze_bias,
    freeze_mean_layer,
    head_modules,
    head_name,
    initialise_head,
    pooling_of,
    set_pooling,
)
from trueward.models.width import check_repeatable

ADAPTER_FILE = "adapter_config.json"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_ADAPTER_PREFIX = "base_model.model."
"""Written by PEFT before the names of weights that an adapter saves whole."""


@dataclass(frozen=True)
class Loaded:
    """A model ready to be trained as a reward model."""

    model: PreTrainedModel
    new_head: bool
    """True if the head was drawn anew because the checkpoint has none."""
    pooling: str


def load_for_training(path: str, *, pooling: str = "auto", seed: int = 0, **kwargs: Any) -> Loaded:
    """Load a base model or a reward model; a new head is drawn only where there is none.

    Raises:
        ModelError: the checkpoint is not there, or classifies into more than one label.
    """
    config = check_base(path, **kwargs)
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


def check_base(path: str, **kwargs: Any) -> Any:
    """Return the config of a model to train; ModelError if there is none or it has many labels."""
    config = _read_config(path, kwargs)
    if _is_classifier(config):
        _check_one_label(path, config)
    return config


def load_reward_model(path: str, **kwargs: Any) -> Any:
    """Load a finished reward model, or an adapter of one, in evaluation mode.

    `kwargs` are those of `from_pretrained`. An adapter's base is quantized as its own config says,
    or as `quantization_config`; `revision` is the adapter's, which names that of its base.

    Raises:
        ModelError: it has no head, more than one label, or lacks a weight.
    """
    config = _read_config(path, kwargs)
    _check_one_label(path, config)
    hub = {name: value for name, value in kwargs.items() if name in ("revision", "token")}
    if checkpoint_file(path, ADAPTER_FILE, **hub) is None:
        model, missing = _load(path, config, kwargs)
        _check_whole(path, model, missing)
        return model.eval()
    base, revision = _adapter_base(path, hub)
    kwargs = {**kwargs, "revision": revision}
    supplied = _adapter_weights(path, hub)
    saved = copy.deepcopy(config.get_text_config())
    _adopt(config, _read_config(base, kwargs))
    model, missing = _load(base, config, kwargs)
    _check_whole(f"{path} on its base {base}", model, missing - supplied)
    if any(weight.is_meta for weight in model.parameters()):
        raise ModelError(
            f"parts of {base} are offloaded, and {path} cannot be put on them; merge the adapter "
            "into its base first, or quantize (load_in_4bit)"
        )
    if saved.vocab_size > model.get_input_embeddings().num_embeddings:
        _grow_embedding(model, saved, supplied, path)
    return _put_on(model, path, hub).eval()


def prepare(model: Any) -> None:
    """Set what every checkpoint of ours says: one label, regression, a bias-free head.

    Raises:
        ModelError: the model classifies into more than one label, or scores differently each time.
    """
    _check_one_label(type(model).__name__, model.config)
    check_repeatable(model.config)
    model.config.problem_type = "regression"
    for head in head_modules(model):
        freeze_bias(head)
    freeze_mean_layer(model)


def position_limit(model: PreTrainedModel) -> int | None:
    """Return the longest sequence, in tokens, that the model has positions for, if it says so."""
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None or limit < 1:  # XLNet says -1
        return None
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "dynamic":
        return int(limit * rope["factor"])
    for name, module in model.named_modules():
        if name.endswith(("position_embeddings", "embed_positions")):
            after = getattr(module, "padding_idx", None)  # RoBERTa's start after the pad id
            return int(limit) if after is None else int(limit) - after - 1
    return int(limit)


def checkpoint_file(path: str, name: str, **hub: Any) -> Path | None:
    """Return the file of that name in a folder, or fetched from the hub; None if it has none.

    `hub` are the revision and token of a hub name.

    Raises:
        ModelError: there is no such hub name, or it cannot be read.
    """
    try:
        found = cached_file(path, name, _raise_exceptions_for_missing_entries=False, **hub)
    except OSError as error:
        raise ModelError(f"cannot read {name} of {path!r}: {reason(error)}") from error
    return None if found is None else Path(found)


def read_object(path: str, name: str, **hub: Any) -> dict[str, Any]:
    """Return the JSON object in that file; empty if there is none. Raises as `checkpoint_file`.

    Raises:
        ModelError: the file is damaged.
    """
    file = checkpoint_file(path, name, **hub)
    if file is None:
        return {}

    def damaged(got: object) -> ModelError:
        return ModelError(f"{file}: expected a JSON object, got {got}; save the checkpoint again")

    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(error) from error
    if not isinstance(found, dict):
        raise damaged(type(found).__name__)
    return found


def _read_config(path: str, kwargs: dict[str, Any]) -> Any:
    hub = {k: kwargs[k] for k in ("revision", "trust_remote_code", "token") if k in kwargs}
    try:
        config = AutoConfig.from_pretrained(path, **{"trust_remote_code": False, **hub})
    except (OSError, ValueError) as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{path} brings code of its own; read it, then allow it with trust_remote_code"
            ) from error
        raise ModelError(f"cannot read a model at {path!r}: {reason(error)}") from error
    check_repeatable(config)
    return config


def _load(path: str, config: Any, kwargs: dict[str, Any]) -> tuple[PreTrainedModel, set[str]]:
    safe = {"use_safetensors": True, "trust_remote_code": False}
    kwargs = {"dtype": torch.float32, **safe, **kwargs}
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its table of missing keys; ours is one line
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            path, config=config, output_loading_info=True, **kwargs
        )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(f"cannot load {path!r} as a reward model: {reason(error)}") from error
    finally:
        transformers_logging.set_verbosity(level)
    return model, set(info["missing_keys"])


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


def _check_one_label(where: str, config: Any) -> None:
    if config.num_labels != 1:
        raise ModelError(
            f"expected a model with one label, {where} has num_labels={config.num_labels}; "
            "start from the base model, or from a reward model with num_labels=1"
        )


def _is_classifier(config: Any) -> bool:
    return any("ForSequenceClassification" in a for a in config.architectures or [])


def _head_is_missing(model: PreTrainedModel, missing: set[str]) -> bool:
    return f"{head_name(model)}.weight" in missing


def _adapter_base(path: str, hub: dict[str, Any]) -> tuple[str, str | None]:
    """Return the folder or hub name of an adapter's base model, and its revision."""
    from peft import PeftConfig

    try:
        config = PeftConfig.from_pretrained(path, **hub)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unreadable_adapter(path, error) from error
    if not config.base_model_name_or_path:
        raise ModelError(f"the adapter {path!r} names no base model; save it again with its base")
    return str(config.base_model_name_or_path), config.revision


def _adopt(config: Any, base: Any) -> None:
    """Give a config beside an adapter what the base's weights are: their number, type and form."""
    text, rows = config.get_text_config(), base.get_text_config().vocab_size
    if text.vocab_size > rows:
        text.vocab_size, text.pad_token_id = rows, None
    config.dtype = base.dtype
    vars(config).pop("quantization_config", None)
    if hasattr(base, "quantization_config"):
        config.quantization_config = base.quantization_config


def _grow_embedding(model: PreTrainedModel, saved: Any, supplied: set[str], path: str) -> None:
    """Give the embedding the rows that it had in training, which the adapter must bring."""
    embedding = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embedding)
    if not any(weight.startswith(name) for weight in supplied):
        raise ModelError(
            f"the adapter {path!r} was trained on {saved.vocab_size} tokens, its base has "
            f"{embedding.num_embeddings}, and it brings no embedding; save it with {name}"
        )
    model.resize_token_embeddings(saved.vocab_size, mean_resizing=False)
    model.config.get_text_config().pad_token_id = saved.pad_token_id


def _adapter_weights(path: str, hub: dict[str, Any]) -> set[str]:
    """Return names of the base model's own weights that the adapter brings, such as a head."""
    file = checkpoint_file(path, _ADAPTER_WEIGHTS, **hub)
    if file is None:
        raise ModelError(
            f"the adapter {path!r} has no {_ADAPTER_WEIGHTS}; save it again as safetensors "
            "(pickled weights can run code and are not read)"
        )
    try:
        with safe_open(file, framework="pt") as weights:
            return {name.removeprefix(_ADAPTER_PREFIX) for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable_adapter(path, error) from error


def _put_on(model: PreTrainedModel, path: str, hub: dict[str, Any]) -> Any:
    """Return the model with the adapter, all of whose weights are there."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        try:
            return PeftModel.from_pretrained(model, path, **hub)
        except KeyError as error:  # of a module that its config says it saves
            raise ModelError(f"the adapter {path!r} lacks {error}; save it whole again") from error
        except UserWarning as error:
            said = str(error).partition(": ")[2]
            short = said if len(said) <= 200 else said[:199] + "…"
            raise ModelError(f"the adapter {path!r} lacks {short}; save it whole again") from error
        except (OSError, ValueError, RuntimeError) as error:
            raise _unreadable_adapter(path, error) from error


def _unreadable_adapter(path: str, error: Exception) -> ModelError:
    return ModelError(f"cannot load the adapter {path!r}: {reason(error)}")
