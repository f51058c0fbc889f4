"""What a diagnosis warns of, in plain language, by the rules of thumb of docs/diagnostics.md."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trueward.report.diagnosis_lines import Block, number, strongest_probe
from trueward.report.material import Diagnosis
from trueward.report.numbers import fixed, listed, percent, signed, spaced

SHIFT, ECE, COLD, HOT, PROBED, SHORTER, FITS = 0.1, 0.05, 0.5, 2.0, 0.05, 0.1, 0.9
"""Where healthy ends: relative shift of norms, ECE, temperature, share of prompts that a probe
wins, accuracy lost where the chosen is shorter; and the R² from which a fit is believed."""

Warned = tuple[float, str]
"""How bad, and the words."""


def warnings_of(diagnosis: Diagnosis) -> list[str]:
    """A sentence for each model and kind of trouble: the worst set, and which others share it."""
    return [
        f"{model['model']}: {words}"
        for model in diagnosis.models
        for kind in (_probes, _peak, _norms, _shorter, _log_odds)
        for words in _worst(model, kind)
    ]


def _worst(model: Mapping[str, Any], kind: Callable[[Block], Warned | None]) -> Iterator[str]:
    found = [
        (*warning, spaced(block["name"]))
        for block in model["sets"]
        if block["name"] != "train" and (warning := kind(block)) is not None
    ]
    if not found:
        return
    found.sort(key=lambda one: -one[0])
    _, words, name = found[0]
    others = [other for *_, other in found[1:]]
    yield f"{words} on {name}" + (f"; less so on {listed(others)}." if others else ".")


def _probes(block: Block) -> Warned | None:
    name, share = strongest_probe(block)
    if not share > PROBED:
        return None
    low, high = (number(block, "probes", name, "beats_all", end) for end in ("low", "high"))
    return share, (
        f"the senseless answer “{name}” beats every real response on "
        f"{percent(round(share, 2))} of prompts ({percent(round(low, 2))} to "
        f"{percent(round(high, 2))})"
    )


def _peak(block: Block) -> Warned | None:
    if not block.get("best_of_n"):
        return None
    peak, fits = (number(block, "best_of_n", "fit", name) for name in ("peak_n", "r_squared"))
    last = max(block["best_of_n"]["n"])
    if not (peak < last and fits >= FITS):
        return None
    return 1 / max(peak, 1), (
        f"best-of-n by its reward loses gold beyond n ≈ {fixed(peak, 1)} (fitted up to {last})"
    )


def _norms(block: Block) -> Warned | None:
    place = "pre_norm" if (block.get("norms") or {}).get("pre_norm") else "hidden"
    shift = number(block, "norms", "shift", place, "relative_mean")
    if not abs(shift) > SHIFT:
        return None
    return abs(shift), f"mean ‖h‖ is {signed(100 * shift, 1)} % against training"


def _shorter(block: Block) -> Warned | None:
    right = number(block, "accuracy", "value")
    shorter = number(block, "length", "shorter_chosen", "accuracy")
    if not right - shorter > SHORTER:
        return None
    return right - shorter, (
        f"accuracy falls from {fixed(right)} to {fixed(shorter)} where the chosen response is the "
        "shorter one"
    )


def _log_odds(block: Block) -> Warned | None:
    ece = number(block, "calibration", "after_temperature", "ece")
    heat = number(block, "calibration", "after_temperature", "temperature")
    if not math.isnan(ece) and math.isnan(heat):
        return 1.0, "margins say nothing: no temperature makes them better than a coin"
    if math.isnan(ece) or (ece <= ECE and COLD <= heat <= HOT):
        return None
    return ece, (
        f"a margin is no log-odds: ECE {fixed(ece)} after a temperature of {fixed(heat, 2)}"
    )
