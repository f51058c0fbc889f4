"""`trueward train`: preference data and a base model in, a robust reward model out."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueward.cli import Outcome
from trueward.cli.flags import read_config
from trueward.errors import InputError, reason

if TYPE_CHECKING:
    from rich.console import Console

    from trueward.training.job import Job

RESUMES = True
SUMMARY = "Train one reward model; alone, on the embedded gold world."
EXAMPLE = (
    "trueward train --model_name_or_path Qwen/Qwen2.5-0.5B --dataset_name pairs.jsonl "
    '--objective "aplot + bsr" --output_dir rm'
)
SHOWN = {
    "model_name_or_path": "base model or reward model to start from (gold world: the embedded one)",
    "dataset_name": "hub name, file or folder of pairs; without it, the embedded gold world",
    "dataset_config": "the hub data set's configuration",
    "dataset_train_split": "split to train on (train)",
    "dataset_test_split": "split to judge on (test; without one, a share is held out)",
    "objective": "what to minimise, e.g. 'aplot + bsr(weight=1e-3)'; see trueward objectives",
    "output_dir": "where the model goes (runs/reward-model)",
    "max_length": "tokens of prompt and response together (1024)",
    "truncation": "what becomes of longer pairs; always counted and shown (drop)",
    "pooling": "where the reward is read; auto is where the model's class reads (auto)",
    "learning_rate": "peak learning rate (1e-4)",
    "lr_scheduler_type": "linear, cosine, constant, … (linear)",
    "warmup_steps": "steps, or a share below 1 (0)",
    "num_train_epochs": "passes over the data (3)",
    "max_steps": "optimiser steps, instead of epochs",
    "per_device_train_batch_size": "pairs a device and micro-batch (8)",
    "gradient_accumulation_steps": "micro-batches a step (1)",
    "batch_objective": "the objective sees a whole step (exact, where pairs interact) or micro",
    "bf16": "bfloat16 autocast (on an accelerator: true)",
    "gradient_checkpointing": "recompute activations to save memory (true)",
    "center_rewards_coefficient": "TRL's name for the penalty centering(weight=…)",
    "use_peft": "train a LoRA adapter and the head",
    "lora_r": "rank (16)",
    "lora_alpha": "scale (32)",
    "seed": "of data order and head (42)",
    "logging_steps": "steps between two logs (10)",
    "eval_strategy": "no, steps or epoch: follow the held-out pairs during training (no)",
    "eval_steps": "steps between two evaluations",
    "save_steps": "steps between two checkpoints (500)",
    "report_to": "tensorboard, wandb, … (none)",
}
"""Flags that --help shows, in its words; --help_all shows every flag of TRL and transformers."""
DEFAULT_FOLDER = "runs/reward-model"


def parents(argv: list[str]) -> list[argparse.ArgumentParser]:
    """Return a parser of TRL's flags under TRL's names."""
    from transformers import HfArgumentParser

    flags = HfArgumentParser(_types(), add_help=False, allow_abbrev=False)
    if "--help_all" in argv:
        return [flags]
    order = list(SHOWN)
    for action in flags._actions:
        shown = action.dest in SHOWN and not action.option_strings[0].startswith("--no_")
        action.help = SHOWN[action.dest] if shown else argparse.SUPPRESS
        if shown:
            action.option_strings = action.option_strings[:1]
            action.metavar = None if 0 < len(action.choices or ()) < 6 else "VALUE"
    flags._actions.sort(key=lambda a: order.index(a.dest) if a.dest in SHOWN else len(order))
    return [flags]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that are ours alone."""
    parser.usage = "trueward train [--FLAG VALUE ...]"
    parser.add_argument("--config", help="YAML file whose keys are these flags")
    parser.add_argument("--overwrite", action="store_true", help="remove an earlier run first")
    parser.add_argument("--help_all", action="help", help="show every flag of TRL's too")


def run(args: argparse.Namespace) -> Outcome:
    """Train, save, and show the held-out results."""
    from accelerate import PartialState

    from trueward.metrics import metric
    from trueward.report import held_out_table, model_card, show
    from trueward.training.job import train

    job = _job(args)
    trained = train(job, command=args.command, overwrite=args.overwrite)
    if PartialState().is_main_process:
        card = model_card(trained.folder)
        (Path(trained.folder) / "README.md").write_text(card, encoding="utf-8")

    def present(console: "Console") -> None:
        counts = ", ".join(f"{metric(n).title} {count}" for n, count in trained.counts.items())
        console.print(f"held out, {trained.objective} after {trained.steps} steps")
        show(console, held_out_table(trained.held_out))
        console.print(f"n        {counts}", highlight=False)
        console.print(f"model    {trained.folder}", highlight=False)
        console.print("next     trueward study: the same beside other objectives, over seeds")

    return Outcome(trained.document(), present)


def _types() -> list[type]:
    import trl

    from trueward.training import RewardConfig

    return [trl.ScriptArguments, RewardConfig, trl.ModelConfig]


def _job(args: argparse.Namespace) -> "Job":
    from trueward.training.job import Job

    types = _types()
    names = {f.name for kind in types for f in dataclasses.fields(kind) if f.init}
    config = read_config(args.config, sorted(names))
    given = vars(args)
    explicit = args.given  # flags on the command line win over the file
    config = {n: v for n, v in config.items() if not {n, f"no_{n}"} & explicit}
    values = {n: given[n] for n in names} | _typed(config, args.config)
    values["output_dir"] = values["output_dir"] or DEFAULT_FOLDER
    try:
        built = [
            kind(**{f.name: values[f.name] for f in dataclasses.fields(kind) if f.init})
            for kind in types
        ]
    except (TypeError, ValueError) as error:
        raise InputError(reason(error)) from error
    script, training, model = built
    return Job(script, training, model, frozenset(explicit | config.keys()))


def _typed(config: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the file's values, text converted as the flag of that name would convert it."""
    from transformers import HfArgumentParser

    flags = {action.dest: action for action in HfArgumentParser(_types(), add_help=False)._actions}
    typed = dict(config)
    for name, value in config.items():
        kind = flags[name].type if name in flags else None
        if isinstance(value, str) and callable(kind):
            try:
                typed[name] = kind(value)
            except (TypeError, ValueError, argparse.ArgumentTypeError) as error:
                expected = getattr(kind, "__name__", "another value")
                raise InputError(
                    f"--config {path}: {name}: expected {expected}, got {value!r}"
                ) from error
    return typed
