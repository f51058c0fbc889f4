"""The mechanism of the exact batch: dropout, memory, autocast, unequal rows, conventions."""

from types import SimpleNamespace

import pytest
import torch
from helpers import effective_batch, tiny_data, tiny_models

import trueward
from trueward.errors import InputError
from trueward.training import RewardConfig
from trueward.training.prepare import is_exact
from trueward.training.step import (
    differentiate,
    from_table,
    gather_rows,
    rows_of_data,
    to_table,
)
from trueward.types import PairScores


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.save_base(
        tiny_models.DECODERS["llama"], str(tmp_path_factory.mktemp("base"))
    )


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_models.save_base(tiny_models.ENCODERS["bert"], str(tmp_path_factory.mktemp("bert")))


def watched(built):
    """The rewards of every read, in the order of reading, and whether a graph was made."""
    reads, inner = [], built._read

    def read(model, inputs):
        found = inner(model, inputs)
        reads.append((found.rewards.detach().clone(), found.rewards.requires_grad))
        return found

    read.prove, read.layout = inner.prove, None
    built._read = read
    return reads


@pytest.mark.parametrize("drop", [True, False])
def test_both_passes_draw_the_same_dropout(bert, tmp_path, drop):
    built = effective_batch.trainer(
        bert, tmp_path, "bsr", 4, ranks=1, disable_dropout=not drop, max_steps=2, packing="off"
    )
    reads = watched(built)
    effective_batch.run(built)
    ahead, first, again = reads[:3], reads[3], reads[4:7]
    assert [graph for _, graph in reads[:7]] == [False, False, False, True, True, True, True]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(ahead, again, strict=True))
    later = reads[9]  # the first micro-batch of the second step, after its two passes ahead
    assert later[1]
    assert first[0].shape == later[0].shape


def test_dropout_changes_from_step_to_step(bert, tmp_path):
    """Replaying must not put the generator back to where the step began."""
    built = effective_batch.trainer(
        bert,
        tmp_path,
        "bsr",
        2,
        ranks=1,
        disable_dropout=False,
        num_train_epochs=2,
        packing="off",
    )
    reads = watched(built)
    effective_batch.run(built)
    a_epoch = len(reads) // 2
    assert torch.equal(reads[0][0], reads[2][0])
    assert not torch.equal(reads[0][0], reads[a_epoch][0])  # the same pairs, an epoch later


class Alive:
    """Bytes of activations that graphs hold, now and at most."""

    now = most = 0

    def __init__(self, tensor):
        self.tensor = tensor
        Alive.now += tensor.nbytes
        Alive.most = max(Alive.most, Alive.now)

    def __del__(self):
        Alive.now -= self.tensor.nbytes


@pytest.mark.parametrize("objective", ["aplot + bsr", "normbt"])
def test_no_more_than_one_micro_batch_is_kept(base, tmp_path, objective):
    most = {}
    for mode, accumulation in (("micro", 4), ("exact", 4), ("whole", 1)):
        built = effective_batch.trainer(
            base,
            tmp_path,
            objective,
            accumulation,
            ranks=1,
            batch_objective="micro" if mode == "micro" else "exact",
            packing="off",
        )
        Alive.most = 0
        with torch.autograd.graph.saved_tensors_hooks(Alive, lambda kept: kept.tensor):
            effective_batch.run(built)
        assert Alive.now == 0
        most[mode] = Alive.most
    assert most["exact"] <= 1.05 * most["micro"] < 0.5 * most["whole"]


def test_autocast_keeps_the_first_micro_batch_of_a_step(base, tmp_path):
    """Weights that a pass without gradient has cast must not serve the next pass."""
    found = {}
    for bf16 in (True, False):
        built = effective_batch.trainer(base, tmp_path, "bt", 4, ranks=1, bf16=bf16, packing="off")
        found[bf16] = effective_batch.run(built)["gradients"]
    for half, single in zip(found[True], found[False], strict=True):
        assert (half - single).norm() < 0.1 * single.norm()


def test_metrics_are_of_the_whole_batch(base, tmp_path):
    runs = {}
    for accumulation in (1, 4):
        built = effective_batch.trainer(base, tmp_path, "aplot + bsr", accumulation, ranks=1)
        effective_batch.run(built)
        runs[accumulation] = [row for row in built.state.log_history if "accuracy" in row]
    for one, four in zip(runs[1], runs[4], strict=True):
        for name in one.keys() - {"num_tokens", "epoch"}:
            assert four[name] == pytest.approx(one[name], rel=1e-4, abs=1e-6), name
        assert four["num_tokens"] == one["num_tokens"]


def test_one_micro_batch_on_one_rank_is_read_once(base, tmp_path):
    built = effective_batch.trainer(base, tmp_path, "aplot", 1, ranks=1, packing="off")
    reads = watched(built)
    effective_batch.run(built)
    assert [graph for _, graph in reads] == [True, True]  # two steps


