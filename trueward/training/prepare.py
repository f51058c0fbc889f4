"""A trainer's model, tokenizer, objective and length, made ready for TRL; its checkpoints."""

import copy
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import trl
from accelerate import Accelerator
from datasets import Dataset
from peft.utils import ModulesToSaveWrapper
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from trueward.data import DEFAULT_CHAT_TEMPLATE, StreamReport
from trueward.errors import InputError, ModelError, ObjectiveError, reason
from trueward.models import (
    ensure_distinct_pad,
    head_modules,
    head_name,
    load_for_training,
    outer_modules,
    position_limit,
    unwrap,
)
from trueward.objectives import Objective, objective
from trueward.results import FullCheckpointRecord
from trueward.scorer import RECORD_FILE
from trueward.suites import write_train_prompts
from trueward.training.config import RewardConfig
from trueward.types import Row

STATE_FILE = "objective_state.safetensors"

Say = Callable[[str], None]


def own_config(args: trl.RewardConfig | None) -> RewardConfig:
    """Return a `RewardConfig` to change: a copy, or TRL's fields with ours at their defaults."""
    if args is None:
        return RewardConfig("reward-model")
    if isinstance(args, RewardConfig):
        return copy.copy(args)
    return RewardConfig(**{f.name: getattr(args, f.name) for f in fields(args) if f.init})


def first_row(data: Any) -> Row:
    """Return the first row of a data set or stream; an empty one where there is none."""
    return next(iter(data), {}) if data is not None else {}


def first_rows(data: Any, count: int) -> list[Row]:
    """Return the first rows of a data set, at most so many; none of a stream."""
    if not isinstance(data, Dataset):
        return []
    return list(data.select(range(min(count, len(data)))))


def longest_pair(data: Any) -> list[Row]:
    """Return a list with the row that has the most tokens; an empty one for a stream."""
    if not isinstance(data, Dataset):
        return []
    lengths = [
        np.maximum(*(pc.list_value_length(side).to_numpy() for side in sides))
        for sides in _token_ids(data)
    ]
    return [data[int(np.concatenate(lengths).argmax())]] if lengths else []


def _token_ids(data: Dataset) -> Iterator[tuple[pa.ChunkedArray, pa.ChunkedArray]]:
    """Yield the token ids of both sides, a block of pairs at a time."""
    sides = ("chosen_ids", "rejected_ids")
    for table in data.select_columns(list(sides)).with_format("arrow").iter(batch_size=10_000):
        yield table[sides[0]], table[sides[1]]


def resolve_objective(
    chosen: str | Objective | None, args: RewardConfig, columns: Collection[str], say: Say
) -> Objective:
    """Return the objective asked for, or TRL's: Bradley–Terry less the `margin` column, if any.

    `center_rewards_coefficient` is the penalty `centering`.
    """
    spec = chosen if chosen is not None else args.objective
    if spec is None:
        spec = "margin_column" if "margin" in columns else "bt"
    if args.center_rewards_coefficient is not None:
        spec = f"{objective(spec)} + centering(weight={args.center_rewards_coefficient})"
    built = objective(spec)
    if "margin" in columns and "margin" not in built.needs:
        say(f"the column 'margin' is not used by the objective {str(built)!r}")
    args.objective = str(built)
    return built


def is_exact(args: RewardConfig, objective: Objective, accelerator: Accelerator) -> bool:
    """Return whether the objective sees the effective batch; by default if it compares pairs.

    Raises:
        InputError: ranks share a batch, whose rows therefore cannot be gathered; or passes of few
            tokens would be batches to an objective that compares pairs.
    """
    wanted = args.batch_objective
    exact = objective.batch_level if wanted is None else wanted == "exact"
    if objective.batch_level and not exact and args.batch_tokens is not None:
        raise InputError(
            f"batch_tokens would change what {str(objective)!r} compares under "
            "batch_objective=micro; set batch_objective=exact, or leave batch_tokens out"
        )
    layout = accelerator.parallelism_config
    sizes = {kind: getattr(layout, f"{kind}_size", 1) for kind in ("tp", "cp", "sp")}
    sharing = next((kind for kind, size in sizes.items() if size > 1), None)
    if exact and sharing:
        raise InputError(
            f"batch_objective=exact needs a batch of its own on every rank, but {sharing}_size "
            f"is {sizes[sharing]}; set batch_objective=micro"
        )
    return exact


