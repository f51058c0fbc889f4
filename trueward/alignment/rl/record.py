"""`align.json`: what a run was, what was seen along it, and the curve of gold against distance."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from trueward.alignment.rl.alarms import best
from trueward.alignment.rl.points import Point
from trueward.alignment.rl.watch import Watch
from trueward.diagnostics import fit_rl
from trueward.errors import DataError
from trueward.files import plain

SCHEMA = "trueward.align/1"
FILE = "align.json"
BEST = "best"


def record(
    watch: Watch, settings: Mapping[str, Any], environment: Mapping[str, str], finished: bool
) -> dict[str, Any]:
    """The document so far, in JSON's own types."""
    top = best(watch.points)
    document = {
        "schema": SCHEMA,
        "settings": settings,
        "environment": environment,
        "finished": finished,
        "stopped": "over-optimization" if watch.stopped else None,
        "criterion": "proxy" if top.gold is None else "gold",
        "best": {"step": top.step, "proxy": top.proxy, "gold": top.gold, "folder": BEST},
        "usual_norms": asdict(watch.usual) if watch.usual else None,
        "alarms": [asdict(alarm) for alarm in watch.alarms],
        "watch_seconds": watch.seconds,
        "points": [{**asdict(p), "distance": p.distance} for p in watch.points],
        "fit": gold_fit(watch.points),
    }
    return dict(plain(document))


def gold_fit(points: Sequence[Point]) -> dict[str, Any] | None:
    """R = d(α − β log d) through gold against d = √KL; None without gold, or with a `reason`."""
    start, *later = points
    if start.gold is None:
        return None
    try:
        fit = fit_rl([p.kl_k3 for p in later], np.array([p.gold for p in later]), start=start.gold)
    except DataError as error:
        return {"reason": str(error)}
    return {**asdict(fit), "peak_distance": fit.peak_d, "peak_gain": fit.peak_gain}
