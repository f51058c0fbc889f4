"""An adapter: what it is trained on, which weights it brings, and how it is put on."""

import warnings
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from trueward.errors import ModelError
from trueward.models.checkpoint import ADAPTER_WEIGHTS, checkpoint_file

_PREFIX = "base_model.model."
"""What PEFT writes before the names of weights that an adapter saves whole."""


def base_of(path: str, hub: dict[str, Any]) -> tuple[str, str | None]:
    """The folder or hub name of an adapter's base model, and its revision.

    Raises:
        ModelError: it names none.
    """
    from peft import PeftConfig

    try:
        config = PeftConfig.from_pretrained(path, **hub)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unreadable(path, error) from error
    if not config.base_model_name_or_path:
        raise ModelError(f"the adapter {path!r} names no base model; save it again with its base")
    return str(config.base_model_name_or_path), config.revision


def supplied_by(path: str, hub: dict[str, Any]) -> set[str]:
    """Names of the base model's own weights that the adapter brings, such as a head.

    Raises:
        ModelError: its weights are not there, damaged or pickled.
    """
    file = checkpoint_file(path, ADAPTER_WEIGHTS, **hub)
    if file is None:
        raise ModelError(
            f"the adapter {path!r} has no {ADAPTER_WEIGHTS}; save it again as safetensors (pickled "
            "weights can run code and are not read)"
        )
    try:
        with safe_open(file, framework="pt") as weights:
            return {name.removeprefix(_PREFIX) for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def put_on(model: PreTrainedModel, path: str, hub: dict[str, Any]) -> Any:
    """The model with the adapter, all of whose weights are there.

    Raises:
        ModelError: the adapter does not fit, or lacks a weight.
    """
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
            raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> ModelError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelError(f"cannot load the adapter {path!r}: {reason}")