def load_tokenizer(path: str, args: RewardConfig) -> PreTrainedTokenizerBase:
    """Return the tokenizer of the model at `path`; ModelError where there is none."""
    try:
        return AutoTokenizer.from_pretrained(
            path, revision=revision_of(args), trust_remote_code=args.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"no tokenizer found with {path!r}: {reason(error)}; pass processing_class"
        ) from error


def revision_of(args: RewardConfig) -> str | None:
    """Return the branch, tag or commit of the model to train, if one is named."""
    revision: str | None = (args.model_init_kwargs or {}).get("revision")
    return revision


def load_model(path: str, args: RewardConfig, quantization_config: Any) -> PreTrainedModel:
    """Load the model as a reward model, by the config's `model_init_kwargs`, pooling and seed."""
    kwargs = dict(args.model_init_kwargs or {})
    kwargs.setdefault("trust_remote_code", args.trust_remote_code)
    if quantization_config is not None:
        kwargs["quantization_config"] = quantization_config
    args.model_init_kwargs = None  # used here; TRL warns of them with a loaded model
    return load_for_training(path, pooling=args.pooling, seed=args.seed, **kwargs).model


def fit_template(
    tokenizer: PreTrainedTokenizerBase, first: Row, args: RewardConfig, say: Say
) -> None:
    """Set a plain chat template where the data has messages and nobody named a template."""
    messages = isinstance(first.get("chosen"), list)
    if messages and tokenizer.chat_template is None and args.chat_template_path is None:
        tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
        say("the tokenizer has no chat template: a plain one is used and saved with it")


def fit_pad_token(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    data: Any,
    args: RewardConfig,
    say: Say,
    *,
    adapter: bool,
) -> None:
    """Set the EOS and pad tokens that the config names, and a pad token that nothing ends with.

    With an `adapter` the model's embedding is never grown.
    """
    for name in ("eos_token", "pad_token"):
        token = getattr(args, name)
        if token is not None and token not in tokenizer.get_vocab():
            raise ModelError(
                f"{name}={token!r} is not in the tokenizer's vocabulary; name one that is"
            )
        if token is not None:
            setattr(tokenizer, name, token)
    notice = ensure_distinct_pad(tokenizer, model, endings=_endings(data), grow=not adapter)
    if notice is not None:
        say(notice)
    args.pad_token = tokenizer.pad_token  # TRL sets it again from here


def fit_length(model: PreTrainedModel, args: RewardConfig, say: Say) -> None:
    """Keep `max_length` within the positions that the model has."""
    limit = position_limit(model)
    if limit is None or (args.max_length is not None and args.max_length <= limit):
        return
    if args.max_length is not None:
        say(f"max_length is now {limit}, the model's limit (was {args.max_length})")
    args.max_length = limit


def fit_checkpointing(model: PreTrainedModel, args: RewardConfig, say: Say) -> None:
    """Switch gradient checkpointing off where the model's class has none."""
    plain = unwrap(model)
    if args.gradient_checkpointing and not plain.supports_gradient_checkpointing:
        say(f"gradient_checkpointing is off: {type(plain).__name__} has none")
        args.gradient_checkpointing = args.activation_checkpointing = False


