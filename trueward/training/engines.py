"""Where a study's runs are executed: processes of this machine, or a Ray cluster."""

import logging
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trueward.errors import InputError
from trueward.training.quiet import quiet
from trueward.training.settings import StudySettings


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
    workers = min(settings.workers or _default_workers(), len(cells))
    context = multiprocessing.get_context("spawn")
    slots = context.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)
    with ProcessPoolExecutor(workers, context, _begin_worker, (slots, workers)) as pool:
        futures = {pool.submit(run_cell, cell, settings): cell for cell in cells}
        processes = list((pool._processes or {}).values())
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BaseException:  # Ctrl-C too: do not wait for runs that nobody wants any more
            for process in processes:
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


def run_cell(cell: Cell, settings: StudySettings) -> None:
    """One run, in a process of its own."""
    from trueward.training.run import run
    from trueward.training.scenario_store import base_model, load

    quiet()
    logging.getLogger("trueward").setLevel(logging.ERROR)  # a run's notices are in its files
    shutil.rmtree(cell.folder, ignore_errors=True)
    cell.folder.mkdir(parents=True)
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
    shutil.rmtree(cell.folder / "trainer", ignore_errors=True)


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


def _begin_worker(slots: Any, workers: int) -> None:
    """Take a share of the machine, leave Ctrl-C to the parent, and do not outlive it."""
    slot = slots.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if torch.cuda.is_available():
        torch.cuda.set_device(slot % torch.cuda.device_count())
    else:
        torch.set_num_threads(max(1, _cores() // workers))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _default_workers() -> int:
    return torch.cuda.device_count() or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
