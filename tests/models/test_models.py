import numpy as np
import pytest
import torch
from helpers import tiny_models as tiny
from transformers import AutoModelForSequenceClassification

from trueward.errors import ModelError
from trueward.models import (
    head_modules,
    head_name,
    load_for_training,
    load_reward_model,
    pad_right,
    prepare,
    read_out,
    score_sequences,
)
from trueward.models.scoring import length_batches
from trueward.models.trees import tree_batches

ALL = {**tiny.DECODERS, **tiny.ENCODERS}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    root = tmp_path_factory.mktemp("bases")
    return {name: tiny.save_base(config, str(root / name)) for name, config in ALL.items()}


def plain_scores(path, sequences):
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    with torch.no_grad():
        return torch.stack([model(torch.tensor([s])).logits[0, 0] for s in sequences])


@pytest.mark.parametrize("name", ALL)
def test_saved_checkpoint_scores_the_same_in_the_plain_class(name, bases, tmp_path):
    model = load_for_training(bases[name], seed=3).model
    sequences = tiny.sequences([5, 17, 1, 9, 30])
    ours = score_sequences(model, sequences, pad_token_id=tiny.PAD, batch_tokens=60, states=True)
    model.save_pretrained(tmp_path)
    assert torch.allclose(ours.rewards, plain_scores(tmp_path, sequences), atol=1e-5)
    assert ours.rewards.std() > 1e-3
    weight = head_modules(model)[-1].weight.detach()
    assert torch.allclose(ours.rewards, ours.hidden @ weight[0], atol=1e-5)
    again = load_reward_model(str(tmp_path))
    assert again.config.problem_type == "regression"
    assert again.config.num_labels == 1


@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert"])
def test_mean_pooling_lives_inside_the_plain_class(name, bases, tmp_path):
    model = load_for_training(bases[name], pooling="mean", seed=3).model
    sequences = tiny.sequences([6, 12, 3])
    ours = score_sequences(model, sequences, pad_token_id=tiny.PAD, batch_tokens=1000)
    model.save_pretrained(tmp_path)
    assert torch.allclose(ours.rewards, plain_scores(tmp_path, sequences), atol=1e-5)
    goes_on = load_for_training(str(tmp_path), pooling="mean")
    assert not goes_on.new_head
    assert goes_on.pooling == "mean"
    assert goes_on.model.config.num_hidden_layers == model.config.num_hidden_layers


def test_the_appended_layer_is_a_mean_over_attended_tokens(bases):
    """Against NumPy: LayerNorm(h0 + 8 mean h), applied twice (attention and feed-forward)."""
    first = load_for_training(bases["bert"], pooling="first").model.eval()
    mean = load_for_training(bases["bert"], pooling="mean").model.eval()
    ids, mask = pad_right(tiny.sequences([7, 4]), tiny.PAD)
    with torch.no_grad():
        h = first.bert(ids, attention_mask=mask).last_hidden_state.double().numpy()
        got = mean.bert(ids, attention_mask=mask).last_hidden_state[:, 0].double().numpy()
    for row, length in enumerate([7, 4]):
        x = h[row, 0] + 8.0 * h[row, :length].mean(0)
        expected = (x - x.mean()) / np.sqrt(x.var() + 1e-12)
        assert np.allclose(got[row], expected, atol=1e-5)


def test_appended_layer_is_frozen_and_the_rest_is_not(bases):
    model = load_for_training(bases["bert"], pooling="mean").model
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if ".layer.2." in n} | {
        "classifier.bias"
    }


@pytest.mark.parametrize("name", ALL)
def test_scores_do_not_depend_on_batch_neighbours(name, bases):
    model = load_for_training(bases[name], seed=1).model
    sequences = tiny.sequences([3, 20, 8, 8, 31])
    alone = score_sequences(model, sequences, pad_token_id=tiny.PAD, batch_tokens=1, states=True)
    together = score_sequences(
        model, sequences, pad_token_id=tiny.PAD, batch_tokens=10_000, states=True
    )
    assert torch.allclose(alone.rewards, together.rewards, atol=1e-5)
    assert torch.allclose(alone.hidden, together.hidden, atol=1e-4)


@pytest.mark.parametrize("name", tiny.DECODERS)
def test_decoder_is_read_by_mask_not_by_token_id(name, bases):
    """Sequences that end with the pad id itself, padded on either side."""
    model = load_for_training(bases[name], seed=1).model.eval()
    ids = torch.tensor([[5, 6, tiny.PAD]])
    expected = read_out(model, ids, torch.ones_like(ids)).rewards
    padded = torch.tensor([[5, 6, tiny.PAD, 7, 7]])
    got = read_out(model, padded, torch.tensor([[1, 1, 1, 0, 0]])).rewards
    assert torch.allclose(got, expected, atol=1e-5)


