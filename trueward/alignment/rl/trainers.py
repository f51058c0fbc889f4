"""RLOO and GRPO are TRL's trainers, thinly configured; PPO is ours on top of them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from trueward.alignment.rl.ppo import PPOTrainer
from trueward.alignment.rl.ppo_config import PPOConfig
from trueward.alignment.rl.reward_function import RewardFunction
from trueward.errors import InputError, ModelError, nearest

ALGORITHMS: Mapping[str, tuple[type, type]] = {
    "rloo": (trl.RLOOTrainer, trl.RLOOConfig),
    "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
    "ppo": (PPOTrainer, PPOConfig),
}


def trainer_config(algorithm: str, training: Mapping[str, Any], folder: str) -> Any:
    """TRL's configuration with these of its fields set, and the few defaults that a watch needs.

    Raises:
        InputError: an unknown algorithm, field or value.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"algorithm={algorithm!r} is unknown; {nearest(algorithm, [*ALGORITHMS])}")
    kind = ALGORITHMS[algorithm][1]
    _check_fields(kind, training)
    cpu = {} if torch.accelerator.is_available() else _ON_CPU
    values = {**_DEFAULTS, **cpu, **training, "output_dir": folder}
    if not values.get("use_vllm"):  # many a checkpoint says use_cache=False: 7 times the time
        values["generation_kwargs"] = {"use_cache": True, **(values.get("generation_kwargs") or {})}
    try:
        return kind(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise InputError(f"{kind.__name__}: {str(error).strip().splitlines()[0]}") from error


def _check_fields(kind: type, training: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(kind) if f.init]
    for name in training:
        if name not in known:
            raise InputError(f"{kind.__name__} has no field {name!r}; {nearest(name, known)}")
    if "output_dir" in training:
        raise InputError("output_dir is not set among the trainer's fields; give it as -o")
    if training.get("sync_ref_model"):
        raise InputError(
            "sync_ref_model=true moves the reference, and the watch measures KL to the starting "
            "policy; leave it out"
        )
    more = training.get("generation_kwargs")
    if more is not None and not isinstance(more, Mapping):
        raise InputError(f"generation_kwargs: expected names and values, got {more!r}")


def rl_trainer(
    algorithm: str,
    policy: str,
    reward: RewardFunction,
    args: Any,
    prompts: Dataset,
    callbacks: Sequence[TrainerCallback] = (),
) -> Any:
    """A TRL trainer of `policy` on `prompts`.

    Raises:
        InputError: what TRL refuses.
    """
    try:
        return ALGORITHMS[algorithm][0](
            model=policy,
            reward_funcs=reward,
            args=args,
            train_dataset=prompts,
            callbacks=list(callbacks),
            processing_class=policy_tokenizer(policy),
        )
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{algorithm}: {str(error).strip().splitlines()[0]}") from error


def policy_tokenizer(policy: str) -> Any:
    """The policy's tokenizer, as TRL loads it: prompts are padded and cut on the left.

    Raises:
        ModelError: there is none.
    """
    try:
        return AutoTokenizer.from_pretrained(policy, truncation_side="left", padding_side="left")
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"cannot read a policy at {policy!r}: {reason}") from error


def reference_of(policy: str, trainer: Any) -> Any | None:
    """The starting policy, to measure KL, where β = 0 and the trainer therefore holds none."""
    from trl.trainer.utils import add_fused_lm_head

    if trainer.ref_model is not None or hasattr(trainer.model, "peft_config"):
        return None
    model = AutoModelForCausalLM.from_pretrained(
        policy, dtype=trainer.model.dtype, use_safetensors=True
    )
    add_fused_lm_head(model, temperature=trainer.args.temperature)
    return model.to(trainer.accelerator.device).eval()


_DEFAULTS: Mapping[str, Any] = {
    "report_to": "none",
    "logging_nan_inf_filter": False,  # a loss that is no number must be seen
    "num_generations_eval": 1,  # vLLM draws as many of a watched prompt
}
_ON_CPU: Mapping[str, Any] = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False}
