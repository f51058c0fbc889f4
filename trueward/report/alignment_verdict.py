"""What happened to gold while policies were trained on reward models, in plain language."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trueward.report.diagnosis_lines import number
from trueward.report.material import PolicyRun
from trueward.report.numbers import count, fixed, listed, percent, short, signed
from trueward.report.verdict import Verdict
from trueward.types import Estimate


def alignment_verdict(
    runs: Sequence[PolicyRun], demos: Sequence[Mapping[str, Any]] = ()
) -> Verdict:
    """A headline over all runs, what demos said, a sentence a run; alarms as warnings."""
    findings = [f"{words}." for demo in demos for words in demo["verdict"]]
    findings += [_run(run) for run in runs]
    warnings = [
        f"{run.label}: {alarm['message']} ({alarm['kind']})."
        for run in runs
        for alarm in run.document["alarms"]
    ]
    return Verdict(_headline(runs), tuple(findings), _caveats(runs), tuple(warnings))


def direction(change: Estimate) -> str:
    """`fell`, `rose`, `open` where the interval does not say, `untold` where there is none."""
    if math.isnan(change.low):
        return "untold"
    if change.high < 0:
        return "fell"
    return "rose" if change.low > 0 else "open"


def alarm_words(run: PolicyRun) -> str:
    """Kinds and steps."""
    found = [
        f"{a['kind'].replace('_', ' ')} at {short(number(a, 'step'))}"
        for a in run.document["alarms"]
    ]
    return ", ".join(found) or "none"


def shaping_words(run: PolicyRun) -> str:
    """What was done to the reward before training on it; "unknown" in a demo's own document."""
    if not run.settings:
        return "unknown"
    shaping, several = run.settings["shaping"], len(run.settings["reward_models"]) > 1
    parts = []
    if several:
        mean = shaping.get("ensemble", "mean")
        penalty = f" (λ = {short(number(shaping, 'penalty'))})" if mean == "uncertainty" else ""
        models = count(len(run.settings["reward_models"]), "reward model")
        parts.append(f"{mean}{penalty} of {models}")
    parts += [word for name, word in _SWITCHES.items() if shaping.get(name)]
    if shaping.get("clip") is not None:
        parts.append(f"clipped to ±{short(number(shaping, 'clip'))}")
    if shaping.get("kl_target") is not None:
        parts.append(f"KL held near {short(number(shaping, 'kl_target'))} nats")
    return ", ".join(parts) or "none"


_ALONE = {
    "fell": "Gold fell",
    "rose": "Gold rose",
    "open": "Gold did not clearly change",
    "untold": "It is not known how surely gold changed",
}
_WAYS = {
    "fell": "gold fell in",
    "rose": "gold rose in",
    "open": "no clear change in",
    "untold": "it is not known how surely gold changed in",
}
_SWITCHES = {"center": "centred on the reference answer", "normalize": "normalised"}


def _headline(runs: Sequence[PolicyRun]) -> str:
    judged = [run for run in runs if run.has_gold]
    if not judged:
        return "Gold was not watched, so nothing is known of what the policies are worth."
    if len(judged) == 1:
        change = judged[0].change
        by = f" by {fixed(abs(change.value))}" if direction(change) in ("fell", "rose") else ""
        return f"{_ALONE[direction(change)]}{by} in {judged[0].label}."
    names: dict[str, list[str]] = {way: [] for way in _WAYS}
    for run in judged:
        names[direction(run.change)].append(run.label)
    parts = [f"{_WAYS[way]} {_some(found)}" for way, found in names.items() if found]
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}."


def _some(names: Sequence[str]) -> str:
    """The names, or how many there are where they would fill the line."""
    return listed([*map(_quoted, names)]) if len(names) < 5 else f"{len(names)} runs"


def _quoted(name: str) -> str:
    return f"“{name}”" if "," in name else name


def _run(run: PolicyRun) -> str:
    first, last = run.points[0], run.points[-1]
    far = fixed(number(last, "distance"), 2)
    looks = f"in {count(int(number(last, 'step')), 'step')}, to √KL {far}"
    start, end = (fixed(number(point, "proxy")) for point in (first, last))
    reward = f"the reward went from {start} to {end}"
    told = f"{run.label}: {reward} {looks}"
    if run.has_gold:
        told = f"{run.label}: {_gold(run)}, while {reward} {looks}; {_best(run)}"
    state = "" if run.document["finished"] else "; the run is not finished"
    state += "; an alarm ended the run" if run.document.get("stopped") else ""
    shaping = f"; shaping: {shaping_words(run)}" if run.settings else ""
    return f"{told}{shaping}{state}."


def _gold(run: PolicyRun) -> str:
    first, last, change = run.points[0], run.points[-1], run.change
    told = f"gold went from {fixed(number(first, 'gold'))} to {fixed(number(last, 'gold'))}"
    if math.isnan(change.low):
        return f"{told}, by {signed(change.value)}"
    return (
        f"{told}, by {signed(change.value)} ({percent(0.95)} interval {signed(change.low)} to "
        f"{signed(change.high)})"
    )


def _best(run: PolicyRun) -> str:
    best = run.document["best"]
    if best["step"] == run.points[0]["step"]:
        return "gold was best at the start"
    return f"gold was best, {fixed(number(best, 'gold'))}, at step {short(number(best, 'step'))}"


def _caveats(runs: Sequence[PolicyRun]) -> tuple[str, ...]:
    told = []
    if any(not math.isnan(run.change.low) for run in runs):
        told.append(
            "Intervals are over the watched prompts, paired, and say nothing of another seed; runs "
            "of different prompts or gold do not compare."
        )
    if any(run.has_gold and math.isnan(run.change.low) for run in runs):
        told.append("Without gold by prompt there is no interval, and no direction is claimed.")
    if any(run.has_gold for run in runs):
        told.append(
            "The best of many looks is chosen with luck: test it on other prompts before quoting "
            "its gold."
        )
    return tuple(told)
