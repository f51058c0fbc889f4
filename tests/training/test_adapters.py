"""What training saves beside an adapter loads everywhere, with the same scores."""

import json
import shutil

import huggingface_hub.constants
import pytest
import torch
from datasets import Dataset
from helpers import benchmark_rows, tiny_data, tiny_models
from peft import AutoPeftModelForSequenceClassification, LoraConfig
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    GPTQConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from trueward import RewardConfig, RewardTrainer, Scorer
from trueward.cli import main
from trueward.errors import ModelError
from trueward.models import ensure_distinct_pad, load_reward_model, score_sequences
from trueward.settings import ScoreSettings
from trueward.training.prepare import write_base_config

QUICK = {
    "per_device_train_batch_size": 4,
    "max_steps": 3,
    "learning_rate": 1e-2,
    "report_to": "none",
    "disable_tqdm": True,
    "save_strategy": "no",
    "gradient_checkpointing": False,
    "use_cpu": True,
    "bf16": False,
}
NF4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
PROMPTS, ANSWERS = ["w1 w2 "] * 2, ["w3 w5 w7", "w4"]


def words(*special):
    """A tokenizer of forty words and these special tokens alone, so without a spare one."""
    vocabulary = {t: i for i, t in enumerate([*special, *tiny_data.WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {f"{token.strip('<>')}_token": token for token in special}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def byte_bpe():
    """As GPT-2's: EOS is its only special token."""
    merges = [("t", "h"), ("th", "e"), ("Ġ", "a"), ("Ġ", "the")]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<eos>", *letters, *("".join(merge) for merge in merges)]
    inner = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>")


def llama(folder, rows, eos, **sizes):
    settings = {**tiny_models.COMMON, "vocab_size": rows, "eos_token_id": eos, **sizes}
    config = LlamaConfig(**{**settings, "pad_token_id": None}, num_key_value_heads=2)
    return tiny_models.save_base(config, str(folder / "base"))


def trained(base, tokenizer, folder, quantization_config=None, **changes):
    run = RewardTrainer(
        base,
        RewardConfig(str(folder), **{**QUICK, **changes}),
        train_dataset=tiny_data.pairs(16),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False),
        quantization_config=quantization_config,
    )
    run.train()
    run.save_model(str(folder / "adapter"))
    return run, str(folder / "adapter")


def plain_logits(model, tokenizer):
    """Of the class itself, both answers in one padded batch."""
    texts = [p + a + tokenizer.eos_token for p, a in zip(PROMPTS, ANSWERS, strict=True)]
    texts = [text.replace(tokenizer.eos_token, f" {tokenizer.eos_token}") for text in texts]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    with torch.no_grad():
        return model.eval()(**batch).logits.float().flatten().tolist()


def evaluated(path, folder):
    """The scores that `trueward eval` writes of pairs."""
    rows = benchmark_rows.write(folder / "mine.jsonl", benchmark_rows.pairs(4))
    words = ("eval", f"m={path}", "--suite", "pairs", "--data", rows, "--device", "cpu")
    assert main([*map(str, words), "-o", str(folder / "eval")]) == 0
    lines = (folder / "eval/m/pairs.scores.jsonl").read_text().splitlines()
    return [json.loads(line)["scores"] for line in lines]


@pytest.mark.parametrize(
    ("special", "pad", "chosen"),
    [
        (("<bos>", "<eos>", "<unk>"), None, "<unk>"),
        (("<bos>", "<eos>", "<unk>"), "<eos>", "<unk>"),
        (("<bos>", "<eos>", "<unk>"), "<new>", "<unk>"),
        (("<unk>", "<eos>", "<pad>"), "<eos>", "<pad>"),
    ],
)
def test_an_adapter_never_grows_its_base(special, pad, chosen, tmp_path):
    tokenizer = words(*special)
    rows = len(tokenizer)
    if pad == "<new>":
        tokenizer.add_special_tokens({"pad_token": "<new>"})
    tokenizer.pad_token = pad
    run, path = trained(llama(tmp_path, rows, 1), tokenizer, tmp_path)
    assert run.model.get_input_embeddings().num_embeddings == rows
    said = next(line for line in run.notices if "pad token is now" in line)
    assert repr(chosen) in said
    assert "an adapter adds no token to its base" in said
    saved = AutoTokenizer.from_pretrained(path)
    assert saved.pad_token == chosen
    assert (
        saved.pad_token_id
        == json.loads((tmp_path / "adapter/config.json").read_text())["pad_token_id"]
    )

    wanted = plain_logits(run.model, saved)
    scorer = Scorer.from_pretrained(path, device="cpu")
    assert scorer.score(PROMPTS, ANSWERS) == pytest.approx(wanted, abs=1e-5)
    auto = AutoPeftModelForSequenceClassification.from_pretrained(
        path, num_labels=1, pad_token_id=saved.pad_token_id
    )
    assert plain_logits(auto, saved) == pytest.approx(wanted, abs=1e-5)
    auto.merge_and_unload().save_pretrained(tmp_path / "merged")
    saved.save_pretrained(tmp_path / "merged")
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    assert plain_logits(merged, saved) == pytest.approx(wanted, abs=1e-5)
    shutil.copy(tmp_path / "adapter/trueward.json", tmp_path / "merged")
    ours = evaluated(path, tmp_path)
    for mine, theirs in zip(ours, evaluated(tmp_path / "merged", tmp_path / "merged"), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


def test_a_byte_level_tokenizer_gives_a_token_that_no_text_contains(tmp_path):
    tokenizer = byte_bpe()
    model = AutoModelForSequenceClassification.from_config(
        LlamaConfig(**{**tiny_models.COMMON, "vocab_size": len(tokenizer), "num_labels": 1})
    )
    text = "the athe thea Ġ"
    before = tokenizer(text)["input_ids"]
    ids = tokenizer.get_vocab()
    notice = ensure_distinct_pad(tokenizer, model, endings={ids["Ġthe"]}, grow=False)
    assert "'Ġa'" in notice
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert (again.pad_token, again(text)["input_ids"]) == ("Ġa", before)


def test_a_tokenizer_without_any_token_to_spare_is_refused_in_one_line(tmp_path):
    tokenizer = words("<eos>", "<unk>")
    data = Dataset.from_dict({"chosen_ids": [[5, 1], [6, 0]], "rejected_ids": [[7, 0], [8, 9]]})
    with pytest.raises(ModelError, match="an adapter needs a pad token among") as raised:
        RewardTrainer(
            llama(tmp_path, len(tokenizer), 0),
            RewardConfig(str(tmp_path), **QUICK),
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=LoraConfig(r=2, target_modules=["q_proj"]),
        )
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_an_embedding_that_was_grown_and_saved_is_loaded(tmp_path):
    """As adapters were saved when training one could still grow its base."""
    tokenizer = words("<bos>", "<eos>", "<unk>")
    run, path = trained(llama(tmp_path, len(tokenizer), 1), tokenizer, tmp_path)
    tokenizer.add_special_tokens({"pad_token": "<new>"})
    run.model.get_base_model().resize_token_embeddings(44)
    run.model.get_base_model().config.pad_token_id = 43
    run.save_model(path)
    file = tmp_path / "adapter/adapter_model.safetensors"
    assert any("embed_tokens" in name for name in load_file(file))
    wanted = plain_logits(run.model, tokenizer)
    scorer = Scorer.from_pretrained(path, device="cpu")
    assert scorer.score(PROMPTS, ANSWERS) == pytest.approx(wanted, abs=1e-5)
    run.model.save_pretrained(path, save_embedding_layers=False)
    with pytest.raises(ModelError, match=r"on 44 tokens, its base has 43, and it brings no"):
        Scorer.from_pretrained(path)


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """An adapter, and its scores."""
    folder = tmp_path_factory.mktemp("lora")
    base = llama(folder, 43, 1)
    _, path = trained(base, words("<bos>", "<eos>", "<unk>"), folder)
    return path, base, Scorer.from_pretrained(path, device="cpu").score(PROMPTS, ANSWERS)


def test_the_base_says_how_it_is_quantized(lora, tmp_path):
    """A config beside an adapter may tell how the base was loaded for training."""
    path, base, wanted = lora
    shutil.copytree(path, tmp_path / "a")
    for folder in (tmp_path / "a", tmp_path / "b"):
        shutil.copytree(base if folder.name == "b" else path, folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        config["quantization_config"] = GPTQConfig(bits=4).to_dict()
        (folder / "config.json").write_text(json.dumps(config))
    got = Scorer.from_pretrained(str(tmp_path / "a"), device="cpu").score(PROMPTS, ANSWERS)
    assert got == wanted
    adapter = json.loads((tmp_path / "a/adapter_config.json").read_text())
    adapter["base_model_name_or_path"] = str(tmp_path / "b")
    (tmp_path / "a/adapter_config.json").write_text(json.dumps(adapter))
    with pytest.raises(ModelError, match=r"cannot load .*b' .*(?i:gptq)"):  # not installed
        Scorer.from_pretrained(str(tmp_path / "a"), device="cpu")


def test_how_the_base_was_quantized_is_not_written(lora, tmp_path):
    model = load_reward_model(lora[0]).get_base_model()
    model.config.quantization_config = NF4
    write_base_config(model, tmp_path)
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    assert model.config.quantization_config is NF4


@pytest.mark.filterwarnings("ignore:Could not find a config file")  # PEFT, without a network
def test_an_adapter_names_the_revision_of_its_base(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    place = tmp_path / "hub/models--org--base"
    shutil.copytree(llama(tmp_path, 43, 1), place / "snapshots/c0ffee")
    (place / "refs").mkdir()
    (place / "refs/v2").write_text("c0ffee")
    _, path = trained(
        "org/base",
        words("<bos>", "<eos>", "<unk>"),
        tmp_path / "run",
        model_init_kwargs={"revision": "v2"},
    )
    adapter = json.loads((tmp_path / "run/adapter/adapter_config.json").read_text())
    assert adapter["revision"] == "v2"
    Scorer.from_pretrained(path, device="cpu").score(PROMPTS, ANSWERS)  # there is no main


def test_an_adapter_is_not_put_on_an_offloaded_base(lora):
    path, base, _ = lora
    with pytest.raises(ModelError, match=f"parts of {base} are offloaded.*merge"):
        Scorer.from_pretrained(path, device_map={"": "disk"})


@pytest.mark.parametrize("bf16", [False, True])
def test_an_adapter_of_a_quantized_base_loads(bf16, tmp_path, monkeypatch):
    bits = pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes; not installed")
    # its kernels for AVX-512 have no gradient once the model was evaluated
    monkeypatch.setattr(bits.nn.modules, "has_avx512bf16", lambda: False)
    tokenizer = words("<bos>", "<eos>", "<unk>")
    base = llama(tmp_path, 50, 1, hidden_size=64, intermediate_size=64)
    run, path = trained(base, tokenizer, tmp_path, NF4, bf16=bf16)
    assert run.model.get_base_model().is_loaded_in_4bit
    assert "quantization_config" not in json.loads((tmp_path / "adapter/config.json").read_text())
    in_four_bits = Scorer.from_pretrained(path, device="cpu", quantization_config=NF4)
    wanted = in_four_bits.score(PROMPTS, ANSWERS)
    assert in_four_bits.model.get_base_model().is_loaded_in_4bit
    settings = ScoreSettings(device="cpu", load_in_4bit=True)
    assert settings.load(path).score(PROMPTS, ANSWERS) == wanted
    pad = in_four_bits.model.config.pad_token_id

    def rewards(model):
        return score_sequences(model, tiny_models.sequences([5, 9]), pad_token_id=pad).rewards

    def auto(**quantized):
        return AutoPeftModelForSequenceClassification.from_pretrained(
            path, num_labels=1, pad_token_id=pad, **quantized
        )

    ours = rewards(in_four_bits.model)
    assert torch.allclose(rewards(auto(quantization_config=NF4)), ours, atol=1e-5)
    # TRL casts the adapter to bfloat16 for training
    assert torch.allclose(rewards(run.model), ours, atol=0.1)
    whole = rewards(Scorer.from_pretrained(path, device="cpu").model)
    assert torch.allclose(rewards(auto()), whole, atol=1e-5)
    assert torch.allclose(rewards(load_reward_model(path).merge_and_unload()), whole, atol=1e-5)
