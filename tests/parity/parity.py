"""`make parity`: the official rewardbench package gives the scores that we give.

Usage: python parity.py PYTHON, with PYTHON of the environment that has the package.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
from checkpoints import (
    Build,
    bert,
    gold_world,
    gpt2,
    llama,
    llama_adapter,
    message_pairs,
    qwen2_scaled,
    text_pairs,
    write_rows,
)
from rich.console import Console
from rich.table import Table

from trueward.export import export_for_rewardbench
from trueward.export.rewardbench import MODEL_TYPES, read_pairs
from trueward.scorer import Scorer

TOLERANCE = 1e-4
PAIRS = 30
CASES: dict[str, Build] = {
    "goldworld": gold_world,
    "llama": llama,
    "llama-adapter": llama_adapter,
    "qwen2-scaled": qwen2_scaled,
    "gpt2": gpt2,
    "bert": bert,
}
CLASSES = (
    "from transformers.models.auto.modeling_auto import "
    "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as names; print(*names)"
)


def main(python: str) -> int:
    """Compare every case; 1 if one differs."""
    table = Table("checkpoint", "pairs", "accuracy: ours", "theirs", "score range", "largest gap")
    failed = _unknown_types(python)
    for name, build in CASES.items():
        with tempfile.TemporaryDirectory() as work, chdir(work):
            row, equal = _compare(python, name, build, Path(work))
        table.add_row(*row, style=None if equal else "bold red")
        failed += [] if equal else [name]
    console = Console(width=100)
    console.print(table)
    console.print(f"differs: {', '.join(failed)}" if failed else f"all within {TOLERANCE:g}")
    return 1 if failed else 0


def _compare(python: str, name: str, build: Build, work: Path) -> tuple[list[str], bool]:
    checkpoint = build(work)
    rows = text_pairs(PAIRS, 2) if build is gold_world else message_pairs(PAIRS, 2)
    data = write_rows(rows, work / "data.jsonl")
    exported = export_for_rewardbench(checkpoint, Path(name), data=data)
    theirs, their_accuracy = _official(python, exported.command, name)
    ours = _ours(checkpoint, data)
    accuracy = float((ours[:, 0] > ours[:, 1]).mean())
    gap = float(np.abs(ours - theirs).max())
    equal = gap <= TOLERANCE and accuracy == their_accuracy and float(np.ptp(ours)) > 0.01
    span = f"{ours.min():.3f} to {ours.max():.3f}"
    figures = [f"{accuracy:.4f}", f"{their_accuracy:.4f}", span, f"{gap:.1e}"]
    return [name, str(len(ours)), *figures], equal


def _ours(checkpoint: str, data: str) -> np.ndarray:
    """Chosen and rejected rewards of each pair, from the checkpoint as training left it."""
    pairs, _ = read_pairs(data)
    scorer = Scorer.from_pretrained(checkpoint, device="cpu")
    prompts = [pair["chosen"][:-1] for pair in pairs]
    sides = [[pair[side][-1:] for side in ("chosen", "rejected")] for pair in pairs]
    return np.array(scorer.score_groups(prompts, sides))


def _official(python: str, command: str, name: str) -> tuple[np.ndarray, float]:
    """The same from the package, run by the command that the export printed."""
    shim = str(Path(__file__).with_name("on_cpu.py"))
    _run([python, shim, *shlex.split(command)[1:]])
    lines = Path(f"results/{name}_outputs.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    scores = np.array([[row["scores_chosen"], row["scores_rejected"]] for row in rows])
    summary = json.loads(Path(f"results/{name}.json").read_text(encoding="utf-8"))
    return scores, summary["accuracy"]


def _unknown_types(python: str) -> list[str]:
    """Model types that we export and the package's transformers does not know."""
    return sorted(MODEL_TYPES - set(_run([python, "-c", CLASSES]).split()))


def _run(command: list[str]) -> str:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(Path.cwd() / "hf"), "WANDB_MODE": "disabled"}
    environment = {**os.environ, **offline, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-3000:] + done.stderr[-6000:])
        raise SystemExit(f"the package failed: {shlex.join(command)}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
