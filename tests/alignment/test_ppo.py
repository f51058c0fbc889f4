"""The PPO trainer: it learns, its checkpoints resume exactly, its policies are plain models."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from helpers import policy_world
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, TrainerCallback

from trueward.alignment import AlignSettings, align, policy_training
from trueward.alignment.trainers import load_arguments, rl_trainer, trainer_config
from trueward.errors import InputError

TRAINING = {
    "max_steps": 4,
    "per_device_train_batch_size": 8,
    "steps_per_generation": 2,
    "num_iterations": 2,
    "max_completion_length": 6,
    "learning_rate": 0.01,
    "disable_tqdm": True,
    "save_steps": 4,
    "logging_steps": 1,
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return AlignSettings(
        algorithm="ppo",
        **policy_world.save(tmp_path_factory.mktemp("world")),
        output_dir="",
        watch_prompts=12,
        watch_every=4,
        training=TRAINING,
    )


def test_values_and_the_reward_are_learnt(settings, tmp_path, monkeypatch):
    trainers = []
    build = policy_training.rl_trainer
    monkeypatch.setattr(
        policy_training, "rl_trainer", lambda *args: trainers.append(build(*args)) or trainers[0]
    )
    training = TRAINING | {"max_steps": 48, "save_steps": 100}
    out = align(replace(settings, output_dir=str(tmp_path / "run"), training=training))
    assert out["points"][-1]["proxy"] > out["points"][0]["proxy"]
    losses = [row["value_loss"] for row in trainers[0].state.log_history if "value_loss" in row]
    assert len(losses) == 48
    assert sum(losses[-8:]) < sum(losses[:8])
    for name in ("policy", "best"):
        path = tmp_path / "run" / name
        assert not any("value" in key for key in load_file(path / "model.safetensors"))
        AutoModelForCausalLM.from_pretrained(path)


class StopsAfterSaving(TrainerCallback):
    def on_save(self, args, state, control, **kwargs):
        if state.global_step == 4:
            raise KeyboardInterrupt


def test_resumes_exactly_from_a_checkpoint(settings, tmp_path, monkeypatch):
    training = TRAINING | {"max_steps": 8}
    whole = replace(settings, output_dir=str(tmp_path / "whole"), training=training)
    broken = replace(whole, output_dir=str(tmp_path / "broken"))
    expected = align(whole)
    build = policy_training.rl_trainer

    def interrupted(*args):
        trainer = build(*args)
        trainer.add_callback(StopsAfterSaving())
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(policy_training, "rl_trainer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            align(broken)
    assert "value_head.weight" in load_file(
        tmp_path / "broken" / "checkpoint-4" / "model.safetensors"
    )
    assert align(broken)["points"] == expected["points"]
    first, second = (
        load_file(tmp_path / name / "policy" / "model.safetensors") for name in ("whole", "broken")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    "wrong", [{"vf_coef": 0.0}, {"lam": 1.5}, {"gamma": -0.1}, {"normalize_advantages": True}]
)
def test_what_is_refused(wrong, tmp_path):
    with pytest.raises(InputError, match=next(iter(wrong))):
        trainer_config("ppo", wrong, str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("MULTI_GPU", {}, {"trust_remote_code": False, "device_map": None}),
        ("NO", {"dtype": "float32"}, {"trust_remote_code": False, "dtype": "float32"}),
        ("NO", {"trust_remote_code": True}, {"trust_remote_code": True}),
    ],
)
def test_the_policy_is_loaded_as_trl_does(kind, given, expected):
    args = SimpleNamespace(
        trust_remote_code=False,
        model_init_kwargs=given,
        distributed_state=SimpleNamespace(distributed_type=kind),
    )
    assert load_arguments(args) == expected


def trainer_of(settings, tmp_path, reward, **training):
    args = trainer_config("ppo", TRAINING | training, str(tmp_path))
    prompts = Dataset.from_list([{"prompt": "w1 "}] * 8)
    return rl_trainer("ppo", settings.policy, reward, args, prompts)


def test_rewards_are_clipped_before_the_kl_penalty(settings, tmp_path):
    """At the start the KL is 0, so each answer's returns are its clipped reward."""
    given = [-9.0, 9.0, 0.5, 0.25] * 2
    trainer = trainer_of(
        settings, tmp_path, lambda prompts, **rest: given, reward_clip_range=(-1.0, 2.0)
    )
    trainer.model.train()
    batch = trainer._generate_and_score_completions([{"prompt": "w1 "}] * 8)
    ends = batch["completion_mask"].sum(dim=1) - 1
    returns = batch["returns"][range(8), ends]
    assert returns.tolist() == pytest.approx([-1.0, 2.0, 0.5, 0.25] * 2, abs=1e-4)


def test_answers_that_were_cut_may_be_masked(settings, tmp_path):
    """With room for one token every answer is cut, unless that token is <eos>."""
    trainer = trainer_of(
        settings,
        tmp_path,
        lambda prompts, **rest: [1.0] * len(prompts),
        mask_truncated_completions=True,
        max_completion_length=1,
    )
    trainer.train()
    assert all(bool(torch.isfinite(p).all()) for p in trainer.model.parameters())


def test_values_are_of_the_states_before_each_token(settings, tmp_path):
    """Against a plain forward pass of each sequence alone, without padding."""
    trainer = trainer_of(settings, tmp_path, lambda prompts, **rest: [0.0] * len(prompts))
    head = trainer.model.value_head
    torch.nn.init.normal_(head.weight)
    prompts, answers = [[5, 6, 7], [9]], [[11, 12], [13, 14, 15]]
    batch = {
        "prompt_ids": torch.tensor([prompts[0], [0, 0, 9]]),
        "prompt_mask": torch.tensor([[1, 1, 1], [0, 0, 1]]),
        "completion_ids": torch.tensor([[11, 12, 0], answers[1]]),
        "completion_mask": torch.tensor([[1, 1, 0], [1, 1, 1]]),
    }
    trainer.model.eval()
    plain = AutoModelForCausalLM.from_pretrained(settings.policy, dtype=torch.float32).eval()
    with torch.no_grad():
        logps, values, _ = trainer._tokens(trainer.model, batch)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            out = plain(torch.tensor([prompt + answer]), output_hidden_states=True)
            before = slice(len(prompt) - 1, len(prompt) + len(answer) - 1)
            expected = head(out.hidden_states[-1][0, before]).squeeze(-1)
            assert torch.allclose(values[row, : len(answer)], expected, atol=1e-4)
            chances = out.logits[0, before].log_softmax(-1)
            of_tokens = chances[range(len(answer)), answer]
            assert torch.allclose(logps[row, : len(answer)], of_tokens, atol=1e-4)
