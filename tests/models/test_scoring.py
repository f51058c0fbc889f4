"""Many sequences in one call: each gets what its plain class gives it alone, freshly loaded."""

import copy

import pytest
import torch
from helpers import tiny_families
from helpers import tiny_models as tiny

from trueward.errors import ModelError
from trueward.models import ReadOut, layout_difference, prepare, score_sequences, settle_layout
from trueward.models.scoring import LAYOUTS, width_dependence

LENGTHS = [40, 12, 25, 24, 33, 33, 7]


def alone(model, sequences):
    """By a class that has read nothing before."""
    with torch.no_grad():
        return torch.cat([copy.deepcopy(model)(torch.tensor([s])).logits for s in sequences])[:, 0]


def family(name):
    model = tiny_families.build(name)
    prepare(model)
    return model


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["phi3, longrope", "llama, dynamic rope"])
def test_no_row_is_read_with_the_rotary_frequencies_of_another(name, layout):
    model, sequences = family(name), tiny.sequences(LENGTHS)
    expected = alone(model, sequences)
    for start in (0, 1):  # a second call must not go on with the first one's frequencies
        some = sequences[start:]
        got = score_sequences(model, some, groups=[0] * len(some), pad_token_id=0, layout=layout)
        assert torch.allclose(got.rewards, expected[start:], atol=1e-5)


def test_rows_on_one_side_of_the_switch_share_their_start():
    model, widths = family("phi3, longrope"), []
    model.get_input_embeddings().register_forward_pre_hook(
        lambda _module, inputs: widths.append(inputs[0].numel())
    )
    prompt = tiny.sequences([20])[0]
    sequences = [[*prompt, 5], [*prompt, 6], prompt + [7] * 10, prompt + [8] * 10]
    score_sequences(model, sequences, groups=[0] * 4, pad_token_id=0, layout="tree")
    assert widths == [22, 40]


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("xlnet", "equal"),
        ("funnel", "equal"),
        ("canine", "equal"),
        ("qwen3_next", "padded"),
        ("bert", "padded"),
        ("llama", "tree"),
    ],
)
def test_one_sequence_is_enough_to_settle_a_layout(name, layout):
    model, sequences = family(name), tiny.sequences(LENGTHS)
    assert settle_layout(model, sequences[:1], 0) == layout
    got = score_sequences(model, sequences, pad_token_id=0, layout=layout).rewards
    assert torch.allclose(got, alone(model, sequences), atol=1e-5)


def test_a_model_left_in_training_mode_is_settled_without_dropout():
    model = family("bert").train()
    assert settle_layout(model, tiny.sequences(LENGTHS), 0) == "padded"
    assert model.training


def test_a_class_whose_scores_change_is_refused():
    model = family("llama")
    model.get_input_embeddings().register_forward_hook(
        lambda _module, _inputs, out: out + torch.randn(())
    )
    with pytest.raises(ModelError, match="LlamaForSequenceClassification scores a sequence anew"):
        settle_layout(model, tiny.sequences(LENGTHS), 0)
    for name, says in [("reformer", "hashes its tokens at random"), ("big_bird", "block_sparse")]:
        with pytest.raises(ModelError, match=says):
            settle_layout(tiny_families.build(name), tiny.sequences(LENGTHS), 0)


def test_a_class_that_scores_by_its_batch_is_found():
    ids = torch.tensor([s + [0] * (40 - len(s)) for s in tiny.sequences(LENGTHS)])
    mask = (ids != 0).long()

    def found(name, width=40):
        return width_dependence(family(name), ids[:, :width], mask[:, :width], half=False)

    assert found("bert") is None
    assert found("llama") is None
    assert "hidden states differ" in str(found("xlnet"))
    assert "rotary frequencies follow the longest row, here 40 tokens" in str(
        found("phi3, longrope")
    )
    assert found("phi3, longrope", width=24) is None


def test_a_difference_counts_by_how_far_states_lie_apart():
    near = 10 + 0.1 * torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    plain = ReadOut(torch.zeros(4), near)
    leak, rounding = near + 1e-3, near * (1 + 3e-6)
    said = layout_difference(plain, ReadOut(torch.zeros(4), leak), half=False)
    assert said is not None
    assert "(limit 0.0001)" in said
    assert layout_difference(plain, ReadOut(torch.zeros(4), rounding), half=False) is None
    assert layout_difference(plain, ReadOut(torch.zeros(4), leak), half=True) is None
