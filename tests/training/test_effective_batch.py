"""Accumulation and ranks give the gradient of one big batch: DDP and FSDP2 on two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import effective_batch, tiny_models

import trueward
from trueward.models import load_for_training, pad_right, read_out
from trueward.types import PairScores

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
    """Losses, gradients and state of the steps by autograd alone, without a trainer."""
    model = load_for_training(base, seed=5).model
    state, losses, gradients = {}, [], []
    for begin in range(0, effective_batch.PAIRS, effective_batch.A_STEP):
        rows = prepared[begin : begin + effective_batch.A_STEP]
        read = read_out(model, *pad_right(rows["chosen_ids"] + rows["rejected_ids"], 0))
        (chosen, rejected), (up, down) = read.rewards.chunk(2), read.hidden.chunk(2)
        weight = torch.tensor(rows["weight"], dtype=torch.float32)
        out = trueward.objective(objective)(
            PairScores(chosen, rejected, up, down, weight=weight), state
        )
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
def test_ranks_share_the_first_ones_word_and_any_ones_signal(launched):
    for saved in launched:
        assert saved["together"] == {
            "value": 0,
            "flag": True,
            "no flag": False,
            "error": "from rank 0",
        }


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
