"""Packed training against padded training, and the proof that chooses between layouts."""

from contextlib import ExitStack
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from helpers import tiny_data, tiny_models
from peft import LoraConfig
from transformers import BloomConfig, GPTNeoConfig
from trl.trainer.reward_trainer import DataCollatorForPreference

from trueward.errors import LayoutWarning, ObjectiveError
from trueward.models import (
    ReadOut,
    head_modules,
    layout_difference,
    length_chunks,
    load_for_training,
    read_trees,
    unwrap,
)
from trueward.training import RewardConfig, RewardTrainer, layout

SETTINGS = {
    "per_device_train_batch_size": 6,
    "max_steps": 20,
    "learning_rate": 1e-3,
    "report_to": "none",
    "disable_tqdm": True,
    "logging_strategy": "no",
    "save_strategy": "no",
    "gradient_checkpointing": False,
    "use_cpu": True,
    "bf16": False,
}
KINDS = {**tiny_models.DECODERS, **tiny_models.ENCODERS}


class Watched(RewardTrainer):
    """Keeps each step's loss, and the first step's gradient, at full precision."""

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.__dict__.setdefault("losses", []).append(float(loss))
        if len(self.losses) == 1:
            named = unwrap(self.model).named_parameters()
            self.first = {n: p.grad.clone() for n, p in named if p.grad is not None}
        return loss


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    root = tmp_path_factory.mktemp("bases")
    return {name: tiny_models.save_base(config, str(root / name)) for name, config in KINDS.items()}


def data():
    return tiny_data.pairs(80, longest=20)


def train(model, tmp_path, **changes):
    more = {k: changes.pop(k) for k in ("peft_config", "objective") if k in changes}
    tokenizer = changes.pop("tokenizer", None) or tiny_data.tokenizer()
    trainer = Watched(
        model,
        RewardConfig(str(tmp_path), **{**SETTINGS, **changes}),
        train_dataset=data(),
        processing_class=tokenizer,
        **more,
    )
    trainer.train()
    return trainer


def same_course(packed, padded, layout):
    assert packed._read.layout == layout
    assert padded._read.layout == "off"
    assert np.allclose(packed.losses, padded.losses, rtol=1e-5)
    scale = max(float(g.norm()) for g in padded.first.values())
    for name, gradient in padded.first.items():
        assert float((packed.first[name] - gradient).norm()) <= 1e-4 * scale, name
    assert padded.losses[-1] != padded.losses[0]


@pytest.mark.parametrize("name", KINDS)
def test_twenty_steps_equal_the_padded_ones(name, bases, tmp_path):
    attention = {"attn_implementation": "eager"} if name == "gemma2" else {}
    runs = []
    for packing in ("auto", "off"):
        model = load_for_training(bases[name], seed=5, **attention).model
        runs.append(train(model, tmp_path / packing, packing=packing, objective="normbt + bsr"))
    same_course(*runs, "tree" if name in tiny_models.DECODERS else "chunk")


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "bt + contrast"},
        {"gradient_checkpointing": True},
        {"peft_config": LoraConfig(task_type="SEQ_CLS", r=2)},
        {"tokenizer": "left"},
        {"tokenizer": "eos"},
        {"packing": "chunk"},
    ],
    ids=str,
)
def test_twenty_steps_equal_the_padded_ones_also_with(changes, bases, tmp_path):
    def run(**packing):
        now = {**changes, **packing}
        if "tokenizer" in now:
            now["tokenizer"] = tiny_data.tokenizer(pad="<eos>" if side == "eos" else "<pad>")
            now["tokenizer"].padding_side = "left" if side == "left" else "right"
        model = load_for_training(bases["qwen2"], seed=5).model
        return train(model, tmp_path / str(len(packing)), **now)

    side = changes.get("tokenizer")
    same_course(run(), run(packing="off"), changes.get("packing", "tree"))


def test_sixteen_bit_training_is_packed_too(bases, tmp_path):
    model = load_for_training(bases["qwen2"], seed=5).model
    packed = train(model, tmp_path, bf16=True)
    assert packed._read.layout == "tree"
    assert packed.losses[-1] != packed.losses[0]


def test_a_model_with_positions_of_its_own_is_found_out(tmp_path):
    """Bloom biases attention by place in the row: trees would give it other distances."""
    config = BloomConfig(vocab_size=50, hidden_size=16, n_layer=2, n_head=2, pad_token_id=0)
    base = tiny_models.save_base(config, str(tmp_path / "base"))
    model = load_for_training(base, seed=5).model
    run = train(model, tmp_path / "run", packing="tree", max_steps=2)
    assert run._read.layout == "chunk"
    assert [n for n in run.notices if n.startswith("packing: tree does not give this model's")]


