import json

import numpy as np
import pytest
import torch
import trl
from datasets import Dataset
from helpers import tiny_data, tiny_models
from peft import AutoPeftModelForSequenceClassification, LoraConfig
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from trueward.data import Encoder
from trueward.errors import DataError, InputError, ModelError, ObjectiveError
from trueward.models import load_for_training, load_reward_model, score_sequences
from trueward.training import RewardConfig, RewardTrainer

QUICK = {
    "per_device_train_batch_size": 4,
    "max_steps": 6,
    "learning_rate": 1e-2,
    "report_to": "none",
    "disable_tqdm": True,
    "logging_steps": 1,
    "save_strategy": "no",
    "gradient_checkpointing": False,
    "use_cpu": True,
    "bf16": False,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.save_base(
        tiny_models.DECODERS["llama"], str(tmp_path_factory.mktemp("base"))
    )


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_models.save_base(tiny_models.ENCODERS["bert"], str(tmp_path_factory.mktemp("bert")))


def trainer(model, tmp_path, data=None, tokenizer=None, **changes):
    objective = changes.pop("objective", "bt")
    peft_config = changes.pop("peft_config", None)
    return RewardTrainer(
        model,
        RewardConfig(str(tmp_path), **{**QUICK, **changes}),
        train_dataset=data if data is not None else tiny_data.pairs(24),
        processing_class=tokenizer or tiny_data.tokenizer(),
        objective=objective,
        peft_config=peft_config,
    )


def losses(run):
    return [row["loss"] for row in run.state.log_history if "loss" in row]


def test_bradley_terry_follows_trl_step_by_step(base, tmp_path):
    ours = trainer(load_for_training(base, seed=5).model, tmp_path / "a")
    theirs = trl.RewardTrainer(
        load_for_training(base, seed=5).model,
        trl.RewardConfig(str(tmp_path / "b"), **QUICK),
        train_dataset=tiny_data.pairs(24),
        processing_class=tiny_data.tokenizer(),
    )
    ours.train()
    theirs.train()
    assert np.allclose(losses(ours), losses(theirs), rtol=1e-5)
    assert losses(ours)[-1] < losses(ours)[0]
    for name in ("accuracy", "margin", "min_reward", "mean_reward", "max_reward", "num_tokens"):
        a = [row[name] for row in ours.state.log_history if name in row]
        b = [row[name] for row in theirs.state.log_history if name in row]
        assert np.allclose(a, b, rtol=1e-4, atol=1e-5), name


def test_margin_column_follows_trl_where_no_objective_is_named(base, tmp_path):
    data = tiny_data.pairs(24).add_column("margin", [0.5 + i / 10 for i in range(24)])
    ours = RewardTrainer(
        load_for_training(base, seed=5).model,
        trl.RewardConfig(str(tmp_path / "a"), **QUICK),
        train_dataset=data,
        processing_class=tiny_data.tokenizer(),
    )
    assert str(ours.objective) == "margin_column"
    theirs = trl.RewardTrainer(
        load_for_training(base, seed=5).model,
        trl.RewardConfig(str(tmp_path / "b"), **QUICK),
        train_dataset=data,
        processing_class=tiny_data.tokenizer(),
    )
    ours.train()
    theirs.train()
    assert np.allclose(losses(ours), losses(theirs), rtol=1e-5)


@pytest.mark.parametrize(
    "objective",
    ["bsr", "aplot + bsr", "normbt", "contrast", "hinge", "triplet + aplot", "dr + centering"],
)
def test_objectives_learn_and_log_their_own_metrics(base, tmp_path, objective):
    run = trainer(base, tmp_path, objective=objective, max_steps=24)
    run.train()
    first = run.state.log_history[0]
    assert np.mean([row["accuracy"] for row in run.state.log_history[-9:-1]]) > 0.9
    assert {"hidden_norm", "hidden_norm_std", "difference_norm", "head_norm"} <= first.keys()
    expected = {"bsr": "reward_sum", "aplot": "transport_entropy", "contrast": "contrast_accuracy"}
    for part, metric in expected.items():
        assert (metric in first) == (part in objective)
    assert all(np.isfinite(v) for v in first.values())


@pytest.mark.parametrize("pad", ["<pad>", None, "<eos>"])
def test_saved_model_scores_the_same_in_the_plain_class(base, tmp_path, pad):
    run = trainer(base, tmp_path, tokenizer=tiny_data.tokenizer(pad=pad))
    run.train()
    run.save_model(str(tmp_path / "rm"))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "rm")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    assert plain.config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id
    assert plain.config.problem_type == "regression"
    rows = tiny_data.pairs(6, seed=9)
    encoder = Encoder(tokenizer, 64, "error")
    sequences = [encoder.encode(r["prompt"], r["chosen"]) for r in rows]
    ours = score_sequences(run.model, sequences, pad_token_id=tokenizer.pad_token_id).rewards
    batch = tokenizer.pad({"input_ids": sequences}, return_tensors="pt")
    with torch.no_grad():
        theirs = plain(**batch).logits[:, 0]
    assert torch.allclose(ours, theirs, atol=1e-5)
    record = json.loads((tmp_path / "rm" / "trueward.json").read_text())
    assert record["pad_token"]["before"] == pad
    assert (record["pad_token"]["now"] != pad) == (pad != "<pad>")
    assert any("pad token is now" in line for line in record["notices"]) == (pad != "<pad>")


