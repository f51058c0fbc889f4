"""`trueward goldworld`: look at the embedded world, or pretrain its base model anew."""

import argparse
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from trueward.cli import Outcome

if TYPE_CHECKING:
    from trueward.goldworld import DescribedAnswer, DescribedPrompt
    from trueward.goldworld.pretrain import LossPoint, PretrainConfig

SUMMARY = "look at the embedded gold world, or pretrain its base model"
EXAMPLE = "trueward goldworld describe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's two actions and their flags."""
    parser.add_argument("action", choices=("describe", "pretrain"), help="what to do")
    parser.add_argument("--seed", type=int, default=0, help="seed of the world or the base (0)")
    show = parser.add_argument_group("describe")
    show.add_argument("--cue_strength", type=float, default=1.0, help="spurious cue, -1 to 1 (1)")
    show.add_argument("--prompts", type=int, default=3, help="how many prompts (3)")
    show.add_argument("--answers", type=int, default=3, help="how many answers to each (3)")
    train = parser.add_argument_group("pretrain")
    train.add_argument("--output_dir", type=Path, help="where to save the base model")
    train.add_argument("--steps", type=int, help="training steps (those of the packaged base)")
    train.add_argument("--overwrite", action="store_true", help="replace an existing output_dir")


def run(args: argparse.Namespace) -> Outcome:
    """Describe the world, or pretrain its base.

    Raises:
        InputError: a flag is out of range, or the output directory exists.
    """
    return _pretrain(args) if args.action == "pretrain" else _describe(args)


def _describe(args: argparse.Namespace) -> Outcome:
    from trueward.goldworld import WorldConfig, describe

    config = WorldConfig(seed=args.seed, cue_strength=args.cue_strength)
    described = describe(config, args.prompts, args.answers)
    document = {"world": asdict(config), "prompts": [asdict(prompt) for prompt in described]}
    return Outcome(document, partial(_show_prompts, described))


def _show_prompts(prompts: "list[DescribedPrompt]", console: Console) -> None:
    for prompt in prompts:
        split = "held-out prompt, held-out writers" if prompt.held_out else "training prompt"
        console.rule(Text(split, style="bold"), align="left")
        console.print(Text(prompt.prompt.strip()))
        for answer in prompt.answers:
            _show_answer(answer, console)
        console.print()


def _show_answer(answer: "DescribedAnswer", console: Console) -> None:
    writer = answer.writer
    console.print()
    console.print(
        Text.assemble(
            (f"gold {answer.gold:+.2f}", "bold"),
            f"  {writer.name}: skill {writer.skill:.2f}, style {writer.style:.2f}",
        )
    )
    console.print(Padding(Text(answer.text), (0, 0, 0, 4)))
    terms = "  ".join(f"{name} {part:+.2f}" for name, part in answer.terms.items())
    console.print(Padding(Text(f"= {terms or '0'}", style="dim"), (0, 0, 0, 2)))


def _pretrain(args: argparse.Namespace) -> Outcome:
    from trueward.errors import InputError
    from trueward.runs import refuse, written_aside

    if args.output_dir is None:
        raise InputError("expected --output_dir, the folder to save the base model in; got none")
    if args.output_dir.exists() and not args.overwrite:
        refuse(args.output_dir, "exists; choose another --output_dir or give --overwrite")
    from trueward.goldworld.pretrain import PretrainConfig, pretrain

    config = PretrainConfig(seed=args.seed)
    if args.steps is not None:
        config = replace(config, steps=args.steps)
    console, curve = Console(stderr=True), []

    def report(progress: "LossPoint") -> None:
        curve.append(asdict(progress))
        console.print(
            f"step {progress.step:>5}/{progress.steps}  loss {progress.loss:.3f} nats  "
            f"on values {progress.value_loss:.3f}",
            highlight=False,
        )

    model, tokenizer = pretrain(config, report)
    with written_aside(args.output_dir) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
    document = {"output_dir": str(args.output_dir), "recipe": asdict(config), "curve": curve}
    return Outcome(document, partial(_show_base, args.output_dir, config))


def _show_base(folder: Path, config: "PretrainConfig", console: Console) -> None:
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    console.print(f"Saved the base after {config.steps} steps: {folder} ({size:.1f} MB).")
    console.print(f"Next: trueward train --model_name_or_path {folder} --output_dir runs/mine")
