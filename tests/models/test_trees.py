"""Trees: the layout against brute force, the scores against one plain sequence at a time."""

import copy

import numpy as np
import peft
import pytest
import torch
from helpers import tiny_models as tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import flex_attention as plain_flex
from transformers import AutoModelForSequenceClassification, LlamaConfig
from transformers.integrations import flex_attention

from trueward.errors import ModelError
from trueward.models import attend_over_trees, pad_right, plan_rows, read_out, read_trees
from trueward.models.tree_attention import TreeMask
from trueward.models.trees import plan_trees

token_ids = st.lists(st.integers(0, 2), min_size=1, max_size=9)


@given(st.lists(st.tuples(token_ids, st.integers(0, 2)), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_each_sequence_is_what_its_last_token_sees(members):
    sequences = [ids for ids, _ in members]
    groups = [group for _, group in members]
    trees = plan_trees(sequences, groups)
    place = np.arange(len(trees.input_ids))
    until = trees.seen_until.numpy()
    for sequence, end in zip(sequences, trees.read_at.tolist(), strict=True):
        seen = (place <= end) & (end < until)
        assert trees.input_ids.numpy()[seen].tolist() == sequence
        assert trees.position_ids.numpy()[seen].tolist() == list(range(len(sequence)))
    prefixes = {(g, *ids[:n]) for ids, g in members for n in range(1, len(ids) + 1)}
    assert len(place) == len(prefixes)  # a token for each different prefix, and no more


@given(
    st.lists(
        st.tuples(st.integers(1, 700), st.lists(st.integers(1, 400), min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=40, deadline=None)
def test_blocks_cover_the_row_and_hold_every_key_that_is_seen(shapes):
    sequences, groups = [], []
    for group, (prefix, branches) in enumerate(shapes):
        for branch, length in enumerate(branches):
            sequences.append([9] * prefix + [branch] * length)
            groups.append(group)
    trees = plan_trees(sequences, groups)
    place = np.arange(len(trees.input_ids))
    until = trees.seen_until.numpy()
    at = 0
    for block in trees.blocks:
        assert block.start == at
        at = block.stop
        held = np.zeros(len(place), dtype=bool)
        for start, stop in block.keys:
            held[start:stop] = True
        for query in (block.start, block.stop - 1):
            assert not ((place <= query) & (query < until) & ~held).any()
    assert at == len(place)


def build(name, attention="sdpa", **changes):
    config = copy.deepcopy(tiny.DECODERS[name])
    config.num_labels = 1
    for key, value in changes.items():
        setattr(config, key, value)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model.eval()


def family(prompt, *tails, seed=0):
    """Sequences that share a prompt, with tails of the given lengths."""
    first, *rest = tiny.sequences([prompt, *tails], seed)
    return [first + tail for tail in rest]


def batch():
    """Two prompts: a tail that begins another, an equal pair, an empty response; one alone."""
    one = family(12, 9, 14, seed=1)
    two = family(5, 7, seed=2)
    return (
        [*one, one[0] + [7, 8], one[0], one[0][:12], *two, two[0][:3] + [11] * 20, [4]],
        [0, 0, 0, 0, 0, 1, 1, 2],
    )


def gradients(model, rewards):
    model.zero_grad()
    (rewards * torch.linspace(-1, 1, len(rewards))).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def close(ours, theirs, limit=1e-4):
    assert ours.keys() == theirs.keys()
    scale = max(float(g.norm()) for g in theirs.values())
    for name, gradient in theirs.items():
        assert float((ours[name] - gradient).norm()) <= limit * scale, name


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", tiny.DECODERS)
def test_scores_and_gradients_equal_the_padded_ones(name, attention):
    if name == "gemma2" and attention == "sdpa":
        pytest.skip("soft-capped attention exists in eager form only")
    model = build(name, attention)
    sequences, groups = batch()
    ids, mask = pad_right(sequences, tiny.PAD)
    plain = read_out(model, ids, mask)
    alone = torch.stack([model(torch.tensor([s])).logits[0, 0] for s in sequences])
    expected = gradients(model, plain.rewards)
    attend_over_trees(model)
    trees = read_trees(model, plan_rows(sequences, groups))
    assert torch.allclose(trees.rewards, alone, atol=2e-5)
    assert torch.allclose(trees.hidden, plain.hidden, atol=2e-4)
    close(gradients(model, trees.rewards), expected)
    again = read_out(model, ids, mask)  # a padded batch goes through as before
    assert torch.allclose(again.rewards, plain.rewards, atol=1e-6)


def long_model(**changes):
    return build("llama", max_position_embeddings=1024, **changes)


def test_sequences_longer_than_a_block():
    model = long_model()
    sequences = family(530, 300, 40, 270)
    expected = torch.stack([model(torch.tensor([s])).logits[0, 0] for s in sequences])
    attend_over_trees(model)
    got = read_trees(model, plan_rows(sequences, [0, 0, 0])).rewards
    assert torch.allclose(got, expected, atol=1e-4)


def test_gradient_checkpointing_changes_nothing():
    model = long_model()
    attend_over_trees(model)
    trees = plan_rows(*batch())
    expected = gradients(model, read_trees(model, trees).rewards)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    close(gradients(model.train(), read_trees(model, trees).rewards), expected, 1e-6)


def test_adapters():
    adapted = peft.get_peft_model(
        build("qwen2"), peft.LoraConfig(task_type="SEQ_CLS", r=2, init_lora_weights=False)
    ).eval()
    sequences, groups = batch()
    plain = read_out(adapted, *pad_right(sequences, tiny.PAD))
    attend_over_trees(adapted)
    trees = read_trees(adapted, plan_rows(sequences, groups))
    assert torch.allclose(trees.rewards, plain.rewards, atol=2e-5)
    close(gradients(adapted, trees.rewards), gradients(adapted, plain.rewards))


def test_under_autocast_the_difference_is_that_of_sixteen_bits():
    model = build("qwen2")
    sequences, groups = batch()
    exact = read_out(model, *pad_right(sequences, tiny.PAD)).hidden
    attend_over_trees(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        read = read_trees(model, plan_rows(sequences, groups))
    assert read.rewards.dtype == torch.float32
    error = (read.hidden.float() - exact).norm(dim=1) / exact.norm(dim=1)
    assert 1e-5 < error.max() < 0.1


def test_an_attention_that_cannot_be_cut_is_refused():
    model = build("llama")
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ModelError, match="sdpa or eager"):
        attend_over_trees(model)


def test_the_layout_leaves_no_trace_in_the_checkpoint(tmp_path):
    model = build("llama")
    attend_over_trees(model)
    model.save_pretrained(tmp_path)
    assert "over_trees" not in (tmp_path / "config.json").read_text()
    assert isinstance(model.config, LlamaConfig)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2"])
def test_flex_attention_gives_the_same_scores(name, monkeypatch):
    """As on an accelerator, but uncompiled and without gradient: that is all a CPU can do."""
    model = build(name, "eager" if name == "gemma2" else "sdpa", max_position_embeddings=1024)
    attend_over_trees(model)
    sequences, groups = batch()
    sequences += family(150, 140, 20, seed=4)
    trees = plan_rows(sequences, [*groups, 3, 3])
    expected = read_trees(model, trees)
    monkeypatch.setattr(flex_attention, "WrappedFlexAttention", lambda training: lambda: plain_flex)
    monkeypatch.setattr(TreeMask, "on_accelerator", True)
    with torch.no_grad():
        got = read_trees(model, trees)
    assert torch.allclose(got.rewards, expected.rewards, atol=2e-5)


@given(
    st.lists(st.tuples(token_ids, st.integers(0, 2)), min_size=1, max_size=8), st.integers(1, 30)
)
@settings(max_examples=60, deadline=None)
def test_rows_hold_the_budget_and_every_sequence(members, budget):
    sequences, groups = [ids for ids, _ in members], [group for _, group in members]
    rows = plan_rows(sequences, groups, budget)
    found = []
    for row in rows.rows:
        assert len(row.input_ids) <= max(budget, *map(len, sequences))
        place, until = np.arange(len(row.input_ids)), row.seen_until.numpy()
        for end in row.read_at.tolist():
            found.append(row.input_ids.numpy()[(place <= end) & (end < until)].tolist())
    assert [found[i] for i in rows.back.tolist()] == sequences


def test_rows_give_the_scores_of_one_row():
    model = build("llama")
    attend_over_trees(model)
    expected = read_trees(model, plan_rows(*batch()))
    cut = read_trees(model, plan_rows(*batch(), 30), before_norm=True)
    assert torch.allclose(cut.rewards, expected.rewards, atol=1e-5)
    assert torch.allclose(cut.hidden, expected.hidden, atol=1e-4)
    close(gradients(model, cut.rewards), gradients(model, expected.rewards), 1e-5)
