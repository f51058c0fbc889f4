"""A run that was broken off goes on as if it had not been: prompts, weights, looks and β."""

import signal
from dataclasses import replace

import pytest
import torch
from helpers import policy_world
from safetensors.torch import load_file
from transformers import TrainerCallback

from trueward.alignment import (
    Alarm,
    AlignSettings,
    RewardFunction,
    Shaping,
    Watch,
    align,
    policy_training,
)
from trueward.runs import last_checkpoint

TRAINING = {
    "max_steps": 10,
    "per_device_train_batch_size": 8,
    "max_completion_length": 6,
    "learning_rate": 0.01,
    "disable_tqdm": True,
    "save_steps": 100,
    "logging_steps": 3,
    "num_generations": 2,
    "beta": 0.05,
}
"""26 prompts to train on, 4 a batch: an epoch is 6 batches of answers."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return AlignSettings(
        **policy_world.save(tmp_path_factory.mktemp("world")),
        output_dir="",
        watch_prompts=12,
        watch_every=4,
        shaping=Shaping(normalize=True),
        training=TRAINING,
    )


@pytest.fixture
def seen(monkeypatch):
    """The prompts of every batch that is rewarded."""
    batches = []
    call = RewardFunction.__call__

    def noted(self, prompts, *args, **columns):
        batches.append(list(prompts))
        return call(self, prompts, *args, **columns)

    monkeypatch.setattr(RewardFunction, "__call__", noted)
    return batches


class SignalIn(TrainerCallback):
    """A signal in the middle of a step, the first of which is 1."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step - 1:
            signal.raise_signal(signal.SIGTERM)


