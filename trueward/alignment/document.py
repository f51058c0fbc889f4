"""`bon.json`, schema `trueward.bon/1`: best-of-n curves for machines."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trueward.alignment.curves import BestOfN, Curve
from trueward.alignment.scored_prompts import ScoredPrompts
from trueward.files import write_json
from trueward.runs import check_apart, check_same, read_record, rows_digest

SCHEMA = "trueward.bon/1"
FILE = "bon.json"


def document(result: BestOfN, scored: ScoredPrompts, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The result with what it was made of; infinite and undefined numbers become null in JSON."""
    return {
        "schema": SCHEMA,
        "made_of": made_of(scored),
        "settings": dict(settings),
        "n": result.ns,
        "kl": result.kl,
        "prompts": result.prompts,
        "rows": result.rows,
        "samples": {"fewest": result.samples[0], "most": result.samples[1]},
        "draws": result.draws,
        "confidence": result.confidence,
        "curves": [_curve(curve) for curve in result.curves],
        "differences": [asdict(gap) for gap in result.gaps],
        "notices": notices(result),
    }


def made_of(scored: ScoredPrompts) -> dict[str, str]:
    """Digests of what is compared: the rows with their gold, and each model's rewards of them."""
    gold = None if scored.gold is None else [row.tolist() for row in scored.gold]
    found = {"rows": rows_digest([{"prompts": scored.prompts, "gold": gold}])}
    for label, rows in scored.proxies.items():
        found[f"rewards of {label}"] = rows_digest([{"rewards": [row.tolist() for row in rows]}])
    return found


def notices(result: BestOfN) -> list[str]:
    """What a reader must know before believing the curves."""
    said = []
    if result.prompts == 1:
        said.append("one prompt, so there are no intervals: they need several prompts")
    largest, fewest = result.ns[-1], result.samples[0]
    if 4 * largest > fewest > 1:
        said.append(
            f"n above {max(1, fewest // 4)} rests on few of the {fewest} samples: "
            "its intervals are wide"
        )
    for curve in result.curves:
        if curve.fit is not None and curve.fit.r_squared < 0.9:
            said.append(
                f"{curve.label}: the fit explains R² = {curve.fit.r_squared:.2f}; believe the "
                "points, not its peak"
            )
        if curve.peak is not None and curve.peak.n > largest:
            said.append(f"{curve.label}: the fit peaks beyond the measured n = {largest}: a guess")
    return said


def check_document(source: str | None, folder: Path) -> None:
    """Refuse to write over the file that is read. Raises OutputExistsError."""
    if source is not None:
        check_apart(source, folder / FILE)


def write_document(found: Mapping[str, Any], folder: Path, *, overwrite: bool) -> Path:
    """Write `bon.json`; one of the same rows is replaced, with other sizes or further models.

    Raises:
        OutputExistsError: one is there of other rows, or of other rewards under a model's name.
    """
    path = folder / FILE
    if path.exists() and not overwrite:
        earlier = read_record(path).get("made_of", {})
        shared = {name: found["made_of"].get(name, value) for name, value in earlier.items()}
        check_same(path, path, shared or found["made_of"])
    folder.mkdir(parents=True, exist_ok=True)
    write_json(found, path)
    return path


def _curve(curve: Curve) -> dict[str, Any]:
    fit = None
    if curve.fit is not None:
        fit = {**asdict(curve.fit), "peak_d": curve.fit.peak_d, "peak_gain": curve.fit.peak_gain}
    return {
        "model": curve.label,
        "proxy": [asdict(one) for one in curve.proxy],
        "gold": None if curve.gold is None else [asdict(one) for one in curve.gold],
        "fit": fit,
        "peak": None if curve.peak is None else asdict(curve.peak),
        "best": None if curve.best is None else asdict(curve.best),
    }
