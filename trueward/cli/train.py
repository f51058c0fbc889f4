"""`trueward train`: preference data and a base model in, a robust reward model out."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from trueward.cli.config import clear_if_asked, read_config
from trueward.cli.outcome import Outcome
from trueward.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from trueward.training.session import Job, Trained

SUMMARY = "Train one reward model; alone, on the embedded gold world."
EXAMPLE = (
    "trueward train --model_name_or_path Qwen/Qwen2.5-0.5B --dataset_name pairs.jsonl "
    '--objective "aplot + bsr" --output_dir rm'
)
SHOWN = (
    "model_name_or_path",
    "dataset_name",
    "dataset_config",
    "dataset_train_split",
    "dataset_test_split",
    "objective",
    "output_dir",
    "max_length",
    "truncation",
    "pooling",
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "warmup_steps",
    "seed",
    "logging_steps",
    "eval_strategy",
    "eval_steps",
    "save_steps",
    "bf16",
    "gradient_checkpointing",
    "center_rewards_coefficient",
    "use_peft",
    "lora_r",
    "lora_alpha",
    "report_to",
)
"""Flags that --help shows; --help_all shows all of TRL's and transformers'."""
DEFAULT_FOLDER = "runs/reward-model"


def parents(argv: list[str]) -> list[argparse.ArgumentParser]:
    """TRL's flags under TRL's names."""
    from transformers import HfArgumentParser

    flags = HfArgumentParser(_types(), add_help=False, allow_abbrev=False)
    if "--help_all" not in argv:
        for action in flags._actions:
            if action.dest not in SHOWN:
                action.help = argparse.SUPPRESS
    return [flags]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that are ours alone."""
    parser.add_argument("--config", help="YAML file whose keys are these flags")
    parser.add_argument("--overwrite", action="store_true", help="remove an earlier run first")
    parser.add_argument("--help_all", action="help", help="show every flag of TRL's too")


def run(args: argparse.Namespace) -> Outcome:
    """Train, save, and show what the held-out data says."""
    from trueward.training.session import train

    job = _job(args)
    clear_if_asked(Path(job.training.output_dir), overwrite=args.overwrite)
    trained = train(job)

    def show(console: "Console") -> None:
        for line in trained.notices:
            console.print(f"note     {line}", highlight=False)
        console.print(_table(trained))
        console.print(f"model    {trained.folder}", highlight=False)
        console.print("next     trueward study: the same beside other objectives, over seeds")

    return Outcome(trained.document(), show)


def _types() -> list[type]:
    import trl

    from trueward.training import RewardConfig

    return [trl.ScriptArguments, RewardConfig, trl.ModelConfig]


def _job(args: argparse.Namespace) -> "Job":
    from trueward.training.session import Job

    types = _types()
    names = {f.name for kind in types for f in dataclasses.fields(kind) if f.init}
    config = read_config(args.config, sorted(names))
    given = vars(args)
    explicit = args.given  # flags on the command line win over the file
    values = {n: given[n] for n in names} | {n: v for n, v in config.items() if n not in explicit}
    values["output_dir"] = values["output_dir"] or DEFAULT_FOLDER
    try:
        built = [
            kind(**{f.name: values[f.name] for f in dataclasses.fields(kind) if f.init})
            for kind in types
        ]
    except (TypeError, ValueError) as error:
        raise InputError(str(error).strip().splitlines()[0]) from error
    return Job(*built)


def _table(trained: "Trained") -> "Table":
    from rich.table import Table

    from trueward.evals import metric

    table = Table(title=f"held out, {trained.objective} after {trained.steps} steps")
    for column in ("judge", "mean", "95 % interval", "n"):
        table.add_column(column, justify="left" if column == "judge" else "right")
    for name, estimate in trained.held_out.items():
        interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        title = metric(name).title
        table.add_row(title, f"{estimate.value:.3f}", interval, str(trained.counts[name]))
    return table