def test_new_pad_token_gets_an_embedding(base, tmp_path):
    """All fifty rows of the vocabulary are words: the pad token needs a row of its own."""
    data = Dataset.from_dict(
        {"chosen_ids": [[5, i] for i in range(50)], "rejected_ids": [[7, 9]] * 50}
    )
    tokenizer = tiny_data.tokenizer(pad="<eos>")
    tokenizer.add_tokens([f"more{i}" for i in range(6)])
    run = trainer(base, tmp_path, data, tokenizer)
    assert run.processing_class.pad_token_id == 50
    assert run.model.get_input_embeddings().num_embeddings == 51


def test_lora_trains_and_saves_the_head(base, tmp_path):
    run = trainer(base, tmp_path, peft_config=LoraConfig(r=2, target_modules=["q_proj"]))
    before = run.model.get_base_model().score.weight.detach().clone()
    run.train()
    run.save_model(str(tmp_path / "adapter"))
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert any("score" in name for name in saved)
    again = AutoPeftModelForSequenceClassification.from_pretrained(
        tmp_path / "adapter", num_labels=1
    ).eval()
    sequences = tiny_models.sequences([5, 9])
    assert torch.allclose(
        score_sequences(run.model, sequences, pad_token_id=0).rewards,
        score_sequences(again, sequences, pad_token_id=0).rewards,
        atol=1e-5,
    )
    ours = load_reward_model(str(tmp_path / "adapter"))
    assert torch.allclose(
        score_sequences(run.model, sequences, pad_token_id=0).rewards,
        score_sequences(ours, sequences, pad_token_id=0).rewards,
        atol=1e-5,
    )
    assert ours.config.problem_type == "regression"
    trained = next(v for k, v in saved.items() if "score" in k)
    assert not torch.equal(trained, before)


@pytest.mark.parametrize(("kind", "target"), [("modernbert", "Wqkv"), ("deberta", "query_proj")])
def test_lora_saves_what_leads_to_the_head(tmp_path, kind, target):
    base = tiny_models.save_base(tiny_models.ENCODERS[kind], str(tmp_path / "base"))
    run = trainer(base, tmp_path / "run", peft_config=LoraConfig(r=2, target_modules=[target]))
    run.train()
    run.save_model(str(tmp_path / "adapter"))
    again = AutoPeftModelForSequenceClassification.from_pretrained(
        tmp_path / "adapter", num_labels=1
    ).eval()
    ours, theirs = (
        score_sequences(model, tiny_models.sequences([5, 9]), pad_token_id=0).rewards
        for model in (run.model, again)
    )
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_lora_refuses_a_mean_layer_that_no_adapter_saves(bert, tmp_path):
    with pytest.raises(ModelError, match="adapter does not save"):
        trainer(bert, tmp_path, pooling="mean", peft_config=LoraConfig(target_modules=["query"]))


