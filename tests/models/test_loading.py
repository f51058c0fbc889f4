"""A reward model is loaded whole or not at all, from a folder as from the hub."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from helpers import checkpoints, tiny_families
from helpers import tiny_models as tiny
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BartConfig

from trueward.errors import DataError, InputError, ModelError
from trueward.evaluate import model_digest
from trueward.export import export_for_rewardbench
from trueward.models import (
    load_for_training,
    load_reward_model,
    position_limit,
    score_sequences,
)
from trueward.scorer import Scorer

SEQUENCES = tiny.sequences([5, 9])


def base_of(kind, folder):
    return tiny.save_base({**tiny.DECODERS, **tiny.ENCODERS}[kind], str(folder / "base"))


def trained(kind, folder, **settings):
    load_for_training(base_of(kind, folder), seed=3, **settings).model.save_pretrained(folder / "m")
    return folder / "m"


def without(folder, *names, file="model.safetensors"):
    """Take weights out of a checkpoint."""
    weights = load_file(folder / file)
    for name in names:
        del weights[name]
    save_file(weights, folder / file, {"format": "pt"})


def adapter(folder, *, task_type="SEQ_CLS", **settings):
    """A random adapter of a base model without a head, with the reward model's config."""
    model = load_for_training(base_of("llama", folder), seed=3).model
    config = LoraConfig(
        r=2, target_modules=["q_proj"], init_lora_weights=False, task_type=task_type, **settings
    )
    wrapped = get_peft_model(model, config)
    wrapped.save_pretrained(folder / "adapter")
    model.config.save_pretrained(folder / "adapter")
    return folder / "adapter", wrapped


def rewards(model):
    return score_sequences(model.eval(), SEQUENCES, pad_token_id=tiny.PAD).rewards


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("llama", ["model.layers.1.mlp.up_proj.weight"]),
        ("bert", ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]),
    ],
)
def test_a_weight_that_is_not_there_is_named(kind, names, tmp_path):
    path = trained(kind, tmp_path)
    load_reward_model(str(path))
    without(path, *names)
    with pytest.raises(ModelError) as raised:
        load_reward_model(str(path))
    said = str(raised.value)
    assert f"lacks {len(names)} of the weights" in said
    assert all(name in said for name in names)
    assert "\n" not in said
    assert not load_for_training(str(path)).new_head  # what training lacks it draws


def test_of_many_a_few_are_named(tmp_path):
    path = trained("llama", tmp_path)
    without(path, *[name for name in load_file(path / "model.safetensors") if "layers.0" in name])
    with pytest.raises(ModelError, match=r"lacks 9 of the weights .*layernorm\.weight, .*, …\)"):
        load_reward_model(str(path))


