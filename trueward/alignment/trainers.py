"""TRL's trainers of policies, thinly configured: RLOO, GRPO, and a PPO of our own on top of RLOO.

TRL 1.16 ships no PPO. Here each answer's tokens get −β·k1 and the last one the reward; a linear
head on the policy's last hidden state values each prefix; advantages are GAE's, whitened over the
batch. Generation, reference and checkpoints are RLOO's. Limits: one process or DDP (a head outside
the model's forward pass is not sharded), no quantized policy, text only.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl.trainer.utils import add_fused_lm_head, create_model_from_path

from trueward.alignment import token_math
from trueward.alignment.reward_function import RewardFunction
from trueward.errors import InputError, ModelError, nearest, reason

HEAD = "value_head"
_DEFAULTS: Mapping[str, object] = {
    "report_to": "none",
    "logging_nan_inf_filter": False,  # a loss that is no number must be seen
    "num_generations_eval": 1,  # the number that vLLM draws of a watched prompt
}
_ON_CPU: Mapping[str, object] = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False}


@dataclass
class PPOConfig(trl.RLOOConfig):
    """`RLOOConfig` and PPO's own fields; `num_iterations` is its epochs, `epsilon` its clip range.

    Raises:
        InputError: a number out of its range, or RLOO's normalised advantages.
    """

    num_iterations: int = field(default=4, metadata={"help": "Passes over each batch."})
    vf_coef: float = field(default=0.1, metadata={"help": "Weight of the value loss."})
    cliprange_value: float = field(default=0.2, metadata={"help": "Clip range of values."})
    gamma: float = field(default=1.0, metadata={"help": "Discount a token."})
    lam: float = field(default=0.95, metadata={"help": "λ of GAE."})

    def __post_init__(self) -> None:
        self.ddp_find_unused_parameters: bool | None
        if self.ddp_find_unused_parameters is None:
            self.ddp_find_unused_parameters = False  # the value head is no part of the forward pass
        super().__post_init__()
        for name in ("vf_coef", "cliprange_value"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}: expected above 0, got {getattr(self, name):g}")
        if self.normalize_advantages:
            raise InputError("normalize_advantages: PPO always whitens its own; leave it out")
        for name in ("gamma", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected within [0, 1], got {getattr(self, name):g}")


def load_arguments(args: PPOConfig) -> dict[str, object]:
    """Return the arguments with which TRL loads a policy by its name."""
    arguments = {"trust_remote_code": args.trust_remote_code, **(args.model_init_kwargs or {})}
    if args.distributed_state.distributed_type in ("MULTI_GPU", "DEEPSPEED"):
        arguments["device_map"] = None  # "auto" would split it over the GPUs of every rank
    return arguments


class PPOTrainer(trl.RLOOTrainer):
    """TRL's RLOO trainer with per-token rewards, values and PPO's loss.

    Raises:
        InputError: more than one rank that is sharded.
    """

    _tag_names = ("trl", "ppo")
    _name = "PPO"

    def __init__(self, model: str, *, args: PPOConfig, **kwargs: Any) -> None:
        if args.fsdp_plugin_args or args.deepspeed:
            raise InputError("PPO's value head cannot be sharded; run it on one process or DDP")
        set_seed(args.seed)
        policy = create_model_from_path(model, **load_arguments(args))
        head = nn.Linear(policy.config.get_text_config().hidden_size, 1)
        nn.init.zeros_(head.weight)  # so the first advantages are the rewards themselves
        nn.init.zeros_(head.bias)
        policy.add_module(HEAD, head.to(dtype=torch.float32))
        super().__init__(policy, args=args, **kwargs)
        self._states: list[Tensor] | None = None
        policy.base_model.register_forward_hook(self._remember)

    def _remember(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self._states is not None:
            self._states.append(output.last_hidden_state)

    @contextmanager
    def _remembering(self) -> Iterator[list[Tensor]]:
        states: list[Tensor] = []
        self._states = states
        try:
            yield states
        finally:
            self._states = None

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, ids: Any) -> Tensor:
        """Return TRL's rewards; keep this process's part of them for `token_rewards`."""
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, ids)
        first = self.accelerator.process_index * len(prompts)
        weighted = (rewards * self.reward_weights.to(rewards.device)).nansum(dim=1)
        if self.reward_clip_range:
            weighted = weighted.clamp(*self.reward_clip_range)
        self._scores = weighted[first : first + len(prompts)]
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Tensor]:
        """Return TRL's batch with token log-probabilities, values, advantages and returns."""
        batch = super()._generate_and_score_completions(inputs)
        mask = batch["completion_mask"].float()
        with torch.no_grad():
            logps, values, _ = self._tokens(self.model, batch)
            ratio = torch.zeros_like(logps)
            if self.ref_model is not None:
                ratio = logps - self._tokens(self.ref_model, batch, valued=False)[0]
        rewards = token_math.token_rewards(self._scores, ratio, mask, self.beta)
        advantages, returns = token_math.advantages(
            rewards, values, mask, gamma=self.args.gamma, lam=self.args.lam
        )
        return {
            **batch,
            "old_token_logps": logps,
            "old_values": values * mask,
            "advantages": token_math.whiten(advantages, mask),
            "returns": returns,
        }

    def _compute_loss(self, model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return policy loss + vf_coef · value loss."""
        mask = inputs["completion_mask"].float()
        logps, values, entropy = self._tokens(model, inputs, entropy=True)
        policy, clipped = token_math.policy_loss(
            logps,
            inputs["old_token_logps"],
            inputs["advantages"],
            mask,
            low=self.epsilon_low,
            high=self.epsilon_high,
        )
        value = token_math.value_loss(
            values, inputs["old_values"], inputs["returns"], mask, self.args.cliprange_value
        )
        metrics = {
            "policy_loss": policy,
            "value_loss": value,
            "clip_ratio": clipped,
            "entropy": token_math.masked_mean(entropy, mask),
        }
        for name, number in metrics.items():
            gathered = self.accelerator.gather(number.detach())
            self._metrics["train"][name].append(gathered.mean().item())
        loss: Tensor = policy + self.args.vf_coef * value
        return loss

    def _tokens(
        self, model: Any, batch: Mapping[str, Tensor], *, valued: bool = True, entropy: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probability, value and entropy of answer tokens; zeros where not asked for."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width = batch["completion_ids"].shape[1]
        with self._remembering() as states:
            logps, entropies, _ = self._get_per_token_logps_and_entropies(
                model, ids, attention, width, compute_entropy=entropy
            )
        none = torch.zeros_like(logps)
        if not valued:
            return logps, none, none
        head = getattr(self.accelerator.unwrap_model(model), HEAD)
        hidden = torch.cat(states)[:, -width - 1 : -1]
        return logps, head(hidden.float()).squeeze(-1), entropies if entropy else none

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save the value head in checkpoints only: a finished policy is a plain language model."""
        folder = output_dir or self.args.output_dir
        if not Path(folder).name.startswith(PREFIX_CHECKPOINT_DIR):
            weights = state_dict or self.accelerator.unwrap_model(self.model).state_dict()
            state_dict = {n: w for n, w in weights.items() if not n.startswith(HEAD)}
        super()._save(output_dir, state_dict)


ALGORITHMS: Mapping[str, tuple[type, type]] = {
    "rloo": (trl.RLOOTrainer, trl.RLOOConfig),
    "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
    "ppo": (PPOTrainer, PPOConfig),
}


def trainer_config(algorithm: str, training: Mapping[str, object], folder: str) -> Any:
    """Return TRL's configuration with these fields, and a few defaults that the watch needs.

    Raises:
        InputError: an unknown algorithm, field or value.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"algorithm={algorithm!r} is unknown; {nearest(algorithm, [*ALGORITHMS])}")
    kind = ALGORITHMS[algorithm][1]
    _check_fields(kind, training)
    cpu = {} if torch.accelerator.is_available() else _ON_CPU
    values = {**_DEFAULTS, **cpu, **training, "output_dir": folder}
    if not values.get("use_vllm"):  # checkpoints may say use_cache=False, which is 7 times slower
        chosen: Any = values.get("generation_kwargs") or {}
        values["generation_kwargs"] = {"use_cache": True, **chosen}
    try:
        return kind(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise InputError(f"{kind.__name__}: {reason(error)}") from error


def _check_fields(kind: type, training: Mapping[str, object]) -> None:
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
    chosen = training.get("generation_kwargs")
    if chosen is not None and not isinstance(chosen, Mapping):
        raise InputError(f"generation_kwargs: expected names and values, got {chosen!r}")


def rl_trainer(
    algorithm: str,
    policy: str,
    reward: RewardFunction,
    args: Any,
    prompts: Dataset,
    callbacks: Sequence[TrainerCallback] = (),
) -> Any:
    """Return a TRL trainer of `policy` on `prompts`.

    Raises:
        InputError: TRL refuses the policy or the configuration.
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
        raise InputError(f"{algorithm}: {reason(error)}") from error


def policy_tokenizer(policy: str) -> Any:
    """Return the policy's tokenizer, as TRL loads it: prompts are padded and cut on the left.

    Raises:
        ModelError: there is none.
    """
    try:
        return AutoTokenizer.from_pretrained(policy, truncation_side="left", padding_side="left")
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read a policy at {policy!r}: {reason(error)}") from error


def load_reference(policy: str, trainer: Any) -> Any | None:
    """Return the starting policy, to measure KL, where the trainer holds none because β = 0."""
    if trainer.ref_model is not None or hasattr(trainer.model, "peft_config"):
        return None
    model = AutoModelForCausalLM.from_pretrained(
        policy, dtype=trainer.model.dtype, use_safetensors=True
    )
    add_fused_lm_head(model, temperature=trainer.args.temperature)
    return model.to(trainer.accelerator.device).eval()