@pytest.mark.parametrize("given", [{"pad_token": "<eos>"}, {"eos_token": "<pad>"}])
def test_a_named_pad_token_that_ends_responses_is_replaced_too(base, tmp_path, given):
    run = trainer(base, tmp_path, **given)
    tokenizer = run.processing_class
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.pad_token_id == run.model.config.pad_token_id == run.data_collator.pad_token_id
    assert {ids[-1] for ids in run.train_dataset["chosen_ids"]} == {tokenizer.eos_token_id}
    with pytest.raises(ModelError, match="nope"):
        trainer(base, tmp_path, pad_token="nope")


def test_metrics_count_every_pair_of_an_accumulated_step(base, tmp_path):
    settings = {"max_steps": -1, "num_train_epochs": 1, "gradient_accumulation_steps": 3}
    run = trainer(base, tmp_path, tiny_data.pairs(18), learning_rate=0.0, **settings)
    run.train()
    rewards = score_sequences(
        run.model,
        run.train_dataset["chosen_ids"][:] + run.train_dataset["rejected_ids"][:],
        pad_token_id=0,
    ).rewards
    logged = [row["mean_reward"] for row in run.state.log_history if "mean_reward" in row]
    assert len(logged) == 2  # of 12 and of 6 pairs
    assert np.dot(logged, [12, 6]) / 18 == pytest.approx(rewards.mean().item(), rel=1e-4)


def test_peft_model_that_would_lose_its_head_is_refused(base, tmp_path):
    from peft import get_peft_model

    model = get_peft_model(
        load_for_training(base).model, LoraConfig(r=2, target_modules=["q_proj"])
    )
    with pytest.raises(ModelError, match="modules_to_save=\\['score'\\]"):
        trainer(model, tmp_path)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_encoder_trains_and_keeps_its_bias_at_zero(bert, tmp_path, pooling):
    run = trainer(bert, tmp_path, pooling=pooling, objective="aplot + bsr")
    run.train()
    assert run.model.classifier.bias.abs().sum() == 0
    run.save_model(str(tmp_path / "rm"))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    sequences = tiny_models.sequences([5, 9, 2])
    with torch.no_grad():
        theirs = torch.stack([plain(torch.tensor([s])).logits[0, 0] for s in sequences])
    assert torch.allclose(
        score_sequences(run.model, sequences, pad_token_id=0).rewards, theirs, atol=1e-5
    )