class DiesAfterSaving(TrainerCallback):
    """The process ends once the checkpoint of this step is written."""

    def __init__(self, step):
        self.step = step

    def on_save(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def broken(settings, monkeypatch, callback):
    """Run until the callback breaks it off."""
    build = policy_training.rl_trainer

    def with_callback(*args):
        trainer = build(*args)
        trainer.add_callback(callback)
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(policy_training, "rl_trainer", with_callback)
        with pytest.raises(KeyboardInterrupt):
            align(settings)


def runs(settings, tmp_path):
    return (replace(settings, output_dir=str(tmp_path / name)) for name in ("whole", "broken"))


def assert_same(whole, other):
    first, second = (load_file(f"{s.output_dir}/policy/model.safetensors") for s in (whole, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("algorithm", ["rloo", "grpo", "ppo"])
def test_in_the_second_epoch(world, algorithm, tmp_path, monkeypatch, seen):
    passes = {"num_iterations": 1} if algorithm == "ppo" else {}
    settings = replace(world, algorithm=algorithm, training=TRAINING | passes)
    first, second = runs(settings, tmp_path)
    whole = align(first)
    prompts = [*seen]
    assert len(prompts) == 10
    assert prompts[6:9] != prompts[:3]  # another order
    seen.clear()
    broken(second, monkeypatch, SignalIn(8))
    assert align(second)["points"] == whole["points"]
    assert seen == prompts
    assert_same(first, second)


def test_a_checkpoint_between_epochs(world, tmp_path, monkeypatch, seen):
    first, second = runs(replace(world, training=TRAINING | {"save_steps": 6}), tmp_path)
    align(first)
    prompts = [*seen]
    seen.clear()
    broken(second, monkeypatch, DiesAfterSaving(6))
    align(second)
    assert seen == prompts
    assert_same(first, second)


MIDWAY = [
    ("ppo", {"num_iterations": 4}, 6, 8),
    ("ppo", {"num_iterations": 2, "steps_per_generation": 2}, 5, 8),
    ("rloo", {"num_iterations": 2, "gradient_accumulation_steps": 2}, 3, 4),
    ("grpo", {"steps_per_generation": 3}, 7, 9),
]


@pytest.mark.parametrize(("algorithm", "batches", "step", "saved"), MIDWAY)
def test_a_signal_while_answers_are_in_use(
    world, tmp_path, monkeypatch, seen, algorithm, batches, step, saved
):
    """The checkpoint waits until they are used up."""
    first, second = runs(replace(world, algorithm=algorithm, training=TRAINING | batches), tmp_path)
    whole = align(first)
    prompts = [*seen]
    seen.clear()
    broken(second, monkeypatch, SignalIn(step))
    (folder,) = (tmp_path / "broken").glob("checkpoint-*")
    assert folder.name == f"checkpoint-{saved}"
    assert align(second)["points"] == whole["points"]
    assert seen == prompts
    assert_same(first, second)


def test_a_checkpoint_at_the_end_is_not_trained_further(world, tmp_path, monkeypatch):
    settings = replace(world, training=TRAINING | {"max_steps": 3})
    first, second = runs(settings, tmp_path)
    whole = align(first)
    broken(second, monkeypatch, DiesAfterSaving(3))
    resumed = align(second)
    assert [point["step"] for point in resumed["points"]] == [0, 3]
    assert resumed["points"] == whole["points"]
    assert resumed["finished"] is True
    assert_same(first, second)


def test_a_signal_in_the_last_step_is_no_interruption(world, tmp_path, monkeypatch):
    settings = replace(world, training=TRAINING | {"max_steps": 3}, output_dir=str(tmp_path / "a"))
    build = policy_training.rl_trainer

    def signalled(*args):
        trainer = build(*args)
        trainer.add_callback(SignalIn(3))
        return trainer

    monkeypatch.setattr(policy_training, "rl_trainer", signalled)
    assert align(settings)["finished"] is True


def test_alarms_of_a_checkpoint_end_the_run(world, tmp_path, monkeypatch):
    """Broken off without the flag, given again with it: no further step."""
    settings = replace(world, output_dir=str(tmp_path / "run"))
    broken(settings, monkeypatch, SignalIn(5))
    raised = (Alarm("norms_drift", 4, "they drifted"),)
    monkeypatch.setattr(Watch, "alarms", property(lambda watch: raised))
    out = align(replace(settings, stop_on_overoptimization=True))
    assert out["stopped"] == "over-optimization"
    assert out["points"][-1]["step"] == 5
    saved = load_file(tmp_path / "run" / "checkpoint-5" / "model.safetensors")
    last = load_file(tmp_path / "run" / "policy" / "model.safetensors")
    assert all(torch.equal(saved[name], last[name]) for name in last)


def test_an_unfinished_checkpoint_is_no_checkpoint(tmp_path):
    for step in (4, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-4" / "align_state.json").write_text("{}")
    assert last_checkpoint(tmp_path, "align_state.json") == str(tmp_path / "checkpoint-4")


@pytest.mark.parametrize("algorithm", ["rloo", "grpo", "ppo"])
def test_the_adapted_coefficient_goes_on(world, tmp_path, monkeypatch, algorithm):
    """The policy starts at no distance, so β first falls by 0.2 · 8 / 100, whatever comes later."""
    passes = {"num_iterations": 2} if algorithm == "ppo" else {}
    shaping = Shaping(kl_target=3.0, kl_horizon=100.0)
    first, second = runs(
        replace(
            world,
            algorithm=algorithm,
            shaping=shaping,
            watch_every=1,
            training=TRAINING | passes,
        ),
        tmp_path,
    )
    whole = align(first)
    betas = [point["beta"] for point in whole["points"]]
    assert betas[:2] == pytest.approx([0.05, 0.05 * (1 - 0.2 * 8 / 100)])
    assert len({*betas}) == (6 if algorithm == "ppo" else 11)
    assert whole["settings"]["shaping"]["kl_target"] == 3.0
    broken(second, monkeypatch, SignalIn(4))
    assert align(second)["points"] == whole["points"]
    assert_same(first, second)
