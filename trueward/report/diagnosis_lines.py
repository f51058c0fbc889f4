"""The numbers of a diagnosed set that tables show, by title, in the order of the questions."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from trueward.report.numbers import MISSING, fixed, short, signed

Block: TypeAlias = Mapping[str, Any]


def number(block: Block | None, *path: str) -> float:
    """The number at a path; NaN where any step of it is null or not there."""
    value: Any = block
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return math.nan if value is None else float(value)


def _at(*path: str, form: Callable[[float], str] = fixed) -> Callable[[Block], str]:
    return lambda block: form(number(block, *path))


def _share(value: float) -> str:
    return MISSING if math.isnan(value) else signed(100 * value, 1) + " %"


def _two(value: float) -> str:
    return fixed(value, 2)


def strongest_edit(block: Block) -> tuple[str, float]:
    """The edit that moves the reward most, and its shift in mean clean margins."""
    edits: Block = (block.get("edits") or {}).get("edits") or {}
    shifts = {name: number(one, "shift") for name, one in edits.items()}
    if not shifts:
        return MISSING, math.nan
    name = max(shifts, key=lambda key: abs(shifts[key]))
    return name, shifts[name]


def strongest_probe(block: Block) -> tuple[str, float]:
    """The probe that beats all real responses most often, and on what share of prompts."""
    probes: Block = block.get("probes") or {}
    shares = {name: number(one, "beats_all", "value") for name, one in probes.items()}
    if not shares:
        return MISSING, math.nan
    name = max(shares, key=lambda key: shares[key])
    return name, shares[name]


def _edit(block: Block) -> str:
    name, shift = strongest_edit(block)
    return name if math.isnan(shift) else f"{name} {signed(shift, 2)}"


def _probe(block: Block) -> str:
    name, share = strongest_probe(block)
    return name if math.isnan(share) else f"{name} {100 * share:.0f} %"


def _temperature(block: Block) -> str:
    after = (block.get("calibration") or {}).get("after_temperature")
    if after is None:
        return MISSING
    return _two(number(after, "temperature")) if after["temperature"] is not None else "∞"


def _peak(block: Block) -> str:
    if not block.get("best_of_n"):
        return MISSING
    peak, last = number(block, "best_of_n", "fit", "peak_n"), max(block["best_of_n"]["n"])
    return f"beyond {last}" if not peak < last else short(float(f"{peak:.2g}"))


LINES: tuple[tuple[str, Callable[[Block], str]], ...] = (
    ("prompts", _at("prompts", form=short)),
    ("pair accuracy", _at("accuracy", "value")),
    ("… chosen is shorter", _at("length", "shorter_chosen", "accuracy")),
    ("Kendall τ per prompt", _at("tau", "value")),
    ("‖h‖ before final norm", _at("norms", "pre_norm", "mean", form=_two)),
    ("… against train", _at("norms", "shift", "pre_norm", "relative_mean", form=_share)),
    ("‖h‖ at the head", _at("norms", "hidden", "mean", form=_two)),
    ("… against train", _at("norms", "shift", "hidden", "relative_mean", form=_share)),
    ("effective rank", _at("norms", "effective_rank", form=lambda v: fixed(v, 1))),
    ("… less train's", _at("norms", "shift", "effective_rank", "difference", form=_two)),
    ("length r within prompts", _at("length", "reward", "pearson_within")),
    ("… of the data's score", _at("length", "gold", "pearson_within")),
    ("ECE as it is", _at("calibration", "as_is", "ece")),
    ("… after temperature", _at("calibration", "after_temperature", "ece")),
    ("temperature", _temperature),
    ("strongest edit, in margins", _edit),
    ("retention of margins", _at("edits", "reference", "retention", "value")),
    ("similar pairs, slope", _at("similar_pairs", "slope")),
    ("best-of-n peaks at n", _peak),
    ("probe that beats all", _probe),
    ("flipped pairs learnt", _at("flipped_pairs", "memorised")),
)
"""Title, and how it is read; – where it was not computed."""