def test_before_norm_is_what_the_final_norm_turns_into_hidden(bases):
    model = load_for_training(bases["qwen2"]).model
    out = score_sequences(model, tiny.sequences([4, 9]), pad_token_id=0, states=True)
    x = out.before_norm.double().numpy()
    scale = model.model.norm.weight.detach().double().numpy()
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale
    assert np.allclose(out.hidden.numpy(), expected, atol=1e-4)


def test_bert_has_no_final_norm(bases):
    model = load_for_training(bases["bert"]).model
    out = score_sequences(model, tiny.sequences([4]), pad_token_id=0, states=True)
    assert out.before_norm is None


def test_head_is_drawn_from_its_own_seed(bases):
    draw = [load_for_training(bases["qwen2"], seed=s).model.score.weight for s in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])
    assert draw[0].std().item() == pytest.approx(1 / np.sqrt(17), rel=0.5)


@pytest.mark.parametrize("name", ["roberta", "modernbert", "deberta"])
def test_layers_the_base_lacks_are_drawn_from_the_seed_too(name, bases):
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        states.append(load_for_training(bases[name], seed=0).model.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_trained_pooling_switch_is_not_turned(bases, tmp_path):
    load_for_training(bases["modernbert"], pooling="first").model.save_pretrained(tmp_path)
    assert load_for_training(str(tmp_path)).pooling == "first"
    with pytest.raises(ModelError, match="trained with pooling='first'"):
        load_for_training(str(tmp_path), pooling="mean")
    with pytest.raises(ModelError, match="pooling='last'"):
        load_for_training(bases["modernbert"], pooling="last")


def test_rewards_are_float32_under_autocast(bases):
    model = load_for_training(bases["llama"]).model.eval()
    ids = torch.tensor([[5, 6, 7]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = read_out(model, ids, torch.ones_like(ids))
    assert out.rewards.dtype == torch.float32
    weight = head_modules(model)[-1].weight
    assert torch.allclose(out.rewards, out.hidden.float() @ weight[0], atol=1e-6)


def test_two_labels_are_refused(bases, tmp_path):
    from transformers import LlamaForSequenceClassification

    config = tiny.DECODERS["llama"].__class__(**{**tiny.COMMON, "num_labels": 2})
    model = LlamaForSequenceClassification(config)
    model.save_pretrained(tmp_path)
    for load in (load_for_training, load_reward_model):
        with pytest.raises(ModelError, match="num_labels=2"):
            load(str(tmp_path))
    with pytest.raises(ModelError, match="num_labels=2"):
        prepare(model)


def test_missing_head_is_refused_by_name(bases, tmp_path):
    from safetensors.torch import load_file, save_file

    load_for_training(bases["qwen2"]).model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for load in (load_for_training, load_reward_model):
        with pytest.raises(ModelError, match=r"score\.weight"):
            load(str(tmp_path))


def test_pooling_that_the_plain_class_cannot_do_is_refused(bases):
    with pytest.raises(ModelError, match="last token"):
        load_for_training(bases["qwen2"], pooling="mean")
    with pytest.raises(ModelError, match="first token"):
        load_for_training(bases["deberta"], pooling="mean")


def test_no_model_at_path_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="cannot read a model") as caught:
        load_for_training(str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_refused(bases, tmp_path):
    model = load_for_training(bases["qwen2"]).model
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    for load in (load_for_training, load_reward_model):
        with pytest.raises(ModelError, match=r"cannot load .* no file named model\.saf") as raised:
            load(str(tmp_path))
        assert "\n" not in str(raised.value)


def test_lora_head_is_one_module_and_is_trained(bases):
    from peft import LoraConfig, get_peft_model

    model = load_for_training(bases["qwen2"]).model
    assert head_name(model) == "score"
    config = LoraConfig(task_type="SEQ_CLS", r=2, modules_to_save=["score"])
    wrapped = get_peft_model(model, config)
    ids = torch.tensor([[5, 6, 7], [8, 9, 4]])
    read_out(wrapped, ids, torch.ones_like(ids)).rewards.sum().backward()
    head = head_modules(wrapped)[-1]
    assert head.weight.requires_grad
    assert head.weight.grad.abs().sum() > 0


def test_length_batches_hold_the_budget():
    lengths = [3, 50, 7, 7, 20, 1]
    batches = list(length_batches([[0] * n for n in lengths], range(6), 40))
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    for batch in batches:
        width = max(lengths[i] for i in batch)
        assert len(batch) == 1 or width * len(batch) <= 40


def test_tree_batches_count_a_shared_start_once():
    sequences = [[1] * 10 + [i] * 5 for i in range(2, 6)] + [[9] * 8]
    assert list(tree_batches(sequences, [0, 0, 0, 0, 1], 30)) == [[0, 1, 2, 3], [4]]
    assert list(tree_batches(sequences, [0, 0, 0, 0, 1], 25)) == [[0, 1, 2], [3, 4]]
    assert list(tree_batches(sequences, range(5), 1)) == [[0], [1], [2], [3], [4]]