def test_bsr_and_aplot_mean_the_same_at_every_size():
    """λB·mean² over the B pairs of the step, and the expected cost of a row, by hand."""
    chosen, rejected = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 1.0])
    scores = PairScores(chosen, rejected)
    plain, _ = differentiate(trueward.objective("bt"), scores, {})
    with_bsr, gradients = differentiate(trueward.objective("bsr(weight=0.1)"), scores, {})
    assert (with_bsr.loss - plain.loss).item() == pytest.approx(0.1 * 3 * 1.0**2, rel=1e-6)
    _, before = differentiate(trueward.objective("bt"), scores, {})
    added = gradients["chosen"] - before["chosen"]  # ∂/∂r of (λ/4B)·S² is λS/2B
    assert torch.allclose(added, torch.full((3,), 0.1 * 6 / 6))
    margin = "aplot(similarity_cost=false)"
    once, _ = differentiate(trueward.objective(margin), scores, {})
    twice = PairScores(chosen.repeat(2), rejected.repeat(2))
    again, _ = differentiate(trueward.objective(margin), twice, {})
    assert again.metrics["margin_mean"].item() == pytest.approx(
        once.metrics["margin_mean"].item(), rel=1e-5
    )


class ThreeRanks:
    """An accelerator whose other ranks hold two rows and none."""

    num_processes, process_index = 3, 1

    def __init__(self, others):
        self.others = others

    def gather(self, tensor):
        if tensor.ndim == 1:
            return torch.tensor([len(self.others), len(self.rows), 0])
        longest = max(len(self.others), len(self.rows))
        return torch.cat(
            [torch.nn.functional.pad(r, (0, 0, 0, longest - len(r))) for r in (self.others, tensor)]
            + [torch.zeros(longest, tensor.shape[1])]
        )


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_ranks_with_unequal_rows_are_gathered_in_order(rows):
    accelerator = ThreeRanks(torch.arange(6.0).reshape(2, 3))
    accelerator.rows = torch.arange(10.0, 10 + 3 * rows).reshape(rows, 3)
    found, start = gather_rows(accelerator.rows, accelerator)
    assert start == 2
    assert torch.equal(found, torch.cat([accelerator.others, accelerator.rows]))


@pytest.mark.parametrize(
    ("end", "remainder", "expected"),
    [(False, 5, [4, 4]), (True, 0, [4, 4]), (True, 5, [4, 1]), (True, 3, [3, 0])],
)
def test_rows_that_fill_ranks_do_not_count(end, remainder, expected):
    state = SimpleNamespace(end_of_dataloader=end, remainder=remainder)
    found = [
        rows_of_data(4, SimpleNamespace(gradient_state=state, process_index=rank))
        for rank in range(2)
    ]
    assert found == expected


def test_a_table_gives_back_every_field():
    hidden = torch.randn(3, 5)
    scores = PairScores(torch.randn(3), torch.randn(3), hidden, -hidden, weight=torch.rand(3))
    back = from_table(to_table(scores), scores)
    for name in ("chosen", "rejected", "chosen_hidden", "rejected_hidden", "weight"):
        assert torch.equal(getattr(back, name), getattr(scores, name))
    assert back.margin is back.target is back.foreign is None


def test_exact_is_the_default_where_pairs_interact(tmp_path):
    alone = SimpleNamespace(parallelism_config=None)
    bsr, bt = trueward.objective("bsr"), trueward.objective("bt")

    def args(wanted=None, **more):
        return RewardConfig(str(tmp_path), batch_objective=wanted, **more)

    assert is_exact(args(), bsr, alone)
    assert not is_exact(args(), bt, alone)
    assert is_exact(args("exact"), bt, alone)
    assert not is_exact(args("micro"), bsr, alone)
    assert not is_exact(args("micro", batch_tokens=9), bt, alone)
    with pytest.raises(InputError, match="batch_tokens would change what 'bsr' compares"):
        is_exact(args("micro", batch_tokens=9), bsr, alone)
    shared = SimpleNamespace(parallelism_config=SimpleNamespace(tp_size=2, cp_size=1, sp_size=1))
    with pytest.raises(InputError, match="tp_size is 2; set batch_objective=micro"):
        is_exact(args(), bsr, shared)
    with pytest.raises(InputError, match="batch_objective='big'"):
        RewardConfig(str(tmp_path), batch_objective="big")


def test_prompt_contrast_and_columns_reach_the_whole_batch(base, tmp_path):
    data = tiny_data.pairs(8).add_column("margin", [0.1 * i for i in range(8)])
    built = effective_batch.trainer(
        base, tmp_path, "margin_column + contrast", 4, ranks=1, train_dataset=data
    )
    found = effective_batch.run(built)
    assert len(found["gradients"]) == 1
    assert found["gradients"][0].norm() > 0
    assert built.state.log_history[0]["margin_mean"] == pytest.approx(0.35, abs=1e-5)
