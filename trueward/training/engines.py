"""Where a study's runs are executed: processes of this machine, or a Ray cluster."""

import logging
import shutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trueward.errors import InputError, RunError, TruewardError
from trueward.processes import cores, in_processes, quiet
from trueward.training.settings import StudySettings

ERROR_FILE = "error.txt"


@dataclass(frozen=True)
class Cell:
    """One run of a study: an objective, a seed, a folder."""

    objective: str
    seed: int
    folder: Path


def execute(cells: list[Cell], settings: StudySettings) -> Iterator[Cell]:
    """Run the cells, several at a time, and yield each when its result is written."""
    if not cells:
        return
    if settings.engine == "ray":
        yield from _on_ray(cells, settings)
        return
    yield from in_processes(
        partial(run_cell, settings=settings),
        cells,
        workers=worker_count(settings),
        died="a run's process died, for want of memory perhaps; use fewer --workers, "
        "the same command goes on",
    )


def run_cell(cell: Cell, settings: StudySettings) -> None:
    """One run, in a process of its own.

    Raises:
        RunError: it failed; the traceback is in the run's folder.
    """
    quiet()
    logging.getLogger("trueward").setLevel(logging.ERROR)  # a run's notices are in its files
    shutil.rmtree(cell.folder, ignore_errors=True)
    cell.folder.mkdir(parents=True)
    try:
        _train(cell, settings)
    except TruewardError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, it is kept in the run's folder
        file = cell.folder / ERROR_FILE
        file.write_text(traceback.format_exc(), encoding="utf-8")
        raise RunError(f"{cell.objective}, seed {cell.seed}: {error!r}; see {file}") from None
    shutil.rmtree(cell.folder / "trainer", ignore_errors=True)


def _train(cell: Cell, settings: StudySettings) -> None:
    from trueward.training.run import run
    from trueward.training.scenario_store import base_model, load

    run(
        model=base_model(settings),
        objective=cell.objective,
        seed=cell.seed,
        scenarios=load(Path(settings.output_dir) / "data"),
        folder=cell.folder,
        training=settings.train_arguments,
        accuracy_threshold=settings.accuracy_threshold,
        probe_pairs=settings.probe_pairs,
        keep_model=settings.keep_models,
    )


def _on_ray(cells: list[Cell], settings: StudySettings) -> Iterator[Cell]:
    try:
        import ray
    except ImportError as error:
        raise InputError('engine ray needs Ray: pip install "trueward[ray]"') from error
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    remote: Any = ray.remote(num_cpus=1, num_gpus=gpus)(run_cell)
    waiting = {remote.remote(cell, settings): cell for cell in cells}
    while waiting:
        finished, _ = ray.wait(list(waiting), num_returns=1)
        ray.get(finished)
        yield waiting.pop(finished[0])


def worker_count(settings: StudySettings) -> int:
    """Runs at a time: as many as asked for, else one a GPU, else one a core."""
    return settings.workers or torch.cuda.device_count() or cores()