def test_tied_weights_are_not_missed(tmp_path):
    config = BartConfig(
        vocab_size=50,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_position_embeddings=64,
        num_labels=1,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    embeddings = [name for name in load_file(tmp_path / "model.safetensors") if "embed_tok" in name]
    assert embeddings == []  # one of three is saved: `shared`
    model = load_reward_model(str(tmp_path))
    assert model.model.encoder.embed_tokens.weight is model.model.shared.weight


def test_an_appended_mean_layer_is_loaded(tmp_path):
    path = trained("bert", tmp_path, pooling="mean")
    assert torch.equal(rewards(load_reward_model(str(path))), rewards(load_reward_model(str(path))))


def test_an_adapter_brings_the_head_that_its_base_lacks(tmp_path):
    path, wrapped = adapter(tmp_path, modules_to_save=["score"])
    assert torch.allclose(rewards(load_reward_model(str(path))), rewards(wrapped), atol=1e-6)


def test_an_adapter_without_the_head_is_refused(tmp_path):
    path, _ = adapter(tmp_path, task_type=None)
    with pytest.raises(ModelError, match=r"has no reward head: score\.weight.*modules_to_save"):
        load_reward_model(str(path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("base_model.model.score.weight", r"score\.weight is not in"),
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", r"lacks .*lora_A"),
    ],
)
def test_an_adapter_that_lacks_a_weight_is_refused(name, said, tmp_path):
    path, _ = adapter(tmp_path, modules_to_save=["score"])
    without(path, name, file="adapter_model.safetensors")
    with pytest.raises(ModelError, match=said) as raised:
        load_reward_model(str(path))
    assert "\n" not in str(raised.value)


def test_an_adapter_that_lost_the_head_its_base_has_is_refused(tmp_path):
    path, wrapped = adapter(tmp_path, modules_to_save=["score"])
    wrapped.merge_and_unload().save_pretrained(tmp_path / "base")
    load_reward_model(str(path))
    without(path, "base_model.model.score.weight", file="adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"lacks '.*score\.weight'"):
        load_reward_model(str(path))


def test_pickled_adapters_are_refused(tmp_path):
    path, _ = adapter(tmp_path, modules_to_save=["score"])
    torch.save(load_file(path / "adapter_model.safetensors"), path / "adapter_model.bin")
    (path / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no adapter_model\.safetensors.*pickled"):
        load_reward_model(str(path))


@pytest.mark.parametrize("file", ["m/model.safetensors", "adapter/adapter_model.safetensors"])
def test_damaged_weights_are_one_line(file, tmp_path):
    trained("llama", tmp_path)
    adapter(tmp_path, modules_to_save=["score"])
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot load") as raised:
        load_reward_model(str(path.parent))
    assert "\n" not in str(raised.value)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub without a network: what is put there is in the cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def put(folder, name):
        place = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, place / "snapshots" / "c0ffee")
        (place / "refs").mkdir()
        (place / "refs/main").write_text("c0ffee")
        return name

    return put


def test_a_hub_name_is_scored_as_it_was_trained(hub, tmp_path):
    folder = checkpoints.save(tmp_path)
    record = {"max_length": 6, "truncation": "truncate_left", "text": True}
    (tmp_path / "model/trueward.json").write_text(json.dumps(record))
    name = hub(folder, "org/rm")
    scorer, local = (Scorer.from_pretrained(path, device="cpu") for path in (name, folder))
    assert (scorer.encoder.max_length, scorer.encoder.truncation, scorer.text) == (
        6,
        "truncate_left",
        True,
    )
    rows = (["w1 w2 w3 w4 "], ["w5 w6 w7"])
    assert scorer.score(*rows) == local.score(*rows)
    (tmp_path / "model/trueward.json").unlink()
    plain = Scorer.from_pretrained(hub(folder, "org/plain"), device="cpu")
    assert (plain.encoder.max_length, plain.text) == (64, False)
    assert model_digest("org/rm") == "org/rm@c0ffee"


def test_an_adapter_on_the_hub_is_put_on_its_base(hub, tmp_path):
    path, wrapped = adapter(tmp_path, modules_to_save=["score"])
    name = hub(path, "org/adapter")
    assert torch.allclose(rewards(load_reward_model(name)), rewards(wrapped), atol=1e-6)
    base = model_digest(str(tmp_path / "base"))
    assert model_digest(name) == f"org/adapter@c0ffee on {base}"
    config = json.loads((path / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = hub(tmp_path / "base", "org/base")
    (path / "adapter_config.json").write_text(json.dumps(config))
    shutil.rmtree(tmp_path / "base")
    name = hub(path, "org/both")
    assert torch.allclose(rewards(load_reward_model(name)), rewards(wrapped), atol=1e-6)
    assert model_digest(name) == "org/both@c0ffee on org/base@c0ffee"


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_damaged_record_is_one_line(text, tmp_path):
    folder = checkpoints.save(tmp_path)
    (tmp_path / "model/trueward.json").write_text(text, encoding="latin-1")

    def export_over(folder):
        export_for_rewardbench("any", Path(folder), overwrite=True)

    for read in (Scorer.from_pretrained, export_over):
        with pytest.raises(ModelError, match=r"trueward\.json: expected a JSON obj") as raised:
            read(folder)
        assert "\n" not in str(raised.value)


def test_a_record_with_a_wrong_value_is_one_line(tmp_path):
    folder = checkpoints.save(tmp_path)
    (tmp_path / "model/trueward.json").write_text('{"max_length": "6"}')
    with pytest.raises(DataError, match="field 'max_length': expected a whole number") as raised:
        Scorer.from_pretrained(folder)
    assert isinstance(raised.value, InputError)


TABLES = ["bart", "ibert", "lilt", "longformer", "luke", "mpnet", "opt", "roberta", "xmod", "yoso"]


@pytest.mark.parametrize("name", TABLES)
def test_the_position_limit_is_the_longest_sequence_that_can_be_read(name):
    model = tiny_families.build(name)
    limit = position_limit(model)
    model(torch.tensor([[*[5] * (limit - 1), 2]]))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.tensor([[*[5] * limit, 2]]))


def test_positions_without_a_table_have_the_limit_that_the_config_says():
    assert position_limit(tiny_families.build("xlnet")) is None
    assert position_limit(tiny_families.build("t5")) is None
    assert position_limit(tiny_families.build("llama, dynamic rope")) == 4 * 24
