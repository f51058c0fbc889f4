"""What `trueward bon` works on, from its flags."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trueward.errors import InputError

if TYPE_CHECKING:
    from trueward.alignment import ResponseSource

_SAMPLING = ("samples", "max_new_tokens", "temperature")


def sizes(words: str) -> list[int]:
    """`1,2,4` as numbers. Raises InputError."""
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise InputError(
            f"--n {words!r}: expected whole numbers and commas, such as 1,2,4"
        ) from None


def check(args: argparse.Namespace, models: Mapping[str, str]) -> None:
    """Raise InputError where flags do not go together, before anything is loaded."""
    drawn = bool(args.policy)
    written = args.gold_world and args.file is None
    if not models and (drawn or args.gold_world):
        raise InputError("--policy and --gold_world need a --reward_model to judge the responses")
    if args.file is None and not args.gold_world:
        raise InputError("no rows: name a FILE, or give --gold_world for the world's own prompts")
    idle = [name for name in _SAMPLING if name in args.given and not drawn]
    if written:
        idle = [name for name in idle if name != "samples"]
    elif "prompts" in args.given:
        idle.append("prompts")
    if idle:
        raise InputError(f"--{idle[0]} has no effect here: nothing is sampled; leave it out")
    check_folder(args.output_dir)
    for name in ("samples", "prompts"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name}: expected at least 1, got {getattr(args, name)}")
    if args.seed < 0:
        raise InputError(f"--seed: expected at least 0, got {args.seed}")
    if args.n and min(sizes(args.n)) < 1:
        raise InputError(f"--n {args.n}: expected sizes of at least 1")
    if args.n and (drawn or written) and max(sizes(args.n)) > args.samples:
        raise InputError(f"--n {args.n}: more than --samples {args.samples}; draw more")


def check_folder(folder: Path) -> None:
    """Raise InputError where a file is in the folder's place, or in that of one above it."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise InputError(f"-o {folder}: {path} is a file, not a folder; choose another -o")


def check_selection(args: argparse.Namespace, models: Mapping[str, str]) -> None:
    """The same with --select."""
    if len(models) != 1 or args.file is None:
        raise InputError("--select: expected a FILE and one --reward_model")
    if args.policy or args.gold_world:
        raise InputError("--select: chooses among the responses of FILE; sample them first")
    if args.n and len(sizes(args.n)) != 1:
        raise InputError(f"--n {args.n}: --select takes one size")


def source_of(args: argparse.Namespace) -> "ResponseSource":
    """Return the origin of the responses."""
    from trueward.alignment import ResponseSource, Sampler, SamplingSettings, WorldSource

    sampler = None
    if args.policy:
        settings = SamplingSettings(
            samples=args.samples,
            max_new_tokens=args.max_new_tokens,
            temperature=args.temperature,
            seed=args.seed,
            text=args.text,
            dtype=args.dtype,
        )
        sampler = Sampler(args.policy, settings, args.device, args.gold_world)
    world = WorldSource(args.prompts, args.samples, args.seed)
    return ResponseSource(args.file, sampler, args.gold_world, world)
