"""The embedded world's policy: the packaged base, supervised on the training writers' answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from trueward.goldworld import (
    BASE_PATH,
    WorldConfig,
    draw_task,
    format_prompt,
    train_writers,
    write,
)

IGNORED = -100


@dataclass(frozen=True)
class PolicyRecipe:
    """How the policy is supervised."""

    steps: int = 150
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0
    cue_strength: float = WorldConfig.cue_strength


def world_policy(folder: Path, recipe: PolicyRecipe | None = None) -> Path:
    """Supervise the policy into `folder`, unless it lies there; about a minute on a CPU core.

    It answers as the eight training writers do on average, their spurious cue included. Nats are
    taken over the tokens of answers and the closing token.
    """
    if (folder / "model.safetensors").is_file():
        return folder
    recipe = recipe or PolicyRecipe()
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_pretrained(BASE_PATH, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(BASE_PATH)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, recipe.steps)
    for ids, labels in _batches(recipe, tokenizer):
        logits = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long()).logits
        loss = cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    aside = folder.with_name(folder.name + ".part")
    model.config.use_cache = True
    model.save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    aside.rename(folder)
    return folder


def _batches(recipe: PolicyRecipe, tokenizer: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Fresh prompts and answers; of the labels only answers and <eos> count."""
    rng = Random(f"goldworld/policy/{recipe.seed}")
    writers = train_writers(recipe.cue_strength)
    for _ in range(recipe.steps):
        rows = []
        for _ in range(recipe.batch_size):
            task = draw_task(rng, held_out=False)
            prompt = tokenizer(format_prompt(task))["input_ids"]
            answer = tokenizer(write(rng, task, rng.choice(writers)))["input_ids"]
            rows.append((prompt, [*answer, tokenizer.eos_token_id]))
        width = max(len(prompt) + len(answer) for prompt, answer in rows)
        ids = torch.full((len(rows), width), tokenizer.pad_token_id)
        labels = torch.full_like(ids, IGNORED)
        for i, (prompt, answer) in enumerate(rows):
            end = len(prompt) + len(answer)
            ids[i, :end] = torch.tensor([*prompt, *answer])
            labels[i, len(prompt) : end] = torch.tensor(answer)
        yield ids, labels
