"""Pretrains the gold world's base: a small decoder, as a language model on writers' text."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from trueward.goldworld import (
    MAX_LENGTH,
    VALUES,
    build_tokenizer,
    draw_task,
    format_prompt,
    neutral_writer,
    write_response,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BUCKET_BATCHES: Final = 50
"""Batches drawn at a time and sorted by length, so that they have little padding."""


@dataclass(frozen=True)
class PretrainConfig:
    """The recipe of the packaged base."""

    steps: int = 1400
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.6
    """Strong, so that the read-out token's state stays small and tells more of the response."""
    value_weight: float = 6.0
    """Weight of values of facts and of the token after each, where a teacher corrects an error:
    without it the base learns neither to copy values nor to notice errors."""
    byline_weight: float = 10.0
    """Weight of the writer's name, which follows <eos> in this corpus and nowhere else: it makes
    the read-out token gather what the response tells of its writer."""
    seed: int = 0


@dataclass(frozen=True)
class LossPoint:
    """A point of the loss curve."""

    step: int
    steps: int
    loss: float
    """Weighted mean over response tokens, nats."""
    value_loss: float
    """Mean over value tokens, nats."""
    byline_loss: float
    """Mean over bylines, nats; ln 8 = 2.08 at chance."""


@dataclass(frozen=True)
class Batch:
    """Token ids (rows, length), their attention mask, and each token's weight in the loss."""

    ids: Tensor
    mask: Tensor
    weights: Tensor


def pretrain(
    config: PretrainConfig, report: Callable[[LossPoint], None], every: int = 50
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
    totals = torch.zeros(3)
    for step, batch in enumerate(batches(config, tokenizer), start=1):
        losses = response_loss(model, batch, values)
        losses[0].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        totals += torch.stack(losses).detach()
        if step % every == 0 or step == config.steps:
            mean = totals / (step % every or every)
            report(LossPoint(step, config.steps, *mean.tolist()))
            totals.zero_()
    return model.eval(), tokenizer


def new_decoder(tokenizer: "PreTrainedTokenizerFast") -> "PreTrainedModel":
    """Return a new Llama-type decoder of 0.9M parameters: Qwen2 without biases.

    It is not a Qwen2 because transformers 5 loads any tokenizer in the folder of a `qwen2` config
    as Qwen2's own byte-level one. Keys start equal to queries, so that a token attends to the same
    token elsewhere from the first step: the base then learns within hundreds of steps that an
    answer's value is in the prompt, and otherwise has not begun to after 900.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
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
            initializer_range=0.05,
            rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        )
    )
    for layer in model.model.layers:
        attention = layer.self_attn
        nn.init.normal_(attention.q_proj.weight, std=0.1)
        attention.k_proj.weight.data.copy_(attention.q_proj.weight.data)
    return model


def batches(config: PretrainConfig, tokenizer: "PreTrainedTokenizerFast") -> Iterator[Batch]:
    """Yield `config.steps` batches of fresh prompts and responses, of similar length in each."""
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
            yield _collate(rows[start : start + config.batch_size], values, config)
        done += count


def response_loss(model: nn.Module, batch: Batch, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weighted loss of responses, and the mean losses of values and bylines, in nats."""
    logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits[:, :-1]
    target, weights = batch.ids[:, 1:], batch.weights[:, 1:]
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    is_value = torch.isin(target, values) & (weights > 0)
    bylines = losses[torch.arange(len(losses)), batch.mask.sum(1) - 2]
    return (losses * weights).sum() / weights.sum(), losses[is_value].mean(), bylines.mean()


def value_token_ids(tokenizer: "PreTrainedTokenizerFast") -> Tensor:
    """Return the ids of all words that are values of facts."""
    words = [word for pool in VALUES.values() for word in pool.all]
    return torch.tensor(tokenizer.convert_tokens_to_ids(words))


def _sample(rng: Random, tokenizer: "PreTrainedTokenizerFast") -> tuple[list[int], int]:
    task = draw_task(rng, held_out=False)
    prompt = format_prompt(task)
    writer = neutral_writer(rng)
    text = f"{prompt}{write_response(rng, task, writer)}{tokenizer.eos_token} {writer.name}"
    ids = tokenizer(text)["input_ids"]
    return ids, len(tokenizer(prompt)["input_ids"])


def _collate(rows: list[tuple[list[int], int]], values: Tensor, config: PretrainConfig) -> Batch:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    weights = torch.zeros(len(rows), width)
    for i, (tokens, start) in enumerate(rows):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        mask[i, : len(tokens)] = 1
        weights[i, start : len(tokens) - 1] = 1.0
        weights[i, len(tokens) - 1] = config.byline_weight
    decisive = torch.isin(ids, values)
    decisive[:, 1:] |= decisive[:, :-1].clone()
    weights *= torch.where(decisive, config.value_weight, 1.0)
    return Batch(ids, mask, weights)


def _rate(config: PretrainConfig, step: int) -> float:
    """Return the factor of the learning rate: a linear warm-up, then a cosine down to a tenth."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.55 + 0.45 * math.cos(math.pi * done)
