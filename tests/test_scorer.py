"""A reward is that of the plain class on the single sequence, whatever else is in the batch."""

import json

import numpy as np
import pytest
import torch
from helpers import tiny_data, tiny_models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from trueward.errors import DataError, InputError, ModelError
from trueward.models import load_for_training
from trueward.scorer import Scorer

KINDS = ("llama", "gpt2", "mistral", "gemma3_text", "bert", "modernbert")
word = st.sampled_from(tiny_data.WORDS)
text = st.lists(word, min_size=1, max_size=12).map(" ".join)


def save(folder, kind, tokenizer=None):
    config = {**tiny_models.DECODERS, **tiny_models.ENCODERS}[kind]
    base = tiny_models.save_base(config, str(folder / "base"))
    model = load_for_training(base, seed=3).model
    model.save_pretrained(folder / "model")
    (tokenizer or tiny_data.tokenizer()).save_pretrained(folder / "model")
    return str(folder / "model")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    return {kind: save(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


def plain(path, prompts, responses):
    """Each sequence by itself through the plain class: text joined and closed by <eos>."""
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    rows = [
        tokenizer(p + r + " <eos>")["input_ids"] for p, r in zip(prompts, responses, strict=True)
    ]
    with torch.no_grad():
        return [float(model(torch.tensor([row])).logits[0, 0]) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_plain_class(kind, checkpoints):
    scorer = Scorer.from_pretrained(checkpoints[kind], device="cpu")
    rows = tiny_data.pairs(9, seed=4, longest=20)
    ours = scorer.score(rows["prompt"][:], rows["chosen"][:])
    theirs = plain(checkpoints[kind], rows["prompt"], rows["chosen"])
    assert np.allclose(ours, theirs, atol=1e-5)
    assert np.std(ours) > 1e-3


groups = st.lists(st.tuples(text, st.lists(text, min_size=1, max_size=4)), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", ["llama", "mistral", "bert"])
@given(groups=groups, budget=st.integers(1, 200), pads_left=st.booleans())
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_score_depends_on_nothing_but_its_sequence(kind, checkpoints, groups, budget, pads_left):
    scorer = Scorer.from_pretrained(checkpoints[kind], device="cpu", batch_tokens=budget)
    scorer.encoder.tokenizer.padding_side = "left" if pads_left else "right"
    prompts = [prompt + " " for prompt, _ in groups]
    together = scorer.score_groups(prompts, [responses for _, responses in groups])
    for prompt, (_, responses), scores in zip(prompts, groups, together, strict=True):
        for response, score in zip(responses, scores, strict=True):
            assert abs(scorer.score([prompt], [response])[0] - score) <= 1e-5


def test_a_shared_prompt_goes_through_the_model_once(checkpoints):
    scorer = Scorer.from_pretrained(checkpoints["llama"], device="cpu")
    prompt = " ".join(tiny_data.WORDS[:30]) + " "
    scorer.score([prompt], ["w1 w2"])
    counted = []
    embedding = scorer.model.get_input_embeddings()
    embedding.register_forward_pre_hook(lambda _, inputs: counted.append(inputs[0].numel()))
    scorer.score_groups([prompt], [[f"w{i}" for i in range(16)]])
    assert sum(counted) == 30 + 16 * 2  # each response is a word and <eos>


def test_messages_go_through_the_template_or_become_text(tmp_path):
    tokenizer = tiny_data.tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}"
    path = save(tmp_path, "llama", tokenizer)
    prompt, response = [{"role": "user", "content": "w1 w2"}], "w3"
    through = Scorer.from_pretrained(path, device="cpu")
    joined = Scorer.from_pretrained(path, device="cpu", text=True)
    assert through.encode(prompt, response) == [5, 6, 7]
    assert joined.encode(prompt, " " + response) == [5, 6, 7, 2]
    history = [*prompt, {"role": "assistant", "content": "w4"}, {"role": "user", "content": "w5"}]
    assert len(joined.encode(history, " w6")) > 4
    assert through.score([prompt], [response]) != joined.score([prompt], [" " + response])


def test_a_model_trained_on_text_is_given_text(tmp_path):
    tokenizer = tiny_data.tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}"
    path = save(tmp_path, "llama", tokenizer)
    (tmp_path / "model/trueward.json").write_text(json.dumps({"text": True}))
    assert Scorer.from_pretrained(path, device="cpu").text
    assert not Scorer.from_pretrained(path, device="cpu", text=False).text


def test_what_training_recorded_counts_where_nothing_else_is_said(checkpoints, tmp_path):
    path = save(tmp_path, "llama")
    record = {"max_length": 6, "truncation": "truncate_left"}
    (tmp_path / "model/trueward.json").write_text(json.dumps(record))
    scorer = Scorer.from_pretrained(path, device="cpu")
    assert scorer.encoder.max_length == 6
    rewards = scorer.read_groups(["w1 w2 w3 w4 "], [["w5 w6", "w5"]])
    assert rewards.tokens == (6, 6)
    assert rewards.truncated == 1
    (tmp_path / "model/trueward.json").write_text(json.dumps({**record, "truncation": "drop"}))
    with pytest.raises(DataError, match=r"response 0 \(prompt 0\): 7 tokens are more than"):
        Scorer.from_pretrained(path, device="cpu").score(["w1 w2 w3 w4 "], ["w5 w6"])


def test_a_pad_token_of_number_zero_is_one(tmp_path):
    """The tokenizer beside it pads with EOS, as many a published one does."""
    path = tiny_models.save_base(tiny_models.DECODERS["llama"], str(tmp_path))
    model = load_for_training(path, seed=1).model.eval()
    assert model.config.pad_token_id == 0
    scorer = Scorer(model, tiny_data.tokenizer(pad="<eos>"))
    ids = scorer.encode("w1 w2 ", "w3 w4")
    assert ids[-1] == model.config.eos_token_id
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([ids])).logits[0, 0]
    assert scorer.score(["w1 w2 "], ["w3 w4"]) == pytest.approx([float(alone)], abs=1e-5)


def test_a_checkpoint_whose_pad_is_eos_is_read_as_its_class_reads_it(tmp_path):
    tokenizer = tiny_data.tokenizer(pad="<eos>")
    path = save(tmp_path, "llama", tokenizer)
    config = json.loads((tmp_path / "model/config.json").read_text())
    config["pad_token_id"] = tokenizer.eos_token_id
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    ours = Scorer.from_pretrained(path, device="cpu").score(["w1 w2 ", "w3 "], ["w4", "w5 w6"])
    assert np.allclose(ours, plain(path, ["w1 w2 ", "w3 "], ["w4", "w5 w6"]), atol=1e-5)


def test_what_is_wrong_is_said_in_one_line(checkpoints, tmp_path):
    scorer = Scorer.from_pretrained(checkpoints["llama"], device="cpu", max_length=5)
    with pytest.raises(
        DataError, match=r"response 1 \(prompt 1\): 8 tokens are more than max_length=5"
    ):
        scorer.score(["w1 ", "w1 w2 w3 "], ["w2", "w3 w4 w5 w6"])
    with pytest.raises(DataError, match="got 1 prompts and 2 responses"):
        scorer.score(["w1"], ["w2", "w3"])
    with pytest.raises(DataError, match="no responses"):
        scorer.score([], [])
    with pytest.raises(InputError, match="truncation='drop' is unknown"):
        Scorer.from_pretrained(checkpoints["llama"], truncation="drop")
    with pytest.raises(ModelError, match="cannot read a model"):
        Scorer.from_pretrained(str(tmp_path / "none"))
    with pytest.raises(DataError, match="character 1 is half a surrogate pair"):
        scorer.score(["w1"], ["w\ud83d"])
    images = [{"role": "user", "content": [{"type": "image"}]}]
    with pytest.raises(DataError, match="needs a chat template"):
        scorer.score([images], ["w1"])
    with torch.no_grad():
        scorer.model.score.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match=r"reward of response 0 is nan \(2 of 2 are not numbers\)"):
        scorer.score(["w1 "] * 2, ["w2", "w3"])


def test_a_model_without_head_or_with_two_labels_is_refused(tmp_path, checkpoints):
    base = tiny_models.save_base(tiny_models.DECODERS["llama"], str(tmp_path / "base"))
    tiny_data.tokenizer().save_pretrained(base)
    config = json.loads((tmp_path / "base/config.json").read_text())
    config["num_labels"], config["id2label"] = 1, {"0": "LABEL_0"}
    (tmp_path / "base/config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="has no reward head"):
        Scorer.from_pretrained(base)
    config["id2label"] = {"0": "a", "1": "b"}
    del config["num_labels"]
    (tmp_path / "base/config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="num_labels=2"):
        Scorer.from_pretrained(base)
