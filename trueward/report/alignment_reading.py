"""Reading `align.json` and `demo.json`: every number that a report shows is checked here."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueward.files import JsonField, read_json
from trueward.report.alignment import ALIGN, PolicyRun

DEMO = "trueward.align-demo/1"
ALIGN_FILE, DEMO_FILE = "align.json", "demo.json"
REQUIRED = ("step", "distance", "proxy")
MEASURED = ("kl_k1", "kl_k3", "length", "entropy", "truncated", "norm", "norm_outside", "beta")
"""Numbers of a look: those it must have, and those it may have."""


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
        for name in REQUIRED:
            look[name].number()
        for name, node in look.members().items():
            if name in MEASURED:
                node.number()
        if look["gold"].is_null == gold:
            look["gold"].fail("gold at every look, or at none")
        for name in ("gold_each", "proxy_each"):
            if len(look[name].numbers()) != len(looks[0][name].numbers()):
                look[name].fail("as many prompts as at the first look")
    _check_outcome(document)
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
    _check_outcome(one)
    rest = {name: one[name].value for name in ("alarms", "fit")}
    return PolicyRun("", str(path), {"points": points, "finished": True, "best": best, **rest})


def _check_outcome(document: JsonField) -> None:
    for alarm in document["alarms"].items():
        alarm["step"].number()
        alarm["kind"].text()
        alarm["message"].text()
    if not document["fit"].is_null:
        for name, node in document["fit"].members().items():
            node.text() if name == "reason" else node.number()


def _check_settings(document: JsonField) -> None:
    settings = document["settings"]
    settings["reward_models"].texts()
    settings["algorithm"].text()
    settings["shaping"].members()
    document["finished"].boolean()
    for name in ("step", "gold"):
        document["best"][name].number()
