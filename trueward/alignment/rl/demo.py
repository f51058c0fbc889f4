"""The demo: on the embedded world, RLOO with reward models of three objectives, against gold."""

import json
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars

from trueward.alignment.rl.demo_verdict import summary, verdict
from trueward.alignment.rl.record import FILE
from trueward.alignment.rl.run import align
from trueward.alignment.rl.settings import WORLD, AlignSettings
from trueward.alignment.rl.world_policy import world_policy
from trueward.data.goldworld import BASE_PATH, WorldConfig, build_scenarios, format_prompt
from trueward.data.goldworld import train_tasks as tasks_of
from trueward.errors import InputError, OutputExistsError
from trueward.evals import load_run_result
from trueward.evals.files import write_json, write_text
from trueward.training.quiet import quiet
from trueward.training.run import RESULT_FILE, run
from trueward.training.settings import WORLD_TRAINING

SCHEMA = "trueward.align-demo/1"
DEMO_FILE = "demo.json"
OBJECTIVES = ("bt", "bsr", "aplot")
TRAINING: Mapping[str, Any] = {
    "max_steps": 80,
    "per_device_train_batch_size": 64,
    "num_generations": 4,
    "learning_rate": 1e-4,
    "beta": 0.05,
    "max_completion_length": 64,
    "lr_scheduler_type": "constant",
    "save_steps": 40,
    "save_total_limit": 1,
    "save_only_model": False,
    "disable_tqdm": True,
}
WORKERS = 2


@dataclass(frozen=True)
class Cell:
    """One objective and one seed: a reward model, and a policy trained on it."""

    objective: str
    seed: int
    demo: Path
    training: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where both lie."""
        return self.demo / f"{self.objective}-seed{self.seed}"


def demo(folder: Path, seeds: int, training: Mapping[str, Any]) -> dict[str, Any]:
    """Run what is missing and compare gold along the runs; two processes of one thread each.

    Args:
        folder: of everything; an interrupted demo goes on in it.
        seeds: of reward model, policy training and watched prompts; the world is always the same.
        training: fields of `RLOOConfig` over the demo's own.

    Raises:
        InputError: no seed.
        OutputExistsError: the folder holds a finished demo.
    """
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, got {seeds}")
    if (folder / DEMO_FILE).is_file():
        raise OutputExistsError(f"{folder} holds a finished demo; choose another -o")
    folder.mkdir(parents=True, exist_ok=True)
    cells = [Cell(o, s, folder, {**TRAINING, **training}) for s in range(seeds) for o in OBJECTIVES]
    spawn = multiprocessing.get_context("spawn")
    workers = min(WORKERS, len(cells), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, spawn, _alone) as pool:
        pool.submit(_prepare, folder).result()
        runs = list(pool.map(_run, cells))
    document = {
        "schema": SCHEMA,
        "seeds": seeds,
        "training": cells[0].training,
        "runs": [
            summary(c.objective, c.seed, *found) for c, found in zip(cells, runs, strict=True)
        ],
        "verdict": verdict(
            [(c.objective, c.seed, found[0]) for c, found in zip(cells, runs, strict=True)]
        ),
    }
    write_json(document, folder / DEMO_FILE)
    return document


def _alone() -> None:
    quiet()
    disable_progress_bars()
    torch.set_num_threads(1)


def _prepare(folder: Path) -> None:
    """What all runs share: the policy, its prompts, and the reward models' training pairs."""
    world_policy(folder / "policy")
    prompts = [{"prompt": format_prompt(task)} for task in tasks_of(WorldConfig()).values()]
    _write_rows(prompts, folder / "prompts.jsonl")
    pairs = build_scenarios(WorldConfig()).train.select_columns(["prompt", "chosen", "rejected"])
    _write_rows(pairs.to_list(), folder / "pairs.jsonl")


def _run(cell: Cell) -> tuple[dict[str, Any], dict[str, float]]:
    """Both halves of a cell, each unless it is there: the run's document, the judges' means."""
    judged = cell.folder / "reward" / RESULT_FILE
    if not judged.is_file():
        _train_reward_model(cell)
    result = load_run_result(judged)
    means = {name: float(np.nanmean(scores.values)) for name, scores in result.scores.items()}
    settings = AlignSettings(
        policy=str(cell.demo / "policy"),
        reward_models=(str(cell.folder / "reward" / "model"),),
        prompts=str(cell.demo / "prompts.jsonl"),
        output_dir=str(cell.folder / "align"),
        gold=WORLD,
        norm_data=str(cell.demo / "pairs.jsonl"),
        watch_prompts=96,
        watch_every=10,
        seed=cell.seed,
        training=cell.training,
    )
    done = cell.folder / "align" / FILE
    if done.is_file():
        document = json.loads(done.read_text(encoding="utf-8"))
        if document["finished"]:
            return document, means
    return align(settings), means


def _train_reward_model(cell: Cell) -> None:
    run(
        model=str(BASE_PATH),
        objective=cell.objective,
        seed=cell.seed,
        scenarios=build_scenarios(WorldConfig()),
        folder=cell.folder / "reward",
        training=WORLD_TRAINING,
        accuracy_threshold=0.75,
        probe_pairs=0,
        keep_model=True,
    )


def _write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    write_text("".join(json.dumps(row) + "\n" for row in rows), path)