def test_resume_is_exact_with_running_state_and_random_prompts(base, tmp_path):
    """NormBT's average and prompt contrast's partners are what a resume could lose."""
    settings = {"objective": "normbt + contrast", "save_strategy": "steps", "save_steps": 3}
    whole = trainer(base, tmp_path / "a", **settings)
    whole.train()
    resumed = trainer(base, tmp_path / "b", **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-3"))
    assert losses(resumed)[3:] == pytest.approx(losses(whole)[3:], rel=1e-6)
    a, b = (r.model.state_dict() for r in (whole, resumed))
    assert all(torch.allclose(a[k], b[k], atol=1e-7) for k in a)
    assert whole.objective_state.keys() == resumed.objective_state.keys() != set()


def test_evaluation_leaves_the_running_state_alone_and_averages_over_pairs(base, tmp_path):
    run = trainer(base, tmp_path, objective="normbt", per_device_eval_batch_size=4)
    run.train()
    state = {k: v.clone() for k, v in run.objective_state.items()}
    held_out = tiny_data.pairs(9, seed=4)  # batches of 4, 4 and 1
    metrics = run.evaluate(held_out)
    assert all(torch.equal(state[k], run.objective_state[k]) for k in state)
    encoded = run.prepare(held_out, "held out")
    rewards = score_sequences(
        run.model, encoded["chosen_ids"][:] + encoded["rejected_ids"][:], pad_token_id=0
    ).rewards
    chosen, rejected = rewards.chunk(2)
    assert metrics["eval_accuracy"] == pytest.approx((chosen > rejected).float().mean().item())
    assert metrics["eval_margin"] == pytest.approx((chosen - rejected).mean().item(), abs=1e-5)


def test_over_length_pairs_are_counted(base, tmp_path):
    run = trainer(base, tmp_path, max_length=10)
    line = next(n for n in run.notices if "max_length" in n)
    dropped = 24 - len(run.train_dataset)
    assert dropped > 0
    assert str(dropped) in line
    with pytest.raises(DataError, match="max_length=10"):
        trainer(base, tmp_path, max_length=10, truncation="error")
    whole = trainer(base, tmp_path, max_length=10, truncation="truncate_left")
    assert len(whole.train_dataset) == 24
    assert max(map(len, whole.train_dataset["chosen_ids"])) == 10


def test_messages_without_a_template_get_a_plain_one(base, tmp_path):
    rows = tiny_data.pairs(8)
    data = Dataset.from_dict(
        {
            "prompt": [[{"role": "user", "content": p}] for p in rows["prompt"]],
            **{
                side: [[{"role": "assistant", "content": t}] for t in rows[side]]
                for side in ("chosen", "rejected")
            },
        }
    )
    run = trainer(base, tmp_path, data)
    assert any("no chat template" in line for line in run.notices)
    run.save_model(str(tmp_path / "rm"))
    assert AutoTokenizer.from_pretrained(tmp_path / "rm").chat_template is not None


def test_an_unused_margin_column_is_said(base, tmp_path):
    data = tiny_data.pairs(8).add_column("margin", [1.0] * 8)
    run = trainer(base, tmp_path, data, objective="bt")
    assert any("'margin' is not used" in line for line in run.notices)


def test_a_template_that_ends_on_the_pad_token_moves_the_pad_token(base, tmp_path):
    template = tmp_path / "t.jinja"
    template.write_text("{% for m in messages %}{{ m['content'] + ' ' }}{% endfor %}<pad>")
    rows = tiny_data.pairs(8)
    sides = {
        side: [[{"role": "assistant", "content": t}] for t in rows[side]]
        for side in ("chosen", "rejected")
    }
    prompts = [[{"role": "user", "content": p}] for p in rows["prompt"]]
    data = Dataset.from_dict({"prompt": prompts, **sides})
    run = trainer(base, tmp_path / "out", data, chat_template_path=str(template))
    pad = run.processing_class.pad_token_id
    assert {ids[-1] for ids in run.train_dataset["chosen_ids"]} == {0}
    assert pad != 0
    assert run.data_collator.pad_token_id == pad == run.model.config.pad_token_id


def test_center_rewards_coefficient_is_the_centering_penalty(base, tmp_path):
    run = trainer(base, tmp_path, center_rewards_coefficient=0.05)
    assert str(run.objective) == "centering(weight=0.05)"


def test_bad_input_is_said_before_anything_is_written(base, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ObjectiveError, match="needs the column 'target'"):
        trainer(base, out, objective="soft_target")
    with pytest.raises(ObjectiveError, match="aplot"):
        trainer(base, out, objective="aplt")
    with pytest.raises(InputError, match="pooling"):
        RewardConfig(str(out), pooling="middle")
    with pytest.raises(DataError, match="rejected"):
        trainer(base, out, tiny_data.pairs(4).remove_columns("rejected"))
    assert not out.exists()


def test_bf16_is_off_without_an_accelerator(tmp_path):
    if torch.accelerator.is_available():
        pytest.skip("an accelerator is there")
    assert RewardConfig(str(tmp_path)).bf16 is False


def test_pairs_that_were_encoded_for_another_trainer_keep_to_this_ones_length(base, tmp_path):
    def prepared(rows, length):
        return RewardTrainer(
            load_for_training(base, seed=5).model,
            RewardConfig(str(tmp_path), max_length=length, use_cpu=True, report_to="none"),
            train_dataset=rows,
            processing_class=tiny_data.tokenizer(),
        ).train_dataset

    encoded = prepared(tiny_data.pairs(20), 40)
    kept = prepared(encoded, 12)
    sides = zip(encoded["chosen_ids"], encoded["rejected_ids"], strict=True)
    short = [i for i, pair in enumerate(sides) if max(map(len, pair)) <= 12]
    assert 0 < len(short) < len(encoded)
    assert kept["chosen_ids"][:] == [encoded["chosen_ids"][i] for i in short]
    assert kept["prompt_length"][:] == [encoded["prompt_length"][i] for i in short]
