"""PPO with a value head on the policy; generation, reference and checkpoints are RLOO's of TRL.

TRL 1.16 ships no PPO. Here each answer's tokens get −β·k1 and the last one the reward; a linear
head on the policy's last hidden state values each prefix; advantages are GAE's, whitened over the
batch. Limits: one process or DDP (a head outside the model's forward pass is not sharded), no
quantized policy, text only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import trl
from torch import Tensor, nn
from transformers import set_seed
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl.trainer.utils import create_model_from_path

from trueward.alignment.rl import ppo_math
from trueward.alignment.rl.ppo_config import PPOConfig, loading
from trueward.errors import InputError

HEAD = "value_head"


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
        policy = create_model_from_path(model, **loading(args))
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
        """TRL's, this process's part of them kept for the last tokens."""
        rewards = super()._calculate_rewards(inputs, prompts, completions, ids)
        first = self.accelerator.process_index * len(prompts)
        weighted = (rewards * self.reward_weights.to(rewards.device)).nansum(dim=1)
        if self.reward_clip_range:
            weighted = weighted.clamp(*self.reward_clip_range)
        self._scores = weighted[first : first + len(prompts)]
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """TRL's batch with token log-probabilities, values, advantages and returns in it."""
        batch = super()._generate_and_score_completions(inputs)
        mask = batch["completion_mask"].float()
        with torch.no_grad():
            logps, values, _ = self._tokens(self.model, batch)
            ratio = torch.zeros_like(logps)
            if self.ref_model is not None:
                ratio = logps - self._tokens(self.ref_model, batch, valued=False)[0]
        rewards = ppo_math.token_rewards(self._scores, ratio, mask, self.beta)
        found, returns = ppo_math.advantages(
            rewards, values, mask, gamma=self.args.gamma, lam=self.args.lam
        )
        own = {
            "old_token_logps": logps,
            "old_values": values * mask,
            "advantages": ppo_math.whitened(found, mask),
            "returns": returns,
        }
        return {**batch, **own}

    def _compute_loss(self, model: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Policy loss + vf_coef · value loss."""
        mask = inputs["completion_mask"].float()
        logps, values, entropy = self._tokens(model, inputs, entropy=True)
        policy, clipped = ppo_math.policy_loss(
            logps,
            inputs["old_token_logps"],
            inputs["advantages"],
            mask,
            low=self.epsilon_low,
            high=self.epsilon_high,
        )
        value = ppo_math.value_loss(
            values, inputs["old_values"], inputs["returns"], mask, self.args.cliprange_value
        )
        seen = {
            "policy_loss": policy,
            "value_loss": value,
            "clip_ratio": clipped,
            "entropy": ppo_math.masked_mean(entropy, mask),
        }
        for name, number in seen.items():
            gathered = self.accelerator.gather(number.detach())
            self._metrics["train"][name].append(gathered.mean().item())
        return policy + self.args.vf_coef * value

    def _tokens(
        self, model: Any, batch: Mapping[str, Any], *, valued: bool = True, entropy: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability, value and entropy of each answer token; zeros for what is not asked."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        kept = batch["completion_ids"].shape[1]
        with self._remembering() as states:
            logps, entropies, _ = self._get_per_token_logps_and_entropies(
                model, ids, attention, kept, compute_entropy=entropy
            )
        none = torch.zeros_like(logps)
        if not valued:
            return logps, none, none
        head = getattr(self.accelerator.unwrap_model(model), HEAD)
        hidden = torch.cat(states)[:, -kept - 1 : -1]
        return logps, head(hidden.float()).squeeze(-1), entropies if entropy else none

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """A checkpoint holds the value head; a finished policy is a plain causal language model."""
        folder = output_dir or self.args.output_dir
        if not Path(folder).name.startswith(PREFIX_CHECKPOINT_DIR):
            whole = state_dict or self.accelerator.unwrap_model(self.model).state_dict()
            state_dict = {n: w for n, w in whole.items() if not n.startswith(HEAD)}
        super()._save(output_dir, state_dict)
