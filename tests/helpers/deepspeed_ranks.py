"""A tiny reward model trained under DeepSpeed; a script under torchrun, or imported.

torchrun … deepspeed_ranks.py FOLDER
torchrun … deepspeed_ranks.py train --deepspeed … (any arguments of the command line)
"""

import json
import os
import sys
from pathlib import Path

import torch

if __name__ == "__main__":
    import deepspeed

    sys.path.insert(0, str(Path(__file__).parents[1]))
    torch.set_num_threads(1)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # which would be compiled first

from peft import LoraConfig
from torch.utils.data import SequentialSampler

from helpers import tiny_data
from trueward.cli import main as command_line
from trueward.errors import TruewardError
from trueward.processes import leave_ranks
from trueward.training import RewardConfig, RewardTrainer

A_STEP, STEPS = 8, 3
CASES = [
    (3, "off", "bt", 1, False),
    (3, "off", "bsr(weight=0.1)", 2, False),
    (3, "chunk", "bt", 2, False),
    (3, "chunk", "bsr(weight=0.1)", 1, False),
    (3, "tree", "bt", 2, False),
    (3, "tree", "bsr(weight=0.1)", 1, False),
    (3, "tree", "bsr(weight=0.1)", 2, True),
    (2, "tree", "bsr(weight=0.1)", 2, False),
    (1, "chunk", "bt", 1, False),
]
"""Stage, packing, objective, accumulation, adapter."""


def config(stage, **zero):
    """DeepSpeed's settings; no weight is too small to be spread over the ranks."""
    gather = {"stage3_gather_16bit_weights_on_model_save": True} if stage == 3 else {}
    small = {"stage3_param_persistence_threshold": 0} if stage == 3 else {}
    return {
        "zero_optimization": {"stage": stage, **gather, **small, **zero},
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
    }


def trainer(folder, ranks, packing, objective, accumulation, adapter, **changes):
    """A trainer of three steps of eight pairs, in the data's order."""
    settings = {
        "per_device_train_batch_size": A_STEP // (accumulation * ranks),
        "gradient_accumulation_steps": accumulation,
        "max_steps": STEPS,
        "learning_rate": 1e-2,
        "optim": "adamw_torch",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "seed": 5,
        **changes,
    }
    built = RewardTrainer(
        str(folder / "base"),
        RewardConfig(str(folder / "out"), objective=objective, packing=packing, **settings),
        train_dataset=tiny_data.pairs(16, seed=3),
        processing_class=tiny_data.tokenizer(),
        peft_config=LoraConfig(r=2, target_modules=["q_proj", "v_proj"]) if adapter else None,
    )
    built._get_train_sampler = lambda *_: SequentialSampler(built.train_dataset)
    return built


def log(built):
    """What was logged of each step."""
    names = ("loss", "grad_norm", "head_norm", "mean_reward")
    return [[row[n] for n in names] for row in built.state.log_history if "loss" in row]


def refusals(folder, ranks):
    """What is said of settings that cannot work."""
    said = []
    zero = config(3, stage3_gather_16bit_weights_on_model_save=False)
    for changes in (
        {"deepspeed": zero},
        {"deepspeed": config(3), "gradient_checkpointing_kwargs": {"use_reentrant": True}},
    ):
        try:
            trainer(folder, ranks, "chunk", "bt", 1, False, **changes)
        except TruewardError as error:
            said.append(str(error))
    return said


def resumed(folder, ranks):
    """The log of two runs: one whole, one that goes on from the other's first checkpoint."""
    logs = []
    for checkpoint in (None, str(folder / "out" / "checkpoint-1")):
        built = trainer(
            folder,
            ranks,
            "tree",
            "normbt",
            1,
            False,
            deepspeed=config(3),
            save_strategy="steps",
            save_steps=1,
        )
        built.train(resume_from_checkpoint=checkpoint)
        logs.append(log(built))
        built.save_model(str(folder / f"resumed-{checkpoint is not None}"))
    return logs


def main(folder):
    ranks = int(os.environ["WORLD_SIZE"])
    found = {"logs": [], "layouts": []}
    for number, (stage, *case) in enumerate(CASES):
        built = trainer(folder, ranks, *case, deepspeed=config(stage))
        built.train()
        built.save_model(str(folder / f"case-{number}"))
        found["logs"].append(log(built))
        found["layouts"].append(built._read.layout)
    found["resumed"] = resumed(folder, ranks)
    found["refusals"] = refusals(folder, ranks)
    if os.environ["RANK"] == "0":
        (folder / "found.json").write_text(json.dumps(found))
    del built
    leave_ranks()


if __name__ == "__main__":
    if sys.argv[1] == "train":
        sys.exit(command_line(sys.argv[1:]))
    main(Path(sys.argv[1]))
