"""Accumulation and ranks give the gradient of one big batch: DDP and FSDP2 on two processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import effective_batch, tiny_models

import trueward
from trueward.models import load_for_training, pad_right, read_out
from trueward.types import PairScores

SIDES = ("chosen_ids", "rejected_ids")
SCRIPT = Path(effective_batch.__file__)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.save_base(
        tiny_models.DECODERS["llama"], str(tmp_path_factory.mktemp("base"))
    )


def launch(arguments, ranks=2):
    """A finished `torchrun` of the helper script."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={ranks}", str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module", params=["ddp", "fsdp"])
def launched(request, base, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    done = launch([base, out, request.param])
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(out / f"rank{rank}.pt") for rank in range(2)]


def one_big_batch(base, objective, prepared):
    """Losses, gradients and state of the steps by autograd alone, without a trainer.

    Each pair borrows the prompt of the next one, and the last that of the first.
    """
    model = load_for_training(base, seed=5).model
    state, losses, gradients = {}, [], []
    built = trueward.objective(objective)
    pairs = [row["chosen_ids"] for row in prepared]
    cuts = [row["prompt_length"] for row in prepared]
    lenders = [(i + 1) % len(pairs) for i in range(len(pairs))]
    foreign = [pairs[j][: cuts[j]] + pairs[i][cuts[i] :] for i, j in enumerate(lenders)]
    for begin in range(0, effective_batch.PAIRS, effective_batch.A_STEP):
        rows = prepared[begin : begin + effective_batch.A_STEP]
        sides = [rows["chosen_ids"], rows["rejected_ids"]]
        if "foreign" in built.needs:
            sides.append(foreign[begin : begin + effective_batch.A_STEP])
        read = read_out(model, *pad_right([ids for side in sides for ids in side], 0))
        rewards, hidden = read.rewards.chunk(len(sides)), read.hidden.chunk(len(sides))
        scores = PairScores(*rewards[:2], *hidden[:2], *rewards[2:])
        for column in {"weight", "margin"} & set(rows):
            scores = replace(scores, **{column: torch.tensor(rows[column], dtype=torch.float32)})
        out = built(scores, state)
        model.zero_grad()
        out.loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        losses.append(out.loss.item())
        state = out.state
    return losses, gradients, state


def check(found, expected):
    losses, gradients, state = expected
    assert len(found["gradients"]) == len(gradients) == 2
    for ours, whole in zip(found["gradients"], gradients, strict=True):
        assert (ours - whole).norm() <= 1e-5 * whole.norm()
    assert found["losses"] == pytest.approx(losses, rel=1e-5)
    assert found["state"].keys() == state.keys()
    for name, value in state.items():
        assert torch.allclose(found["state"][name], value, rtol=1e-6)


@pytest.mark.parametrize("accumulation", [1, 4])
@pytest.mark.parametrize("objective", effective_batch.OBJECTIVES)
def test_accumulation_gives_the_gradient_of_one_batch(base, tmp_path, objective, accumulation):
    built = effective_batch.trainer(base, tmp_path, objective, accumulation, ranks=1)
    expected = one_big_batch(base, objective, built.train_dataset)
    check(effective_batch.run(built), expected)


@pytest.mark.slow
@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("objective", effective_batch.OBJECTIVES)
def test_ranks_give_the_gradient_of_one_batch(base, tmp_path, launched, objective, accumulation):
    """Two ranks; the data's last step leaves them with unequal numbers of pairs that count."""
    prepared = effective_batch.trainer(base, tmp_path, objective, 1, ranks=1).train_dataset
    expected = one_big_batch(base, objective, prepared)
    ranks = [saved[objective, accumulation] for saved in launched]
    for found in ranks:
        check(found, expected)
    assert all(torch.equal(ranks[0]["state"][n], ranks[1]["state"][n]) for n in ranks[0]["state"])


@pytest.mark.slow
@pytest.mark.parametrize("objective", effective_batch.CUT)
def test_ranks_whose_batches_are_cut_give_the_gradient_of_one_batch(
    base, tmp_path, launched, objective
):
    prepared = effective_batch.trainer(base, tmp_path, objective, 1, ranks=1).train_dataset
    expected = one_big_batch(base, objective, prepared)
    whole = effective_batch.trainer(base, tmp_path, objective, 1, 1)
    expected_evaluation = whole.evaluate(whole.train_dataset)["eval_mean_reward"]
    for saved in launched:
        check(saved[objective, "passes"], expected)
        assert saved[objective, "evaluation"] == pytest.approx(expected_evaluation, abs=1e-5)


@pytest.mark.slow
def test_ranks_share_a_stream(base, tmp_path, launched):
    if "stream" not in launched[0]:
        pytest.skip("the stream is read under DDP alone")
    prepared = effective_batch.trainer(base, tmp_path, "bt", 1, ranks=1).train_dataset
    losses, gradients, _ = one_big_batch(base, "bt", prepared)
    for found in (saved["stream"] for saved in launched):
        assert (found["gradients"][0] - gradients[0]).norm() <= 1e-5 * gradients[0].norm()
        assert found["losses"] == pytest.approx(losses[:1], rel=1e-5)
        assert "read by the first rank so far: 13 pairs from 13 rows (pairs)" in found["said"]


