"""The embedded world's policy, its gold, and the usual norms of a reward model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import checkpoints
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from trueward import Scorer
from trueward.alignment import AlignSettings
from trueward.alignment.demo import PolicyRecipe, train_world_policy
from trueward.alignment.policy_training import load_gold, load_scorers, usual_norms
from trueward.errors import DataError
from trueward.goldworld import (
    BASE_PATH,
    WorldConfig,
    format_prompt,
    sample_responses,
    score_text,
    train_tasks,
    train_writers,
)
from trueward.settings import ScoreSettings


def nats(path, texts):
    """Mean over the answers of what the model says of their tokens, prompt excluded."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    total = 0.0
    for prompt, answer in texts:
        ids = tokenizer(prompt + answer, return_tensors="pt")["input_ids"]
        start = len(tokenizer(prompt)["input_ids"])
        labels = ids.clone()
        labels[:, :start] = -100
        with torch.no_grad():
            total += float(model(input_ids=ids, labels=labels).loss)
    return total / len(texts)


def test_supervision_brings_the_policy_nearer_to_the_writers(tmp_path):
    tasks = list(train_tasks(WorldConfig(train_prompts=150)).values())[:12]
    writers = train_writers(1.0)
    texts = [(format_prompt(t), sample_responses(t, 1, 7, writers)[0][0]) for t in tasks]
    path = train_world_policy(tmp_path / "policy", PolicyRecipe(16, 16, learning_rate=2e-4))
    assert nats(path, texts) < nats(BASE_PATH, texts)
    before = (path / "model.safetensors").stat().st_mtime_ns
    assert train_world_policy(tmp_path / "policy") == path
    assert (path / "model.safetensors").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rm")
    pairs = [
        {"prompt": f"w{i} ", "chosen": f"w{i + 1} w3", "rejected": f"w{i + 2}"} for i in range(20)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return AlignSettings(
        policy="",
        prompts="",
        output_dir="",
        reward_models=(checkpoints.save(folder, chat=None),),
        norm_data=str(folder / "pairs.jsonl"),
        gold="goldworld",
    )


def test_gold_is_the_worlds_own(settings):
    task = next(iter(train_tasks(WorldConfig()).values()))
    prompt = format_prompt(task)
    (answer, _) = sample_responses(task, 1, 0, train_writers(1.0))[0]
    messages = [{"role": "user", "content": prompt}], [{"role": "assistant", "content": answer}]
    gold = load_gold(settings)
    assert gold([prompt, messages[0]], [answer, messages[1]]) == [score_text(prompt, answer)] * 2
    with pytest.raises(DataError, match="gold-world prompt"):
        gold(["what?"], ["that"])


def test_the_gold_keeps_to_the_given_length(settings):
    """As the reward model itself does: an answer that is too long is cut for both alike."""
    path = settings.reward_models[0]
    cut = replace(
        settings, gold=path, scoring=ScoreSettings(max_length=6, truncation="truncate_left")
    )
    prompts, answers = ["w1 w2 w3 w4 "], ["w5 w6 w7 w8"]
    expected = load_scorers(cut)[0].score(prompts, answers)
    assert load_gold(cut)(prompts, answers) == expected
    assert expected != Scorer.from_pretrained(path).score(prompts, answers)


def test_usual_norms_are_the_training_datas(settings):
    path = settings.reward_models[0]
    usual = usual_norms(settings, Scorer.from_pretrained(path))
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    norms = []
    for i in range(20):
        for answer in (f"w{i + 1} w3", f"w{i + 2}"):
            ids = tokenizer(f"w{i} {answer} <eos>", return_tensors="pt")["input_ids"]
            found = []
            hook = model.model.norm.register_forward_pre_hook(
                lambda module, inputs, found=found: found.append(inputs[0])
            )
            with torch.no_grad():
                model(input_ids=ids)
            hook.remove()
            norms.append(float(found[0][0, -1].norm()))
    assert (usual.low, usual.high) == pytest.approx(tuple(np.quantile(norms, [0.01, 0.99])), 1e-4)
    assert usual.source == "training data"
