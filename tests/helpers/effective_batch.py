"""Gradients of a tiny reward model's steps, one run a case; a script under torchrun, or imported.

    torchrun … effective_batch.py BASE OUT {ddp,fsdp,killed}

Thirteen pairs, eight a step: the second step has five, so every layout ends unevenly.
"""

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin
from torch.distributed.fsdp import FSDPModule
from transformers import TrainerCallback

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    torch.set_num_threads(1)

from helpers import tiny_data
from trueward.errors import InputError
from trueward.processes import from_first, leave_ranks, on_any_rank
from trueward.training import RewardConfig, RewardTrainer

OBJECTIVES = ("bt", "bsr(weight=0.1)", "aplot", "normbt", "aplot + bsr(weight=0.1)")
CUT = ("contrast", "aplot + bsr(weight=0.1)")
"""Objectives whose steps are also cut into passes, of which the ranks need different numbers."""
PAIRS, A_STEP = 13, 8


class Gradients(TrainerCallback):
    """The gradients of every step, as one vector each, whole on every rank."""

    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        parts = []
        for parameter in model.parameters():
            if parameter.grad is None:  # frozen
                continue
            gradient = parameter.grad
            if hasattr(gradient, "full_tensor"):
                gradient = gradient.full_tensor()
            parts.append(gradient.detach().flatten().clone())
        self.steps.append(torch.cat(parts))


def data():
    pairs = tiny_data.pairs(PAIRS, seed=3)
    return pairs.add_column("weight", [0.5 + (i % 4) / 2 for i in range(PAIRS)])


def trainer(base, out, objective, accumulation, ranks, **changes):
    """A trainer whose step has `A_STEP` pairs, in the data's order, with a learning rate of 0."""
    dataset = changes.pop("train_dataset", None)
    settings = {
        "per_device_train_batch_size": A_STEP // (accumulation * ranks),
        "gradient_accumulation_steps": accumulation,
        "num_train_epochs": 1,
        "learning_rate": 0.0,
        "max_grad_norm": 0.0,
        "optim": "sgd",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "use_cpu": True,
        "bf16": False,
        "batch_objective": "exact",
        "seed": 5,
        "train_sampling_strategy": "sequential",
        **changes,
    }
    built = RewardTrainer(
        base,
        RewardConfig(str(out), objective=objective, **settings),
        train_dataset=dataset or data(),
        processing_class=tiny_data.tokenizer(),
    )
    built.add_callback(Gradients())
    return built


def run(built):
    """Train; the gradients of the steps, the logged losses and the objective's state."""
    built.train()
    gradients = next(c for c in built.callback_handler.callbacks if isinstance(c, Gradients))
    return {
        "gradients": gradients.steps,
        "losses": [row["loss"] for row in built.state.log_history if "loss" in row],
        "rewards": [r["mean_reward"] for r in built.state.log_history if "mean_reward" in r],
        "state": dict(built.objective_state),
    }


class SumThenDivide(TrainerCallback):
    """Gloo cannot average in a reduction; FSDP2 then sums and divides."""

    def on_train_begin(self, *_, model=None, **__):
        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.set_force_sum_reduction_for_comms(True)


def shard(built):
    """FSDP2 on processors: accelerate offers it on accelerators alone, so its state is set here."""
    state = built.accelerator.state
    state.distributed_type = DistributedType.FSDP
    state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["LlamaDecoderLayer"],
    )
    built.is_fsdp_enabled = True
    built.accelerator.no_sync = without_gradient_sync  # accelerate's own, for FSDP2
    built.add_callback(SumThenDivide())


@contextmanager
def without_gradient_sync(model):
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


class Dies(TrainerCallback):
    """The last rank is killed in its first step, while the others wait for its gradients."""

    def on_pre_optimizer_step(self, args, *_, **__):
        if args.process_index == args.world_size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        torch.distributed.barrier()


def together(rank):
    """Write what the ranks make of rank 0's value and refusal, and of rank 1's flag."""
    seen = {"value": from_first(lambda: rank), "flag": on_any_rank(rank == 1)}
    seen["no flag"] = on_any_rank(False)

    def refuse():
        raise InputError(f"from rank {rank}")

    try:
        from_first(refuse)
    except InputError as error:
        seen["error"] = str(error)
    return seen


def gloo_threads():
    """This process's threads that exchange tensors with other ranks."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


def main(base, out, kind):
    ranks = int(os.environ["WORLD_SIZE"])
    if kind == "killed":
        built = trainer(base, out, "bsr", 1, ranks)
        built.add_callback(Dies())
        run(built)
    found = {}
    for objective in OBJECTIVES:
        for accumulation in (1, 2):
            built = trainer(base, out, objective, accumulation, ranks)
            if kind == "fsdp":
                shard(built)
            found[objective, accumulation] = run(built)
            assert isinstance(built.model_wrapped, FSDPModule) == (kind == "fsdp")
    for objective in CUT:
        settings = {"batch_objective": None, "batch_tokens": 60}
        built = trainer(base, out, objective, 1, ranks, **settings)
        if kind == "fsdp":
            shard(built)
        found[objective, "passes"] = run(built)
        evaluation = built.evaluate(built.train_dataset)
        found[objective, "evaluation"] = evaluation["eval_mean_reward"]
    if kind == "ddp":
        stream = data().to_iterable_dataset()
        built = trainer(base, out, "bt", 1, ranks, train_dataset=stream, max_steps=1)
        found["stream"] = run(built) | {"said": built.notices[-1]}
    rank = torch.distributed.get_rank()
    found["together"] = together(rank)
    torch.save(found, Path(out) / f"rank{rank}.pt")
    del built
    leave_ranks()
    if kind == "fsdp":  # keeps the connection open, whose threads may abort a process that ends
        os._exit(0)
    assert not gloo_threads()


if __name__ == "__main__":
    main(*sys.argv[1:])
