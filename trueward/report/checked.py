"""Documents checked before they are reported: an error names file and field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueward.files import JsonField
from trueward.report.material import Diagnosis
from trueward.report.shapes import (
    NUMBER,
    NUMBERS,
    OBJECT,
    TEXT,
    Shape,
    check,
    listed,
    named,
    nullable,
    numbers_of,
    where_given,
)

_INTERVAL = numbers_of("value", "low", "high")
_NORM: Shape = numbers_of("mean", "std", "cv") | {
    "histogram": {"edges": NUMBERS, "counts": NUMBERS}
}
_REWARDS: Shape = {"n": NUMBER, "quantiles": named(NUMBER)}
_CALIBRATED: Shape = numbers_of("ece", "temperature") | {
    "table": listed(numbers_of("n", "confidence", "wins"))
}
_BLOCK: Mapping[str, Shape] = {
    "name": TEXT,
    "accuracy": nullable(_INTERVAL),
    "norms": nullable(
        {
            "hidden": _NORM,
            "pre_norm": nullable(_NORM),
            "difference": nullable(numbers_of("mean", "std")),
            "effective_rank": NUMBER,
        }
    ),
    "rewards": nullable({"all": _REWARDS, "sources": named(_REWARDS)}),
    "length": nullable({"reward": numbers_of("pearson_within")}),
    "calibration": nullable({"as_is": _CALIBRATED, "after_temperature": nullable(_CALIBRATED)}),
    "similar_pairs": nullable(
        {"slope": NUMBER, "bins": listed(numbers_of("low", "high", "accuracy"))}
    ),
}
"""What the block of every set has."""
_SOME: Mapping[str, Shape] = {
    "tau": nullable(_INTERVAL),
    "edits": nullable({"edits": named(numbers_of("shift"))}),
    "probes": nullable(named({"beats_all": _INTERVAL})),
    "best_of_n": nullable(
        {
            **dict.fromkeys(("n", "kl"), NUMBERS),
            **dict.fromkeys(("gold", "best"), listed(_INTERVAL)),
            "fit": numbers_of("alpha", "beta", "r_squared", "peak_n"),
        }
    ),
    "flipped_pairs": nullable(numbers_of("memorised")),
}
"""What the blocks of some sets have."""
_TOLD: Shape = where_given({"settings": OBJECT, "environment": OBJECT, "command": TEXT})


def diagnosis_of(document: JsonField, path: Path) -> Diagnosis:
    """A document `trueward.diagnostics/1`: every model with the same named sets, all whole."""
    models = document["models"].items()
    if not models:
        document["models"].fail("at least one model")
    names = []
    for model in models:
        check(model["model"], TEXT)
        check(model["not_computed"], listed({"set": TEXT, "diagnostic": TEXT, "needs": TEXT}))
        blocks = model["sets"].items()
        for block in blocks:
            check(block, _BLOCK)
            check(block, where_given(_SOME))
        names.append([block["name"].text() for block in blocks])
        if names[-1] != names[0] or not names[0]:
            model["sets"].fail("the same sets for every model, at least one")
    check(document["not_given"], named(TEXT))
    noise = numbers_of("slope") | {"mean": named(NUMBER), "retained": named(NUMBER)}
    check(document, where_given({"label_noise": nullable(named(noise))}))
    check(document, _TOLD)
    return Diagnosis(str(path), document.value)


def best_of_n_of(document: JsonField) -> Mapping[str, Any]:
    """A document `trueward.bon/1`: a number or null for every size."""
    sizes = len(document["n"].numbers())
    if len(document["kl"].numbers()) != sizes:
        document["kl"].fail(f"{sizes} numbers, one a size")
    for curve in document["curves"].items():
        check(curve, {"model": TEXT, "gold": nullable(listed(_INTERVAL))})
        check(curve, dict.fromkeys(("fit", "peak"), nullable(named(NUMBER))))
        if not curve["gold"].is_null and len(curve["gold"].items()) != sizes:
            curve["gold"].fail(f"{sizes} numbers, one a size")
    check(document, _TOLD)
    return dict(document.value)
