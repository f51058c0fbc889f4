"""Sampling: the policy's own distribution, the same for the same seed, resumable."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import benchmark_rows, checkpoints, tiny_data, tiny_models
from transformers import AutoModelForCausalLM

from trueward.alignment import Policy, ResponseSource, Sampler, SamplingSettings, response_rows
from trueward.errors import DataError, InputError, ModelError, OutputExistsError

PROMPTS = [{"prompt": f"w{n} w{n + 1}", "id": n} for n in range(4)]
SHORT = SamplingSettings(samples=5, max_new_tokens=6, batch=2)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("policy"))
    tiny_models.save_base(tiny_models.DECODERS["llama"], folder)
    model = AutoModelForCausalLM.from_config(tiny_models.DECODERS["llama"])
    with torch.no_grad():  # far from uniform
        model.lm_head.weight.mul_(20)
    model.generation_config.top_k = 2  # which must not be obeyed
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    tiny_data.tokenizer().save_pretrained(folder)
    return folder


def rows(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_first_token_is_drawn_from_the_whole_softmax(path, temperature):
    settings = SamplingSettings(samples=4000, max_new_tokens=1, temperature=temperature, batch=1000)
    policy = Policy(path, settings, "cpu")
    ids = policy.encode("w1 w1")
    with torch.no_grad():
        logits = policy.model(torch.tensor([ids])).logits[0, -1].double()
    expected = torch.softmax(logits / temperature, dim=0).numpy()
    drawn, _ = policy.sample("w1 w1", 0)
    names = [f"w{i}" for i in range(40)]
    shares = np.array([drawn.count(name) for name in names]) / 4000
    kept = expected[4:44]
    deviation = np.sqrt(kept * (1 - kept) / 4000) + 1e-4
    assert (np.abs(shares - kept) < 5 * deviation).all()
    assert (shares > 0).sum() > 2


def test_a_row_depends_on_seed_and_row_alone(path):
    policy = Policy(path, SHORT, "cpu")
    first = policy.sample("w1 w2", 3)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert policy.sample("w1 w2", 3) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert policy.sample("w1 w2", 4) != first
    other = SamplingSettings(samples=5, max_new_tokens=6, batch=2, seed=1)
    assert Policy(path, other, "cpu").sample("w1 w2", 3) != first


def test_interrupted_and_resumed_is_as_if_uninterrupted(path, tmp_path, monkeypatch):
    source = benchmark_rows.write(tmp_path / "in.jsonl", PROMPTS)
    wanted = ResponseSource(source, Sampler(path, SHORT, "cpu"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = rows(response_rows(wanted, tmp_path / "a"))
    assert [len(row["responses"]) for row in whole] == [5] * 4
    assert [{"prompt": r["prompt"], "id": r["id"]} for r in whole] == PROMPTS
    assert all(0 <= row["cut"] <= 5 for row in whole)
    real, calls = Policy.sample, []

    def stop(self, prompt, row):
        calls.append(row)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, prompt, row)

    monkeypatch.setattr(Policy, "sample", stop)
    with pytest.raises(KeyboardInterrupt):
        response_rows(wanted, tmp_path / "b")
    hotter = SamplingSettings(samples=5, max_new_tokens=6, batch=2, temperature=2.0)
    with pytest.raises(OutputExistsError, match=r"temperature was 1\.0, now 2\.0"):
        response_rows(ResponseSource(source, Sampler(path, hotter, "cpu")), tmp_path / "b")
    assert rows(response_rows(wanted, tmp_path / "b")) == whole
    assert calls == [0, 1, 2, 2, 3]
    response_rows(wanted, tmp_path / "b")
    assert len(calls) == 5  # what is finished is kept


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 1}, r"row 1: expected a field 'prompt'; got id"),
        ({"prompt": 3}, r"row 1, field 'prompt': expected text"),
        ({"prompt": "w1", "responses": ["x"]}, r"row 1: field 'responses' is there already"),
        ({"prompt": "w1 " * 60}, r"row 1, field 'prompt': 60 tokens and --max_new_tokens 6"),
        ({"prompt": ""}, r"row 1, field 'prompt': the prompt has no tokens"),
    ],
)
def test_bad_prompts_are_found_before_anything_is_written(row, words, path, tmp_path):
    source = benchmark_rows.write(tmp_path / "in.jsonl", [PROMPTS[0], row])
    with pytest.raises(DataError, match=words):
        response_rows(ResponseSource(source, Sampler(path, SHORT, "cpu")), tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["in.jsonl"]


def test_bad_settings_and_policies(tmp_path):
    for name in ("samples", "max_new_tokens"):
        with pytest.raises(InputError, match=f"--{name}: expected at least 1"):
            SamplingSettings(**{name: 0})
    with pytest.raises(InputError, match="--temperature: expected above 0"):
        SamplingSettings(temperature=0.0)
    with pytest.raises(ModelError, match="cannot read a policy"):
        Policy(str(tmp_path), SHORT)


def test_a_chat_template_frames_the_prompt(tmp_path):
    folder = str(tmp_path)
    AutoModelForCausalLM.from_config(tiny_models.DECODERS["llama"]).save_pretrained(folder)
    tokenizer = tiny_data.tokenizer()
    tokenizer.chat_template = checkpoints.CHAT
    tokenizer.save_pretrained(folder)
    said = Policy(folder, SHORT, "cpu").encode("w1")
    assert said == tokenizer("user w1 <eos> ")["input_ids"]
    plain = SamplingSettings(samples=1, max_new_tokens=1, text=True)
    assert Policy(folder, plain, "cpu").encode("w1") == tokenizer("w1")["input_ids"]
