"""An export scores as the checkpoint does, in the plain class; files are as transformers 4 asks."""

import json

import numpy as np
import pytest
import torch
from helpers import tiny_data, tiny_models
from peft import LoraConfig
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from trueward import RewardConfig, RewardTrainer
from trueward.cli import main
from trueward.data import DEFAULT_CHAT_TEMPLATE
from trueward.errors import DataError, ModelError, OutputExistsError
from trueward.export import export_for_rewardbench
from trueward.models import load_for_training
from trueward.scorer import Scorer

CHAT = "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' <eos> ' }}{% endfor %}"
ROWS = tiny_data.pairs(6, seed=4)
MESSAGES = [
    ([{"role": "user", "content": p}], [{"role": "assistant", "content": c}])
    for p, c in zip(ROWS["prompt"], ROWS["chosen"], strict=True)
]


def save(folder, kind="llama", chat=CHAT, post_processor=None, **config):
    made = {**tiny_models.DECODERS, **tiny_models.ENCODERS}[kind]
    made = type(made)(**{**made.to_dict(), **config})
    base = tiny_models.save_base(made, str(folder / "base"))
    load_for_training(base, seed=3).model.save_pretrained(folder / "model")
    tokenizer = tiny_data.tokenizer()
    tokenizer.chat_template = chat
    if post_processor is not None:
        tokenizer.backend_tokenizer.post_processor = post_processor
    tokenizer.save_pretrained(folder / "model")
    return str(folder / "model")


def framed(single):
    return TemplateProcessing(single=single, special_tokens=[("<bos>", 1), ("<eos>", 2)])


