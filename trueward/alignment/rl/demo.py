"""The demo: on the embedded world, policies on reward models of three objectives, against gold."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trueward.alignment.rl.demo_cell import Cell, judged, prepare, run_cell
from trueward.alignment.rl.demo_verdict import summary, verdict
from trueward.alignment.rl.processes import in_processes
from trueward.alignment.rl.recipe import OBJECTIVES, WORKERS, Recipe
from trueward.errors import InputError, OutputExistsError
from trueward.files import write_json

SCHEMA = "trueward.align-demo/1"
DEMO_FILE = "demo.json"


def demo(folder: Path, seeds: int, recipe: Recipe | None = None) -> dict[str, Any]:
    """Run what is missing and compare gold along the runs; two processes of one thread each.

    Args:
        folder: of everything; an interrupted demo goes on in it, a finished one takes more seeds.
        seeds: of reward model, policy training and watched prompts; the world is always the same.
        recipe: how all is trained.

    Raises:
        InputError: no seed.
        OutputExistsError: the folder holds a demo of as many seeds, or of other settings.
        KeyboardInterrupt: stopped by a signal; the runs have checkpoints to go on from.
    """
    if seeds < 1:
        raise InputError(f"--seeds: expected at least 1, got {seeds}")
    if (earlier := _seeds(folder / DEMO_FILE)) >= seeds:
        raise OutputExistsError(
            f"{folder} holds a finished demo of --seeds {earlier}; ask for more, or choose another "
            "-o"
        )
    recipe = recipe or Recipe()
    cells = [Cell(o, s, folder, recipe) for s in range(seeds) for o in OBJECTIVES]
    missing = [cell for cell in cells if cell.done() is None]
    folder.mkdir(parents=True, exist_ok=True)
    in_processes(prepare, [(folder, recipe)], workers=1)
    in_processes(run_cell, missing, workers=WORKERS)
    document = _document(cells, seeds, recipe)
    write_json(document, folder / DEMO_FILE)
    return document


def _seeds(file: Path) -> int:
    """Of a finished demo; 0 without one."""
    return int(json.loads(file.read_text(encoding="utf-8"))["seeds"]) if file.is_file() else 0


def _document(cells: Sequence[Cell], seeds: int, recipe: Recipe) -> dict[str, Any]:
    runs = [(c.objective, c.seed, found) for c in cells if (found := c.done()) is not None]
    means = [judged(cell) for cell in cells]
    return {
        "schema": SCHEMA,
        "seeds": seeds,
        "algorithm": recipe.algorithm,
        "training": recipe.training,
        "runs": [summary(*one, of) for one, of in zip(runs, means, strict=True)],
        "verdict": verdict(runs),
    }
