"""Pretrains the gold world's base: a small decoder, as a language model on writers' text."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from trueward.data.goldworld import (
    MAX_LENGTH,
    VALUES,
    build_tokenizer,
    draw_task,
    format_prompt,
    neutral_writer,
    write,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BUCKET_BATCHES: Final = 50
"""Batches drawn at once and sorted by length, so that little of a batch is padding."""


@dataclass(frozen=True)
class PretrainConfig:
    """The recipe of the packaged base."""

    steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    value_weight: float = 6.0
    """Weight of tokens that are values of facts: copying does not appear without it."""
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """A point of the loss curve."""

    step: int
    steps: int
    loss: float
    """Weighted mean over response tokens, nats."""
    value_loss: float
    """Mean over value tokens, nats."""


@dataclass(frozen=True)
class Batch:
    """Token ids (rows, length), their attention mask, and each token's weight in the loss."""

    ids: Tensor
    mask: Tensor
    weights: Tensor


def pretrain(
    config: PretrainConfig, report: Callable[[Progress], None], every: int = 50
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """Train the base from scratch on fresh text; `report` is called every few steps.

    Text comes from training prompts and training writers whose style is drawn apart from skill,
    so the base knows no spurious cue. Deterministic given the seed, torch build and one thread.
    """
    torch.manual_seed(config.seed)
    tokenizer = build_tokenizer()
    model = new_decoder(tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(config, step))
    values = value_token_ids(tokenizer)
    totals = torch.zeros(2)
    for step, batch in enumerate(batches(config, tokenizer), start=1):
        loss, value_loss = response_loss(model, batch, values)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        totals += torch.stack([loss.detach(), value_loss.detach()])
        if step % every == 0 or step == config.steps:
            mean = totals / (step % every or every)
            report(Progress(step, config.steps, mean[0].item(), mean[1].item()))
            totals.zero_()
    return model.eval(), tokenizer


def new_decoder(tokenizer: "PreTrainedTokenizerFast") -> "PreTrainedModel":
    """A Qwen2-type decoder of about 0.9M parameters, freshly drawn."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=160,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=5,
            num_key_value_heads=5,
            max_position_embeddings=2 * MAX_LENGTH,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            use_cache=False,
        )
    )


def batches(config: PretrainConfig, tokenizer: "PreTrainedTokenizerFast") -> Iterator[Batch]:
    """`config.steps` batches of fresh prompts and responses, of similar length within a batch."""
    rng = Random(f"goldworld/pretrain/{config.seed}")
    values = value_token_ids(tokenizer)
    done = 0
    while done < config.steps:
        count = min(BUCKET_BATCHES, config.steps - done)
        rows = [_sample(rng, tokenizer) for _ in range(count * config.batch_size)]
        rows.sort(key=lambda row: len(row[0]))
        starts = list(range(0, len(rows), config.batch_size))
        rng.shuffle(starts)
        for start in starts:
            yield _collate(rows[start : start + config.batch_size], values, config.value_weight)
        done += count


def response_loss(model: nn.Module, batch: Batch, values: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy of response tokens, and the plain mean over value tokens, in nats."""
    logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits[:, :-1]
    target, weights = batch.ids[:, 1:], batch.weights[:, 1:]
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    is_value = torch.isin(target, values) & (weights > 0)
    return (losses * weights).sum() / weights.sum(), losses[is_value].mean()


def value_token_ids(tokenizer: "PreTrainedTokenizerFast") -> Tensor:
    """The ids of all words that are values of facts."""
    words = [word for pool in VALUES.values() for word in pool.all]
    return torch.tensor(tokenizer.convert_tokens_to_ids(words))


def _sample(rng: Random, tokenizer: "PreTrainedTokenizerFast") -> tuple[list[int], int]:
    task = draw_task(rng, held_out=False)
    prompt = format_prompt(task)
    response = write(rng, task, neutral_writer(rng))
    ids = tokenizer(prompt + response + tokenizer.eos_token)["input_ids"]
    return ids, len(tokenizer(prompt)["input_ids"])


def _collate(rows: list[tuple[list[int], int]], values: Tensor, value_weight: float) -> Batch:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    weights = torch.zeros(len(rows), width)
    for i, (tokens, start) in enumerate(rows):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        mask[i, : len(tokens)] = 1
        weights[i, start : len(tokens)] = 1.0
    weights *= torch.where(torch.isin(ids, values), value_weight, 1.0)
    return Batch(ids, mask, weights)


def _rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine to a tenth."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.55 + 0.45 * math.cos(math.pi * done)
