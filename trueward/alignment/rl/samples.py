"""Answers of a policy in training, with what the policy and its reference say of each token."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from trl.trainer.utils import pad, use_adapter

from trueward.types import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Samples:
    """One answer a prompt; padding is False in `mask`."""

    completions: list[Turns]
    logps: Float[Tensor, "answers tokens"]
    reference_logps: Float[Tensor, "answers tokens"]
    entropy: Float[Tensor, "answers tokens"]
    """Of the policy's whole distribution before each token, in nats."""
    mask: Bool[Tensor, "answers tokens"]
    truncated: list[bool]
    """Whether the answer ended at the length limit."""


Draw = Callable[[Sequence[Turns], int], Samples]
"""From prompts and a seed to samples; the seed alone decides the draws."""


@contextmanager
def apart(model: Any, seed: int) -> "Iterator[None]":
    """In evaluation mode and on random numbers of its own: training goes on as if without it."""
    device = model.device
    training = model.training
    with torch.random.fork_rng([] if device.type == "cpu" else [device]), torch.no_grad():
        torch.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            model.train(training)


def trl_draw(trainer: Any, reference: Any | None = None) -> Draw:
    """Draw as a TRL trainer does: its tokens, template, temperature and generation backend.

    Args:
        trainer: `RLOOTrainer` or `GRPOTrainer`.
        reference: the reference policy where the trainer holds none (β = 0).
    """

    def draw(prompts: Sequence[Turns], seed: int) -> Samples:
        with apart(trainer.accelerator.unwrap_model(trainer.model), seed):
            prompt_ids, images, fields = trainer._tokenize_prompts(list(prompts))
            answers = _generate(trainer, prompt_ids, images, fields)
            ids, attention = _joined(prompt_ids, answers, trainer)
            kept = max(map(len, answers))
            batch = trainer.args.per_device_train_batch_size
            logps, entropy, _ = trainer._get_per_token_logps_and_entropies(
                trainer.model, ids, attention, kept, batch, compute_entropy=True
            )
            reference_logps = _reference(trainer, reference, ids, attention, kept)
        texts = trainer.processing_class.batch_decode(answers, skip_special_tokens=True)
        ends = {*trainer.eos_token_ids, trainer._tokenizer.pad_token_id}
        return Samples(
            completions=[_like(p, text) for p, text in zip(prompts, texts, strict=True)],
            logps=logps.float(),
            reference_logps=reference_logps.float(),
            entropy=entropy.float(),
            mask=attention[:, -kept:].bool(),
            truncated=[answer[-1] not in ends for answer in answers],
        )

    return draw


def _generate(trainer: Any, prompt_ids: Any, images: Any, fields: Any) -> list[list[int]]:
    if type(trainer)._name == "GRPO":
        return trainer._generate_single_turn(prompt_ids, images, fields, 1)[0]
    return trainer._generate_single_turn(prompt_ids, images, fields)


def _joined(
    prompts: list[list[int]], answers: list[list[int]], trainer: Any
) -> tuple[Tensor, Tensor]:
    """Prompts padded on the left, answers on the right, and the attention mask of both."""
    fill, device = trainer._tokenizer.pad_token_id, trainer.accelerator.device
    sides = ((prompts, "left"), (answers, "right"))
    ids = [pad([torch.tensor(i) for i in rows], fill, side) for rows, side in sides]
    real = [pad([torch.ones(len(i)).long() for i in rows], 0, side) for rows, side in sides]
    return torch.cat(ids, 1).to(device), torch.cat(real, 1).to(device)


def _reference(trainer: Any, reference: Any, ids: Tensor, attention: Tensor, kept: int) -> Tensor:
    batch = trainer.args.per_device_train_batch_size
    model = trainer.ref_model if trainer.ref_model is not None else reference
    if model is not None:
        return trainer._get_per_token_logps_and_entropies(model, ids, attention, kept, batch)[0]
    policy = trainer.accelerator.unwrap_model(trainer.model)  # PEFT: the base, or a copy "ref"
    with use_adapter(policy, adapter_name="ref" if "ref" in policy.peft_config else None):
        return trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, attention, kept, batch
        )[0]


def _like(prompt: Turns, text: str) -> Turns:
    return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
