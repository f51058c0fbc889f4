"""Logged values of a fixed set of pairs, and the files beside the checkpoint."""

import json

import numpy as np
import pytest
import torch
from helpers import tiny_data, tiny_models

from trueward.models import load_for_training, score_sequences
from trueward.suites import prompt_hash, read_train_prompts
from trueward.training import RewardConfig, RewardTrainer


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("base"))
    return tiny_models.save_base(tiny_models.DECODERS["llama"], folder)


def train(base, tmp_path, **changes):
    settings = {
        "per_device_train_batch_size": 8,
        "max_steps": 6,
        "learning_rate": 1e-2,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 2,
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "use_cpu": True,
        "bf16": False,
        "probe_steps": 6,
    }
    trainer = RewardTrainer(
        load_for_training(base, seed=5).model,
        RewardConfig(str(tmp_path), **{**settings, **changes}),
        train_dataset=tiny_data.pairs(48),
        eval_dataset=tiny_data.pairs(40, seed=9),
        processing_class=tiny_data.tokenizer(),
        objective="bt + contrast",
    )
    trainer.train()
    return trainer


def test_the_probe_is_what_the_model_says_of_the_first_evaluation_pairs(base, tmp_path):
    trainer = train(base, tmp_path)
    logged = [row for row in trainer.state.log_history if "probe_margin" in row]
    assert [row["step"] for row in logged] == [6]
    rows = trainer.eval_dataset.select(range(32))
    sequences = [*rows["chosen_ids"], *rows["rejected_ids"]]
    scored = score_sequences(trainer.model, sequences, pad_token_id=0, layout="padded", states=True)
    chosen, rejected = scored.rewards[:32].numpy(), scored.rewards[32:].numpy()
    hidden = scored.hidden.double().numpy()
    singular = np.linalg.svd(hidden, compute_uv=False)
    share = singular / singular.sum()
    expected = {
        "probe_margin": (chosen - rejected).mean(),
        "probe_accuracy": (chosen > rejected).mean(),
        "probe_hidden_norm": np.linalg.norm(hidden, axis=1).mean(),
        "probe_hidden_norm_std": np.linalg.norm(hidden, axis=1).std(),
        "probe_difference_norm": np.linalg.norm(hidden[:32] - hidden[32:], axis=1).mean(),
        "probe_effective_rank": np.exp(-(share * np.log(share)).sum()),
    }
    for name, value in expected.items():
        assert logged[0][name] == pytest.approx(value, rel=1e-3), name


def test_the_probe_changes_nothing_and_can_be_left_out(base, tmp_path):
    watched, plain = (
        train(base, tmp_path / "a", probe_steps=2),
        train(base, tmp_path / "b", probe_steps=0),
    )
    assert not [row for row in plain.state.log_history if "probe_margin" in row]
    for a, b in zip(watched.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_says_how_and_on_what_it_was_trained(base, tmp_path):
    trainer = train(base, tmp_path)
    trainer.save_model(str(tmp_path / "model"))
    record = json.loads((tmp_path / "model/trueward.json").read_text())
    assert record["text"] is True
    assert record["objective"] == "contrast"
    prompts = tiny_data.pairs(48)["prompt"]
    assert read_train_prompts(tmp_path / "model") == set(map(prompt_hash, prompts))