def with_head(peft_config: Any, model: Any, pooling: str, revision: str | None) -> Any:
    """Return the PEFT config with the head, and layers before it, trained and saved whole.

    `revision` is that of the base's hub name, by which the adapter will find it again.

    Raises:
        ModelError: the adapter would lose the head, or the layer that makes a mean; or it puts
            virtual tokens before the text.
    """
    for config in (peft_config, *getattr(model, "peft_config", {}).values()):
        if config is not None and config.is_prompt_learning:
            raise ModelError(
                f"{config.peft_type.value} puts virtual tokens before the text, where a reward "
                "model's places are counted; use LoRA or another adapter of weights"
            )
    if peft_config is None:
        heads = head_modules(model)
        if hasattr(model, "peft_config") and not any(h.weight.requires_grad for h in heads):
            raise ModelError(
                f"the PEFT model would not train its head; build it with "
                f"modules_to_save=[{head_name(model).split('.')[0]!r}]"
            )
        return None
    peft_config = copy.deepcopy(peft_config)
    peft_config.task_type = "SEQ_CLS"
    if pooling == "mean" and getattr(model.config, "trueward_mean_pooling", False):
        raise ModelError(
            "pooling='mean' adds a layer that an adapter does not save; "
            "use pooling='auto', or train without PEFT"
        )
    peft_config.revision = peft_config.revision or revision
    if hasattr(peft_config, "modules_to_save"):
        modules = {*(peft_config.modules_to_save or []), *outer_modules(model)}
        peft_config.modules_to_save = sorted(modules)
    return peft_config


def keep_dtype_of_head(model: Any) -> None:
    """On a quantized base, give what an adapter saves whole the dtype that it was loaded in.

    TRL makes it bfloat16 there, in which the head could not read its input without autocast.
    """
    quantized = getattr(unwrap(model), "hf_quantizer", None) is not None
    for module in model.modules():
        if quantized and isinstance(module, ModulesToSaveWrapper):
            module.modules_to_save.to(next(module.original_module.parameters()).dtype)


def write_base_config(model: Any, folder: Path) -> None:
    """Write the base's config beside an adapter: what the class reads, not how it was quantized.

    The base's own config says that when the adapter is loaded.
    """
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.save_pretrained(folder)


def check_columns(wanted: Objective, columns: Collection[str]) -> None:
    """Raise ObjectiveError where the objective needs a column that the data lacks."""
    for name in ("margin", "target"):
        if name in wanted.needs and name not in columns:
            raise ObjectiveError(
                f"objective {str(wanted)!r} needs the column {name!r}, which the training data "
                f"lacks (it has {', '.join(columns)})"
            )


def _endings(data: Any) -> set[int]:
    if not isinstance(data, Dataset) or "chosen_ids" not in data.column_names:
        return set()
    last: set[int] = set()
    for sides in _token_ids(data):
        for side in sides:
            ids = side.combine_chunks()
            ends = ids.offsets.to_numpy()[1:][pc.list_value_length(ids).to_numpy() > 0] - 1
            last.update(pc.unique(ids.values.take(pa.array(ends))).to_pylist())
    return last


def write_checkpoint_record(
    folder: Path, record: FullCheckpointRecord, pairs: Dataset | None, state: Mapping[str, Tensor]
) -> None:
    """Write `trueward.json`, the objective's state and, with a finished model, prompts' hashes."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
    if state:
        tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        save_file(tensors, folder / STATE_FILE)
    finished = not folder.name.startswith(PREFIX_CHECKPOINT_DIR)
    if finished and pairs is not None and "prompt" in pairs.column_names:
        write_train_prompts(pairs["prompt"], folder)


def running_state(folder: Path, device: str) -> dict[str, Tensor] | None:
    """Return the objective's running state that a checkpoint holds, if any."""
    state = folder / STATE_FILE
    if not state.is_file():
        return None
    return {name: value.to(device) for name, value in load_file(state).items()}


def trained_on_text(pairs: Dataset | None, stream: StreamReport | None) -> bool | None:
    """Return True for responses as text, False for messages, None for token ids."""
    if stream is not None:
        return stream.text
    if pairs is None or "chosen" not in pairs.column_names:
        return None
    return isinstance(pairs[0]["chosen"], str)