def as_the_package_scores(folder):
    """Render, tokenize, pad left (one at a time here), read the plain class's logit."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [tokenizer.apply_chat_template(p + r, tokenize=False) for p, r in MESSAGES]
    with torch.no_grad():
        rows = [tokenizer(text, return_tensors="pt") for text in texts]
        return [float(model(**row).logits[0, 0]) for row in rows]


def ours(checkpoint):
    scorer = Scorer.from_pretrained(checkpoint, device="cpu")
    return scorer.score([p for p, _ in MESSAGES], [r for _, r in MESSAGES])


@pytest.mark.parametrize("chat", [CHAT, DEFAULT_CHAT_TEMPLATE, None])
@pytest.mark.parametrize(
    "frame", [None, "<bos> $A", "<bos> $A <eos>"], ids=["bare", "bos", "bos and eos"]
)
@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_scores_are_those_of_the_checkpoint(kind, frame, chat, tmp_path):
    checkpoint = save(tmp_path, kind, chat, framed(frame) if frame else None)
    export_for_rewardbench(checkpoint, tmp_path / "out")
    theirs = as_the_package_scores(tmp_path / "out")
    assert np.allclose(theirs, ours(checkpoint), atol=1e-5)
    assert np.std(theirs) > 1e-3


def test_files_are_those_that_transformers_4_reads(tmp_path):
    done = export_for_rewardbench(save(tmp_path), tmp_path / "out")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {
        "chat_template.jinja",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "trueward.json",
    }
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["torch_dtype"] == "float32"
    assert config["rope_theta"] == 10000.0
    assert not {"dtype", "rope_parameters", "rope_scaling"} & set(config)
    tokenizer = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert tokenizer["model_input_names"] == ["input_ids", "attention_mask"]
    assert "--batch_size" not in done.command
    assert [file.name for file in tmp_path.iterdir() if "tmp" in file.name] == []


def test_half_precision_stays_what_it_is(tmp_path):
    checkpoint = save(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.bfloat16)
    model.save_pretrained(checkpoint)
    export_for_rewardbench(checkpoint, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["torch_dtype"] == "bfloat16"
    assert np.allclose(as_the_package_scores(tmp_path / "out"), ours(checkpoint), atol=1e-5)


def test_scaled_and_renamed_rotary_positions(tmp_path):
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e4}
    checkpoint = save(tmp_path / "a", rope_parameters=rope)
    export_for_rewardbench(checkpoint, tmp_path / "a" / "out")
    config = json.loads((tmp_path / "a" / "out" / "config.json").read_text())
    assert config["rope_theta"] == 5e4
    assert config["rope_scaling"] == {"rope_type": "linear", "factor": 2.0}
    assert np.allclose(as_the_package_scores(tmp_path / "a" / "out"), ours(checkpoint), atol=1e-5)

    checkpoint = save(tmp_path / "b", "modernbert")
    done = export_for_rewardbench(checkpoint, tmp_path / "b" / "out")
    config = json.loads((tmp_path / "b" / "out" / "config.json").read_text())
    assert (config["global_rope_theta"], config["local_rope_theta"]) == (160000.0, 10000.0)
    assert np.allclose(as_the_package_scores(tmp_path / "b" / "out"), ours(checkpoint), atol=1e-5)
    assert "--batch_size=1" in done.command  # its first token would be padding


def test_an_adapter_is_merged(tmp_path):
    base = save(tmp_path)
    run = RewardTrainer(
        base,
        RewardConfig(
            str(tmp_path / "run"), max_steps=3, learning_rate=1e-2, report_to="none", use_cpu=True
        ),
        train_dataset=tiny_data.pairs(24),
        peft_config=LoraConfig(r=2, target_modules=["q_proj"]),
    )
    run.train()
    run.save_model(str(tmp_path / "adapter"))
    run.processing_class.save_pretrained(tmp_path / "adapter")
    done = export_for_rewardbench(str(tmp_path / "adapter"), tmp_path / "out")
    theirs = as_the_package_scores(tmp_path / "out")
    assert np.allclose(theirs, ours(str(tmp_path / "adapter")), atol=1e-5)
    assert not np.allclose(theirs, ours(base), atol=1e-3)
    assert not (tmp_path / "out" / "adapter_config.json").exists()
    assert any("merged" in change for change in done.changes)


def test_only_an_export_is_overwritten(tmp_path):
    checkpoint, out = save(tmp_path), tmp_path / "out"
    export_for_rewardbench(checkpoint, out)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        export_for_rewardbench(checkpoint, out)
    (out / "stale").touch()
    export_for_rewardbench(checkpoint, out, overwrite=True)
    assert not (out / "stale").exists()
    with pytest.raises(OutputExistsError, match="no export of ours"):
        export_for_rewardbench(checkpoint, tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_what_the_package_cannot_score_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"gemma3_text.*4\.51"):
        export_for_rewardbench(save(tmp_path / "a", "gemma3_text"), tmp_path / "out")
    with pytest.raises(ModelError, match="pad_token_id"):
        export_for_rewardbench(save(tmp_path / "b", pad_token_id=None), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pairs_become_message_lists(tmp_path, capsys):
    data = tmp_path / "data.jsonl"
    data.write_text('{"prompt": "w1 ", "chosen": "w2", "rejected": "w3"}\n')
    command = ["export", save(tmp_path), "--for", "rewardbench", "-o", str(tmp_path / "out")]
    assert main([*command, "--data", str(data), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "out" / "pairs.jsonl").read_text()) == {
        "chosen": [{"role": "user", "content": "w1 "}, {"role": "assistant", "content": "w2"}],
        "rejected": [{"role": "user", "content": "w1 "}, {"role": "assistant", "content": "w3"}],
    }
    assert out["pairs"] == 1
    assert f"--dataset={tmp_path / 'out' / 'pairs.jsonl'} --load_json" in out["command"]
    assert main(command) == 2
    assert main([*command, "--overwrite"]) == 0
    shown = capsys.readouterr().out
    assert "rewardbench --model=" in shown
    assert "tokenizer_class" in shown


@pytest.mark.parametrize(
    ("prompt", "chosen", "words"),
    [
        ([("system", "w1"), ("user", "w2")], [("assistant", "w3")], "alternation"),
        ([("user", "w2"), ("assistant", "w3")], [("assistant", "w4")], "alternation"),
        ([("user", "w2")], [("assistant", "w3"), ("assistant", "w5")], "one message"),
    ],
)
def test_conversations_that_the_package_would_change_are_refused(prompt, chosen, words, tmp_path):
    def turns(pairs):
        return [{"role": role, "content": content} for role, content in pairs]

    row = {
        "prompt": turns(prompt),
        "chosen": turns(chosen),
        "rejected": turns([("assistant", "x")]),
    }
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=f"pair 0.*{words}"):
        export_for_rewardbench(save(tmp_path), tmp_path / "out", data=str(data))
    assert not (tmp_path / "out").exists()


def test_over_length_sequences_are_counted(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({"prompt": "w1 ", "chosen": "w2 " * 80, "rejected": "w3"}) + "\n")
    done = export_for_rewardbench(save(tmp_path), tmp_path / "out", data=str(data))
    assert any("1 of 2 sequences are longer than max_length=64" in line for line in done.changes)
