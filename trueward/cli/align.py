"""`trueward align`: a policy trained on reward models, watched against over-optimization."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueward.cli import Outcome
from trueward.cli.flags import assignments
from trueward.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from trueward.alignment import AlignSettings, Shaping

RESUMES = True
SUMMARY = "Train a policy on reward models (RLOO, GRPO, PPO), watched against over-optimization."
EXAMPLE = "trueward align --policy sft --reward-model rm --prompts prompts.jsonl -o runs/align"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the policy, its judges, the shaping, the watch and TRL's own fields."""
    add = parser.add_argument
    add("--algorithm", choices=["rloo", "grpo", "ppo"], default="rloo", help="(rloo)")
    add("--policy", metavar="PATH", help="causal language model to train; also the reference")
    add(
        "--reward_model",
        action="append",
        default=[],
        metavar="PATH",
        help="folder or hub name; several make an ensemble",
    )
    add("--prompts", metavar="FILE", help="rows {prompt}, and {reference} for --center")
    add("-o", "--output_dir", help="results (runs/align; of the demo runs/align-demo)")
    add("--gold", metavar="PATH", help="goldworld, or a reward model that stands for the truth")
    add("--seed", type=int, default=0, help="of everything (0)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of RLOOConfig, GRPOConfig or PPOConfig: beta=0.1, num_generations=4, …",
    )
    add(
        "--demo",
        action="store_true",
        help="the embedded world: --algorithm on bt, bsr and aplot reward models",
    )
    add("--seeds", type=int, default=1, help="of the demo (1); more extend a finished one")
    _add_watch(parser.add_argument_group("watch, on held-out prompts"))
    _add_shaping(parser.add_argument_group("shaping of rewards (off by default)"))


def _add_watch(group: Any) -> None:
    add = group.add_argument
    add("--watch_prompts", type=int, default=64, help="prompts held out (64)")
    add("--watch_every", type=int, default=20, help="optimiser steps between looks (20)")
    add("--norm_data", metavar="FILE", help="the reward model's training pairs, for usual norms")
    add(
        "--stop_on_overoptimization",
        action="store_true",
        help="halt at the first alarm; the best policy is kept either way",
    )


def _add_shaping(group: Any) -> None:
    add = group.add_argument
    add("--center", action="store_true", help="subtract the reward of the row's reference answer")
    add("--ensemble", choices=["mean", "worst", "uncertainty"], default="mean", help="(mean)")
    add("--penalty", type=float, default=0.5, help="λ of uncertainty: mean − λ·variance (0.5)")
    add("--normalize", action="store_true", help="by the mean and deviation of all rewards so far")
    add("--clip", type=float, help="bound of the reward, last of all")
    add("--kl_target", type=float, metavar="NATS", help="adapt β to hold this KL an answer")
    add("--kl_horizon", type=float, default=1e4, help="answers over which β adapts (10000)")
    add("--max_length", type=int, help="of the reward model's sequences, in tokens (as trained)")
    add(
        "--truncation",
        choices=["error", "truncate_left", "truncate_right"],
        help="what becomes of longer ones (as trained, else error)",
    )


def run(args: argparse.Namespace) -> Outcome:
    """Train, or run the demo."""
    from trueward.processes import quiet

    quiet()
    if args.demo:
        return _demo(args)
    from trueward.alignment import align

    settings = _settings(args)
    document = align(settings)
    return Outcome(document, lambda console: show_run(console, document, settings.output_dir))


def _demo(args: argparse.Namespace) -> Outcome:
    from trueward.alignment.demo import TRAINING, DemoRecipe, run_demo

    allowed = {"demo", "seeds", "output_dir", "json", "set", "algorithm"}
    if other := sorted(args.given - allowed):
        raise InputError(f"--demo has settings of its own; leave out --{', --'.join(other)}")
    folder = Path(args.output_dir or "runs/align-demo")
    recipe = DemoRecipe(args.algorithm, {**TRAINING, **_training(args)})
    document = run_demo(folder, args.seeds, recipe)
    return Outcome(document, lambda console: show_demo(console, document, folder))


def _settings(args: argparse.Namespace) -> "AlignSettings":
    from trueward.alignment import AlignSettings

    for name in ("policy", "reward_model", "prompts"):
        if not getattr(args, name):
            raise InputError(f"--{name} is needed (or --demo)")
    names = ["policy", "prompts", "algorithm", "gold", "norm_data", "seed"]
    names += ["max_length", "truncation"]
    names += ["watch_prompts", "watch_every", "stop_on_overoptimization"]
    return AlignSettings(
        **{name: getattr(args, name) for name in names},
        reward_models=tuple(args.reward_model),
        output_dir=args.output_dir or "runs/align",
        shaping=_shaping(args),
        training=_training(args),
    )


def _shaping(args: argparse.Namespace) -> "Shaping":
    from trueward.alignment import Shaping

    names = ("center", "ensemble", "penalty", "normalize", "clip", "kl_target", "kl_horizon")
    return Shaping(**{name: getattr(args, name) for name in names})


def _training(args: argparse.Namespace) -> dict[str, Any]:
    return dict(assignments(args.set, r".+", "FIELD=VALUE"))


def show_run(console: "Console", document: Mapping[str, Any], folder: str) -> None:
    """Print the looks, the alarms, and where the policies are."""
    from trueward.report import run_table, shaping_steps, show

    show(console, run_table(document))
    console.print(f"shaping  {shaping_steps(document['settings'])}", highlight=False)
    for alarm in document["alarms"]:
        console.print(f"alarm    {alarm['kind']}: {alarm['message']}", highlight=False)
    top = document["best"]
    console.print(f"best     step {top['step']} by {document['criterion']}: {folder}/best")
    console.print(f"last     {folder}/policy\nresults  {folder}/align.json", highlight=False)


def show_demo(console: "Console", document: Mapping[str, Any], folder: Path) -> None:
    """Print gold along each objective's runs, and what that comes to."""
    from trueward.report import demo_table, show

    show(console, demo_table(document))
    for line in document["verdict"]:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"results  {folder}/demo.json", highlight=False)
