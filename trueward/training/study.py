"""A study: objectives × seeds on one set of scenarios, resumable, several runs at a time."""

import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from trueward.errors import DataError
from trueward.objectives import objective
from trueward.results import RunResult, StudyResults
from trueward.runs import Run, RunKind, environment, written_aside
from trueward.stats import summarise
from trueward.training.baselines import baselines
from trueward.training.engines import Cell, execute, worker_count
from trueward.training.rehearsal import rehearse
from trueward.training.run import RESULT_FILE
from trueward.training.scenario_store import build, data_report, load, store
from trueward.training.settings import StudySettings

logger = logging.getLogger(__name__)

RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"
SETTINGS_FILE = "settings.json"
LEAST_SEEDS = 2
KIND = RunKind(
    document=SETTINGS_FILE,
    option="--output_dir",
    foreign="is not empty and holds no study; choose another",
    finished="is complete; add seeds or objectives, or --overwrite",
    other="holds a study with other settings; choose another folder or --overwrite",
)

Progress = Callable[[int, int, str], None]
"""(runs done, runs planned, what just finished)."""


@dataclass(frozen=True)
class Sitting:
    """One sitting of a study: its folder, its settings and when it must end."""

    settings: StudySettings
    folder: Path
    started: float

    def cells(self, seeds: Iterable[int]) -> list[Cell]:
        """The runs of these seeds, seed by seed, that have no valid result yet."""
        planned = [
            Cell(spec, seed, self.folder / "runs" / f"{slug(spec)}-seed{seed}")
            for seed in seeds
            for spec in self.settings.objectives
        ]
        return [cell for cell in planned if _finished(cell.folder) is None]


def study(
    settings: StudySettings,
    *,
    command: str = "",
    progress: Progress | None = None,
    overwrite: bool = False,
) -> StudyResults:
    """Train and judge every objective with every seed, compare them, write `results.json`.

    Runs of one seed share data order and head initialisation. Stopped at any time, the same call
    goes on with the runs that are missing. With `overwrite`, an earlier study in the folder is
    removed once everything about this one has been checked.

    Raises:
        OutputExistsError: the folder holds another study, or this one complete.
        DataError: the data cannot be split into scenarios.
    """
    sitting = Sitting(settings, Path(settings.output_dir), time.monotonic())
    _enter(sitting, overwrite)
    seeds = _run_all(sitting, progress or (lambda done, planned, what: None))
    scenarios = load(sitting.folder / "data")
    runs = {
        str(cell.relative_to(sitting.folder)): result for cell, result in _results(sitting, seeds)
    }
    results = summarise(
        runs,
        name=sitting.folder.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        environment=environment(),
        settings={**asdict(settings), "data_report": data_report(sitting.folder / "data")},
        baselines=baselines(scenarios),
        baseline=_baseline(settings),
    )
    results.write(sitting.folder / RESULTS_FILE)
    return results


def slug(spec: str) -> str:
    """A folder name for an objective: `aplot + bsr(weight=0.01)` is `aplot-bsr-weight0.01`."""
    return re.sub(r"[^a-z0-9.]+", "-", spec.lower().replace("=", "")).strip("-")


def _enter(sitting: Sitting, overwrite: bool) -> None:
    """Claim the folder for this study, or find that it is claimed already."""
    settings, run = sitting.settings, Run(sitting.folder, KIND)
    run.claim(settings.settled(), overwrite=overwrite)
    if run.occupied() and not overwrite:
        done = all((run.folder / name).exists() for name in (RESULTS_FILE, REPORT_FILE))
        if done and not sitting.cells(range(settings.seeds)):
            run.refuse_finished()
        return
    scenarios, report = build(settings)
    rehearse(settings, scenarios)
    logger.warning(report)
    with written_aside(run.folder) as aside:
        store(scenarios, report, aside / "data")
        (aside / SETTINGS_FILE).write_text(json.dumps(settings.settled(), indent=2) + "\n")
        run.remove()


def _run_all(sitting: Sitting, progress: Progress) -> list[int]:
    """Run what is missing; returns the seeds that every objective has."""
    settings = sitting.settings
    least = settings.seeds if settings.minutes is None else min(LEAST_SEEDS, settings.seeds)
    seeds = list(range(least))
    planned = least * len(settings.objectives)
    for round_seeds in [seeds, *[[s] for s in range(least, settings.seeds)]]:
        if round_seeds is not seeds:
            if not _fits(sitting, seeds):
                break
            seeds = seeds + round_seeds
            planned += len(settings.objectives)
        cells = sitting.cells(round_seeds)
        done = planned - len(cells)
        for finished in execute(cells, settings):
            done += 1
            progress(done, planned, f"{finished.objective}, seed {finished.seed}")
    return seeds


def _fits(sitting: Sitting, seeds: list[int]) -> bool:
    """Whether one more seed would end in time, going by the runs that are there."""
    assert sitting.settings.minutes is not None
    seconds = [result.seconds for _, result in _results(sitting, seeds)]
    rounds = math.ceil(len(sitting.settings.objectives) / worker_count(sitting.settings))
    spent = time.monotonic() - sitting.started
    return spent + rounds * max(seconds) < sitting.settings.minutes * 60


def _results(sitting: Sitting, seeds: list[int]) -> Iterable[tuple[Path, RunResult]]:
    for seed in seeds:
        for spec in sitting.settings.objectives:
            folder = sitting.folder / "runs" / f"{slug(spec)}-seed{seed}"
            yield folder, RunResult.read(folder / RESULT_FILE)


def _finished(folder: Path) -> RunResult | None:
    try:
        return RunResult.read(folder / RESULT_FILE)
    except DataError:
        return None


def _baseline(settings: StudySettings) -> str:
    canonical = [str(objective(spec)) for spec in settings.objectives]
    return "bt" if "bt" in canonical else canonical[0]
