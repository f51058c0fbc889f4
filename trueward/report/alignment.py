"""Policies trained on reward models, as a report sees them: documents of `trueward align`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trueward.evals import Estimate, bootstrap_mean
from trueward.evals.files import read_json
from trueward.evals.json_field import JsonField
from trueward.report.diagnosis_lines import number

ALIGN, DEMO = "trueward.align/1", "trueward.align-demo/1"
ALIGN_FILE, DEMO_FILE = "align.json", "demo.json"


@dataclass(frozen=True)
class PolicyRun:
    """A policy's run against a reward model, or against several."""

    label: str
    source: str
    document: Mapping[str, Any]
    """`trueward.align/1`, or what a demo's document holds of it."""

    @property
    def points(self) -> list[Mapping[str, Any]]:
        """The looks at it, the first before training."""
        return list(self.document["points"])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Empty in a demo's own document."""
        return self.document.get("settings") or {}

    @property
    def whole(self) -> bool:
        """Whether the document is a run's own."""
        return self.document.get("schema") == ALIGN

    @property
    def has_gold(self) -> bool:
        """Whether the truth was looked at."""
        return self.points[0].get("gold") is not None

    @cached_property
    def gold(self) -> list[Estimate]:
        """Mean gold at each look, with an interval over prompts where each prompt's is known."""
        return [_estimate(point.get("gold_each"), number(point, "gold")) for point in self.points]

    @cached_property
    def change(self) -> Estimate:
        """Gold at the last look less gold at the first, paired by prompt."""
        first, last = self.points[0], self.points[-1]
        pairs = zip(first.get("gold_each") or (), last.get("gold_each") or (), strict=True)
        gap = number(last, "gold") - number(first, "gold")
        return _estimate([after - before for before, after in pairs], gap)

    @property
    def risen(self) -> float:
        """Reward at the last look less that at the first."""
        return number(self.points[-1], "proxy") - number(self.points[0], "proxy")


class Policies:
    """Runs as they are read, each once, and the demos that some of them are of."""

    def __init__(self) -> None:
        self.demos: dict[str, Mapping[str, Any]] = {}
        self._runs: dict[Path, PolicyRun] = {}

    def add(self, document: JsonField, path: Path) -> None:
        """Take up a document of either schema. Raises DataError."""
        if document["schema"].text() == ALIGN:
            self._runs.setdefault(path.resolve(), read_run(document, path))
            return
        self.demos[str(path)] = dict(document.value)
        for run in read_demo(document, path):
            source = Path(run.source).resolve()
            self._runs[source if run.whole else source / run.label] = run

    def told_apart(self) -> tuple[PolicyRun, ...]:
        """All runs; those of one name are called by their folders."""
        runs = list(self._runs.values())
        names = [run.label for run in runs]
        return tuple(
            replace(r, label=str(Path(r.source).parent)) if names.count(r.label) > 1 else r
            for r in runs
        )


def read_run(document: JsonField, path: Path) -> PolicyRun:
    """A run's document, its looks checked. Raises DataError."""
    _check_settings(document)
    looks = document["points"].items()
    if not looks:
        document["points"].fail("at least one look")
    gold = not looks[0]["gold"].is_null
    for look in looks:
        for name in ("step", "distance", "proxy"):
            look[name].number()
        if look["gold"].is_null == gold:
            look["gold"].fail("gold at every look, or at none")
        for name in ("gold_each", "proxy_each"):
            if len(look[name].numbers()) != len(looks[0][name].numbers()):
                look[name].fail("as many prompts as at the first look")
    for alarm in document["alarms"].items():
        alarm["kind"].text()
        alarm["message"].text()
    return PolicyRun(path.absolute().parent.name, str(path), document.value)


def read_demo(document: JsonField, path: Path) -> Iterator[PolicyRun]:
    """A demo's runs: each from its own document where that lies beside, else from the demo's."""
    document["verdict"].texts()
    for one in document["runs"].items():
        objective, seed = one["objective"].text(), one["seed"].integer()
        own = path.parent / f"{objective}-seed{seed}" / "align" / ALIGN_FILE
        run = read_run(read_json(own), own) if own.is_file() else _from_demo(one, path)
        yield replace(run, label=f"{objective}, seed {seed}")


def _from_demo(one: JsonField, path: Path) -> PolicyRun:
    curve = {name: one["curve"][name].numbers() for name in ("step", "distance", "proxy", "gold")}
    if len({len(values) for values in curve.values()}) > 1 or not curve["step"]:
        one["curve"].fail("lists of one length, at least one look")
    rows = zip(*curve.values(), strict=True)
    points = [dict(zip(curve, row, strict=True)) for row in rows]
    best = {"step": one["step_best"].number(), "gold": one["gold_best"].number()}
    rest = {name: one[name].value for name in ("alarms", "fit")}
    return PolicyRun("", str(path), {"points": points, "finished": True, "best": best, **rest})


def _check_settings(document: JsonField) -> None:
    settings = document["settings"]
    settings["reward_models"].texts()
    settings["algorithm"].text()
    settings["shaping"].members()
    document["finished"].boolean()
    document["best"]["step"].number()


def _estimate(values: Sequence[float] | None, mean: float) -> Estimate:
    """The mean with its interval; without, where there are fewer than two prompts."""
    if not values or len(values) < 2:
        return Estimate(mean, float("nan"), float("nan"))
    return bootstrap_mean(values, [str(i) for i in range(len(values))])