def test_a_window_that_only_the_longest_pair_shows_is_found_out(tmp_path):
    """GPT-Neo masks by distance without telling its attention function."""
    config = GPTNeoConfig(
        vocab_size=50,
        hidden_size=16,
        num_layers=2,
        attention_types=[[["global", "local"], 1]],
        num_heads=2,
        window_size=12,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    base = tiny_models.save_base(config, str(tmp_path / "base"))
    model = load_for_training(base, seed=5).model
    assert train(model, tmp_path / "run", max_steps=2)._read.layout == "chunk"


def test_a_layout_that_nothing_agrees_with_falls_back_to_padding(bases, tmp_path, monkeypatch):
    def wrong(model, ids, mask, chunks):
        plain = layout.read_out(model, ids, mask)
        return ReadOut(plain.rewards, plain.hidden * 1.01)

    monkeypatch.setattr(layout, "read_chunks", wrong)
    model = load_for_training(bases["bert"], seed=5).model
    run = train(model, tmp_path, max_steps=2)
    assert run._read.layout == "off"
    assert sum("(limit 0.0001)" in line for line in run.notices) == 1
    assert head_modules(run.model)


def broken(kind):
    """Trees whose states are right and whose gradients are not, or that fail in one pass."""

    def fail(*_):
        raise RuntimeError("no kernel for this")

    def watch(_module, _args, output):
        if output.requires_grad:
            output.register_hook(fail)

    def read(model, trees, **settings):
        with ExitStack() as hooks:
            if kind == "midway":
                hooks.callback(model.model.layers[0].register_forward_hook(watch).remove)
            found = read_trees(model, trees, **settings)
        if kind == "forward" or (kind == "backward" and found.hidden.requires_grad):
            raise RuntimeError("no kernel for this")
        return ReadOut(2 * found.rewards - found.rewards.detach(), found.hidden)

    return read


def test_gradients_that_differ_are_found_out(bases, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "read_trees", broken("gradient"))
    model = load_for_training(bases["qwen2"], seed=5).model
    run = train(model, tmp_path, max_steps=2)
    assert run._read.layout == "chunk"
    assert [n for n in run.notices if n.startswith("packing: tree") and "gradients differ" in n]


@pytest.mark.parametrize("kind", ["forward", "backward", "midway"])
def test_code_that_fails_is_warned_of_and_training_goes_on(kind, bases, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "read_trees", broken(kind))
    model = load_for_training(bases["qwen2"], seed=5).model
    said = "tree fails with Qwen2ForSequenceClassification .RuntimeError: no kernel for this"
    with pytest.warns(LayoutWarning, match=said):
        run = train(model, tmp_path, max_steps=2)
    plain = load_for_training(bases["qwen2"], seed=5).model
    same_course(run, train(plain, tmp_path / "off", max_steps=2, packing="off"), "chunk")


def test_what_does_not_fit_is_no_fault(bases, tmp_path, monkeypatch):
    def full(model, trees, **settings):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(layout, "read_trees", full)
    run = train(load_for_training(bases["qwen2"], seed=5).model, tmp_path, max_steps=1)
    assert run._read.layout == "chunk"
    assert any("it does not fit into memory" in line for line in run.notices)


def test_products_in_tf32_widen_the_tolerance():
    """However it was asked for; transformers asks by the newer of torch's two ways."""
    states = torch.randn(4, 8)
    plain, near = ReadOut(states[:, 0], states), ReadOut(states[:, 0], states * 1.002)
    assert layout_difference(plain, near, half=False)
    before = torch.backends.fp32_precision
    try:
        torch.backends.fp32_precision = "tf32"
        assert layout_difference(plain, near, half=False) is None
    finally:
        torch.backends.fp32_precision = before


def test_contrast_with_another_collator_is_refused(bases, tmp_path):
    with pytest.raises(ObjectiveError, match="'contrast' reads responses under other prompts"):
        RewardTrainer(
            load_for_training(bases["qwen2"], seed=5).model,
            RewardConfig(str(tmp_path), **SETTINGS),
            data_collator=DataCollatorForPreference(pad_token_id=0),
            train_dataset=data(),
            processing_class=tiny_data.tokenizer(),
            objective="contrast",
        )


def test_the_proof_leaves_modes_and_gradients_as_they_were(bases, tmp_path):
    model = load_for_training(bases["bert"], seed=5).model
    model.bert.embeddings.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    with layout._without_dropout(model):
        assert not model.training  # attention has dropout of its own
    assert {name: module.training for name, module in model.named_modules()} == modes
    run = train(load_for_training(bases["qwen2"], seed=5).model, tmp_path, max_steps=1)
    run.model.zero_grad()
    run._read.layout = None
    run._read(run.model, next(iter(run.get_train_dataloader())))
    assert all(parameter.grad is None for parameter in run.model.parameters())
    with layout._without_dropout(run.model.train()):
        assert run.model.training


def test_chunks_waste_least():
    lengths = [10, 9, 300, 11, 290, 1000]
    assert [sorted(c) for c in length_chunks(lengths, 8)] == [[5], [2, 4], [0, 1, 3]]
    assert length_chunks([5, 5, 5], 8) == [[0, 1, 2]]
    assert len(length_chunks([5, 5, 5], 3, exactly=True)) == 3
    assert sorted(chain(*length_chunks(list(range(1, 40)), 4))) == list(range(39))


def test_chunks_are_the_best_of_all_cuts():
    lengths = torch.randint(1, 400, (7,), generator=torch.Generator().manual_seed(0)).tolist()
    ordered = sorted(lengths, reverse=True)

    def cost(cut):
        edges = [0, *cut, len(ordered)]
        return sum((b - a) * ordered[a] + 64 for a, b in pairwise(edges))

    cuts = [[i for i in range(1, 7) if pick >> i & 1] for pick in range(0, 128, 2)]
    best = min(cost(cut) for cut in cuts)
    got = length_chunks(lengths, 8)
    padded = sum(len(c) * max(lengths[i] for i in c) + 64 for c in got)
    assert padded == best
