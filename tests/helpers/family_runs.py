"""A family trained one step and scored, against its plain class on one sequence at a time."""

import copy
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification

from helpers import tiny_families, tiny_tokenizers
from trueward.errors import ModelError
from trueward.models.head import backbone
from trueward.scorer import Scorer
from trueward.training import RewardConfig, RewardTrainer

LETTERS = "bcdfgijklm"  # that no merge of the tokenizer joins
LIMIT = 1e-4
"""Of `Outcome.error`."""
SIDES = ("chosen", "rejected")
LONGEST = 40
"""Tokens of a sequence, where the family allows it."""


@dataclass(frozen=True)
class Outcome:
    training: str
    """The layout in training, "refused", or "not built"."""
    scoring: str = ""
    note: str = ""
    error: float = 0.0
    """Largest difference from the plain class beyond rounding, in its scores' deviations."""


def row(name: str, outcome: Outcome) -> str:
    """Return the family's row of docs/families.md."""
    scoring = {"equal": "equal lengths"}.get(outcome.scoring, outcome.scoring)
    return f"| `{name}` | {outcome.training} | {scoring} | {outcome.note} |"


def run(name: str, folder: Path) -> Outcome:
    """Train, save, load, score and compare.

    Raises:
        AssertionError: the model learnt nothing or gives all sequences one score.
    """
    if name in tiny_families.NOT_BUILT:
        return Outcome("not built", note=tiny_families.NOT_BUILT[name])
    base, path = str(folder / "base"), str(folder / "model")
    model = tiny_families.build(name)
    (backbone(model) if hasattr(model, model.base_model_prefix) else model).save_pretrained(base)
    _tokenizer().save_pretrained(base)
    try:
        trainer = _trained(base, folder)
        trainer.save_model(path)
        scorer = Scorer.from_pretrained(path, device="cpu")
    except ModelError as error:
        return Outcome("refused", "refused", str(error).replace(base, name))
    prompts, responses = _texts(min(LONGEST, scorer.encoder.max_length or LONGEST))
    ours = torch.tensor(scorer.score(prompts, responses))
    theirs = plain_scores(
        path, [scorer.encode(*one) for one in zip(prompts, responses, strict=True)]
    )
    assert theirs.std() > 1e-4, f"{name}: the plain class gives all sequences one score"
    beyond_rounding = ((ours - theirs).abs() - 1e-6 * theirs.abs()).clamp(min=0)
    error = float(beyond_rounding.max() / theirs.std())
    said = [line for line in trainer.notices if "depends on the width" in line]
    note = "depends on the width of the batch" if said else ""
    return Outcome(str(trainer._read.layout), scorer._layout, note, error)


def plain_scores(path: str, sequences: list[list[int]]) -> torch.Tensor:
    """Score each sequence by itself, by a class that has read nothing before."""
    fresh = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = [copy.deepcopy(fresh)(torch.tensor([ids])).logits for ids in sequences]
    return torch.cat(logits).flatten()


def _trained(base: str, folder: Path) -> RewardTrainer:
    args = RewardConfig(
        str(folder / "run"),
        max_steps=1,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        probe_steps=0,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = RewardTrainer(base, args, train_dataset=_pairs())
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    moved = [
        not torch.equal(before[name], value) for name, value in trainer.model.named_parameters()
    ]
    assert sum(moved) > len(moved) / 4, f"{base}: one step changed {sum(moved)} of {len(moved)}"
    return trainer


def _pairs() -> Dataset:
    rng = random.Random(0)

    def tokens(most: int) -> list[int]:
        return [rng.randint(5, 200) for _ in range(rng.randint(2, most))]

    prompts = [[1, *tokens(12)] for _ in range(8)]
    sides = {
        side: [[*p, *tokens(LONGEST - 20), 2] for p in prompts] for side in ("chosen", "rejected")
    }
    return Dataset.from_dict({f"{side}_ids": rows for side, rows in sides.items()})


def _texts(longest: int) -> tuple[list[str], list[str]]:
    """Return prompts and responses of many lengths; with EOS the longest has `longest` tokens."""
    rng = random.Random(1)
    lengths = [longest, longest - 1, longest - 5, 30, 30, 27, 17, 10, 7]

    def text(length: int) -> str:
        return "".join(rng.choice(LETTERS) for _ in range(length))

    prompt = text(2)
    return [prompt] * len(lengths), [text(length - 3) for length in lengths]


def _tokenizer():
    return tiny_tokenizers.byte_bpe("<pad>", "<bos>", "<eos>", pad_token="<pad>", bos_token="<bos>")
