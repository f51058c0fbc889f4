"""One run of the demo: a reward model, and a policy trained on it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import disable_progress_bars

from trueward.alignment.rl.folder import check_same, earlier_run
from trueward.alignment.rl.recipe import Recipe
from trueward.alignment.rl.run import align
from trueward.alignment.rl.settings import WORLD, AlignSettings
from trueward.alignment.rl.world_policy import world_policy
from trueward.files import write_text
from trueward.goldworld import BASE_PATH, WorldConfig, build_scenarios, format_prompt
from trueward.goldworld import train_tasks as tasks_of
from trueward.processes import quiet
from trueward.results import RunResult
from trueward.training.run import RESULT_FILE, run


@dataclass(frozen=True)
class Cell:
    """One objective and one seed: a reward model, and a policy trained on it."""

    objective: str
    seed: int
    demo: Path
    recipe: Recipe

    @property
    def folder(self) -> Path:
        """Where both lie."""
        return self.demo / f"{self.objective}-seed{self.seed}"

    @property
    def settings(self) -> AlignSettings:
        """Of the policy's run."""
        return AlignSettings(
            policy=str(self.demo / "policy"),
            reward_models=(str(self.folder / "reward" / "model"),),
            prompts=str(self.demo / "prompts.jsonl"),
            output_dir=str(self.folder / "align"),
            algorithm=self.recipe.algorithm,
            gold=WORLD,
            norm_data=str(self.demo / "pairs.jsonl"),
            watch_prompts=self.recipe.watch_prompts,
            watch_every=self.recipe.watch_every,
            seed=self.seed,
            training=self.recipe.training,
        )

    def done(self) -> dict[str, Any] | None:
        """The document of the policy's run, if it is finished.

        Raises:
            OutputExistsError: it was run with other settings.
        """
        found = earlier_run(self.folder / "align")
        if found is None:
            return None
        check_same(self.folder / "align", found, self.settings)
        return found if found["finished"] else None


def judged(cell: Cell) -> dict[str, float]:
    """The mean of each measure of its reward model."""
    scores = RunResult.read(cell.folder / "reward" / RESULT_FILE).scores
    return {name: float(np.nanmean(found.values)) for name, found in scores.items()}


def _alone() -> None:
    quiet()
    disable_progress_bars()
    torch.set_num_threads(1)


def prepare(given: tuple[Path, Recipe]) -> None:
    """What all runs share: the policy, its prompts, and the reward models' training pairs."""
    _alone()
    folder, recipe = given
    world_policy(folder / "policy", recipe.policy)
    prompts = [{"prompt": format_prompt(task)} for task in tasks_of(WorldConfig()).values()]
    _write_rows(prompts, folder / "prompts.jsonl")
    pairs = build_scenarios(WorldConfig()).train.select_columns(["prompt", "chosen", "rejected"])
    _write_rows(pairs.to_list(), folder / "pairs.jsonl")


def run_cell(cell: Cell) -> None:
    """Both halves of a cell; the reward model unless it is there."""
    _alone()
    if not (cell.folder / "reward" / RESULT_FILE).is_file():
        _train_reward_model(cell)
    align(cell.settings)


def _train_reward_model(cell: Cell) -> None:
    run(
        model=str(BASE_PATH),
        objective=cell.objective,
        seed=cell.seed,
        scenarios=build_scenarios(WorldConfig()),
        folder=cell.folder / "reward",
        training=cell.recipe.reward_training,
        accuracy_threshold=0.75,
        probe_pairs=0,
        keep_model=True,
    )


def _write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    write_text("".join(json.dumps(row) + "\n" for row in rows), path)
