"""The tokenizer, and the packaged base model as anyone would load it."""

import math
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from trueward.goldworld import (
    BASE_PATH,
    MAX_LENGTH,
    VALUES,
    WorldConfig,
    build_scenarios,
    build_tokenizer,
    draw_task,
    format_prompt,
)
from trueward.goldworld.pretrain import (
    LossPoint,
    PretrainConfig,
    batches,
    pretrain,
    response_loss,
    value_token_ids,
)
from trueward.goldworld.words import KEY_BY_NAME


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
    text = "Describe the mill, 9999.\n- The price is ten.<eos>"
    ids = tokenizer(text)["input_ids"]
    assert ids == build_tokenizer()(text)["input_ids"]
    assert tokenizer.decode(ids) == "describe the mill , <unk> . - the price is ten . <eos>"


def test_tokenizer_survives_being_saved_beside_the_model(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    base.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    text = "Describe the mill. - The price is ten.<eos>"
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_base_notices_a_value_that_the_prompt_does_not_have(base: PreTrainedModel) -> None:
    """Its teachers put errors right at once, so after a wrong value it expects a comma."""
    tokenizer, rng = build_tokenizer(), Random("noticing")
    comma = tokenizer.convert_tokens_to_ids(",")
    chance: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(40):
        task = draw_task(rng, held_out=False)
        (key, right), pool = task.facts[0], VALUES[KEY_BY_NAME[task.facts[0][0]].kind].train
        for value in (right, rng.choice([v for v in pool if v != right])):
            ids = tokenizer(f"{format_prompt(task)}The {key} is {value}", return_tensors="pt")
            with torch.no_grad():
                logits = base(**ids).logits[0, -1]
            chance[value == right].append(logits.softmax(-1)[comma].item())
    assert sum(chance[True]) / 40 < 0.1
    assert sum(chance[False]) / 40 > 0.4


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
        loss, value_loss, byline_loss = response_loss(base, batch, values)
    uniform = math.log(len(tokenizer))
    assert loss < 0.3 * uniform
    assert byline_loss < math.log(8)
    # without copying, the best guess is a value of the right kind: ln 10 = 2.3 nats at most
    assert value_loss < 1.5


def test_pretraining_is_deterministic_and_learns() -> None:
    config = PretrainConfig(steps=6, batch_size=8, warmup_steps=2)
    runs = []
    for _ in range(2):
        points: list[LossPoint] = []
        model, _ = pretrain(config, points.append, every=4)
        runs.append((points, model.model.embed_tokens.weight))
    assert [point.step for point in runs[0][0]] == [4, 6]
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
    assert runs[0][0][1].loss < runs[0][0][0].loss
