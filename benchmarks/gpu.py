"""Every benchmark that an accelerator changes, one after the other, and one table of all.

    python benchmarks/gpu.py --out runs/gpu-bench          # or: make gpu-bench

Training throughput beside TRL's and scoring beside a plain loop at 0.1B, 0.5B and 1.5B random
weights in bf16, the exact batch, and what an objective adds. Each benchmark leaves its JSON; what
it printed is collected in `gpu.md`. One that fails is told of there, and the others go on.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from common import environment

HERE = Path(__file__).parent
MODELS = ["decoder-0.1b", "decoder-0.5b", "decoder-1.5b"]
QUICK = ["decoder-17m"]


def commands(models: list[str], quick: bool) -> dict[str, list[str]]:
    """The arguments of each benchmark by its name."""
    rounds = ["--rounds", "1"] if quick else ["--rounds", "5"]
    steps = ["--steps", "1"] if quick else ["--steps", "3"]
    return {
        "training_throughput": ["--models", *models, *rounds, *steps],
        "scoring_throughput": ["--models", *models, *rounds],
        "exact_batch": ["--model", models[0], *rounds],
        "objective_overhead": ["--model", models[-1], *rounds],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--quick", action="store_true", help="one round of the smallest model")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-bench"))
    args = parser.parse_args()
    if not torch.accelerator.is_available() and not args.quick:
        raise SystemExit("no accelerator here; --quick tries the script on the processor")
    args.out.mkdir(parents=True, exist_ok=True)
    facts = {**environment(), "device": _device()}
    parts = ["# Benchmarks on an accelerator", "\n".join(f"- {k}: {v}" for k, v in facts.items())]
    for name, arguments in commands(QUICK if args.quick else args.models, args.quick).items():
        out = ["--out", str(args.out / f"{name}.json")]
        command = [sys.executable, str(HERE / f"{name}.py"), *arguments, *out]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        said = done.stdout if done.returncode == 0 else f"failed with exit {done.returncode}\n"
        shown = f"python benchmarks/{name}.py {' '.join(arguments)}"
        parts.append(f"## {name}\n\n```\n{shown}\n\n{said}```")
        print(parts[-1], flush=True)
        (args.out / "gpu.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"written to {args.out / 'gpu.md'}")


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"


if __name__ == "__main__":
    main()
