"""The tokenizer, and the packaged base model as anyone would load it."""

import math

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from trueward.data.goldworld import (
    BASE_PATH,
    MAX_LENGTH,
    WorldConfig,
    build_scenarios,
    build_tokenizer,
)
from trueward.training.goldworld_base import (
    PretrainConfig,
    Progress,
    batches,
    pretrain,
    response_loss,
    value_token_ids,
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(BASE_PATH)


@pytest.fixture(scope="module")
def base() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(BASE_PATH).eval()


def test_packaged_tokenizer_is_the_built_one(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.get_vocab() == build_tokenizer().get_vocab()
    special = [tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id]
    assert special == [0, 1, 2]
    assert tokenizer("Lovely 9999")["input_ids"][1] == tokenizer.unk_token_id


def test_prompt_and_response_tokenize_as_their_parts(tokenizer: PreTrainedTokenizerFast) -> None:
    sizes = {"train_pairs": 200, "train_prompts": 100, "eval_prompts": 5}
    longest = 0
    for row in build_scenarios(WorldConfig(**sizes)).train:
        for side in ("chosen", "rejected"):
            whole = tokenizer(row["prompt"] + row[side] + tokenizer.eos_token)["input_ids"]
            parts = [tokenizer(text)["input_ids"] for text in (row["prompt"], row[side])]
            assert whole == parts[0] + parts[1] + [tokenizer.eos_token_id]
            longest = max(longest, len(whole))
    assert longest <= MAX_LENGTH


def test_base_is_small_and_single_precision(base: PreTrainedModel) -> None:
    assert (BASE_PATH / "model.safetensors").stat().st_size <= 4_000_000
    assert not list(BASE_PATH.glob("*.bin"))
    assert base.dtype == torch.float32
    assert base.config.pad_token_id == 0
    reward = AutoModelForSequenceClassification.from_pretrained(BASE_PATH, num_labels=1)
    assert torch.equal(reward.model.embed_tokens.weight, base.model.embed_tokens.weight)


def test_base_writes_as_the_writers_do_and_copies_values(base: PreTrainedModel) -> None:
    tokenizer = build_tokenizer()
    values = value_token_ids(tokenizer)
    (batch,) = batches(PretrainConfig(steps=1, batch_size=256, seed=1234), tokenizer)
    with torch.no_grad():
        loss, value_loss = response_loss(base, batch, values)
    uniform = math.log(len(tokenizer))
    assert loss < 0.3 * uniform
    # without copying, the best guess is a value of the right kind: ln 10 = 2.3 nats at most
    assert value_loss < 1.5


def test_pretraining_is_deterministic_and_learns() -> None:
    config = PretrainConfig(steps=6, batch_size=8, warmup_steps=2)
    runs = []
    for _ in range(2):
        points: list[Progress] = []
        model, _ = pretrain(config, points.append, every=4)
        runs.append((points, model.model.embed_tokens.weight))
    assert [point.step for point in runs[0][0]] == [4, 6]
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
    assert runs[0][0][1].loss < runs[0][0][0].loss