@pytest.mark.slow
def test_ranks_share_the_first_ones_word_and_any_ones_signal(launched):
    for saved in launched:
        assert saved["together"] == {
            "value": 0,
            "flag": True,
            "no flag": False,
            "error": "from rank 0",
        }


SEPARABLE = ("bt", "contrast", "margin_column + contrast + centering")


@pytest.mark.parametrize("accumulation", [2, 8])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("objective", SEPARABLE)
def test_pairs_a_device_change_nothing_that_is_trained(
    base, tmp_path, objective, weighted, accumulation
):
    """Weights, the last step's odd pairs and other prompts, down to one pair a device."""
    data = effective_batch.data()
    data = data if weighted else data.remove_columns("weight")
    if "margin" in objective:
        data = data.add_column("margin", [0.1 * i for i in range(len(data))])
    built = effective_batch.trainer(
        base, tmp_path, objective, accumulation, 1, batch_objective=None, train_dataset=data
    )
    check(effective_batch.run(built), one_big_batch(base, objective, built.train_dataset))
    logged = [r["foreign_responses"] for r in built.state.log_history if "foreign_responses" in r]
    assert logged == ([8, 5] if "contrast" in objective else [])


def test_prompt_contrast_at_one_pair_a_device_is_not_plain_bradley_terry(base, tmp_path):
    built = effective_batch.trainer(base, tmp_path, "contrast", 8, 1, batch_objective=None)
    _, plain, _ = one_big_batch(base, "bt", built.train_dataset)
    found = effective_batch.run(built)["gradients"]
    assert (found[0] - plain[0]).norm() > 1e-2 * plain[0].norm()


@pytest.mark.parametrize("packing", ["auto", "off"])
@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("objective", ["contrast", "aplot + bsr(weight=0.1)"])
def test_passes_of_few_tokens_change_nothing(base, tmp_path, objective, accumulation, packing):
    built = effective_batch.trainer(
        base,
        tmp_path,
        objective,
        accumulation,
        1,
        batch_objective=None,
        batch_tokens=60,
        packing=packing,
    )
    widths, read = [], built._read

    def watched(model, inputs):
        widths.append(int(inputs["attention_mask"].sum()))
        return read(model, inputs)

    watched.prove, watched.layout = read.prove, None
    built._read = watched
    check(effective_batch.run(built), one_big_batch(base, objective, built.train_dataset))
    pairs = [len(a) + len(b) for a, b in zip(*(built.train_dataset[s] for s in SIDES), strict=True)]
    assert len(widths) > 2 * accumulation
    assert max(widths) <= max(60, *(1.5 * pair + 30 for pair in pairs))


def test_evaluation_in_passes_is_that_of_the_whole(base, tmp_path):
    found, predictions = [], []
    for tokens in (None, 60):
        built = effective_batch.trainer(
            base,
            tmp_path,
            "contrast + bsr",
            1,
            1,
            batch_tokens=tokens,
        )
        found.append(built.evaluate(built.train_dataset))
        predictions.append(built.predict(built.train_dataset).predictions)
    assert np.allclose(*predictions, atol=1e-5)  # in the order of the rows
    for name in ("eval_loss", "eval_accuracy", "eval_contrast_accuracy", "eval_mean_reward"):
        assert found[1][name] == pytest.approx(found[0][name], rel=1e-5), name


def test_steps_sorted_by_length_hold_the_same_pairs(base, tmp_path):
    """Grouping by length cuts a step otherwise; what is trained stays the same."""
    settings = {"batch_objective": None, "seed": 3, "max_steps": 2}
    found, widths = [], []
    for strategy in ("random", "group_by_length"):
        built = effective_batch.trainer(
            base, tmp_path, "contrast", 4, 1, train_sampling_strategy=strategy, **settings
        )
        batches = [batch["attention_mask"] for batch in built.get_train_dataloader()]
        widths.append([int(mask[: 2 * len(mask) // 3].sum()) for mask in batches])
        found.append(effective_batch.run(built)["gradients"])
    assert widths[0] != widths[1]
    assert widths[1][:4] == sorted(widths[1][:4], reverse=True)
    for random, grouped in zip(*found, strict=True):
        assert (random - grouped).norm() <= 1e-5 * random.norm()


def test_micro_batches_alone_are_another_objective(base, tmp_path):
    built = effective_batch.trainer(
        base, tmp_path, "bsr(weight=0.1)", 4, ranks=1, batch_objective="micro"
    )
    _, gradients, _ = one_big_batch(base, "bsr(weight=0.1)", built.train_dataset)
    found = effective_batch.run(built)["gradients"]
    assert (found[0] - gradients[0]).norm() > 1e-2 * gradients[0].norm()


@pytest.mark.slow
def test_a_killed_rank_ends_the_run(base, tmp_path):
    done = launch([base, tmp_path, "killed"])
    assert done.returncode != 0
    assert "SIGKILL" in done.stderr or "-9" in done.stderr
