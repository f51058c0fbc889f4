"""Where a study's runs are executed: processes of this machine, or a Ray cluster."""

import logging
import multiprocessing
import os
import shutil
import signal
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trueward.errors import InputError, RunError, TruewardError
from trueward.training.quiet import quiet
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
    workers = min(worker_count(settings), len(cells))
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
        except BrokenProcessPool as error:
            raise RunError(
                "a run's process died, for want of memory perhaps; use fewer --workers, "
                "the same command goes on"
            ) from error
        except BaseException:  # Ctrl-C too: do not wait for runs that nobody wants any more
            for process in processes:
                process.terminate()
            pool.shutdown(cancel_futures=True)
            raise


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


def _begin_worker(slots: Any, workers: int) -> None:
    """Take a share of the machine, leave Ctrl-C to the parent, and do not outlive it."""
    slot = slots.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if torch.cuda.device_count() > 0:
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = given.split(",") if given else list(map(str, range(torch.cuda.device_count())))
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    else:
        torch.set_num_threads(max(1, _cores() // workers))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def worker_count(settings: StudySettings) -> int:
    """Runs at a time: as many as asked for, else one a GPU, else one a core."""
    return settings.workers or torch.cuda.device_count() or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
