"""The verdict in plain language: what is better than what, by how much, and how sure that is."""

from dataclasses import dataclass

from trueward.metrics import metric
from trueward.report.numbers import count, fixed, listed, percent, signed
from trueward.results import Comparison, Difference, Entry, StudyResults


@dataclass(frozen=True)
class Verdict:
    """A headline, a statement for every finding, and what to bear in mind."""

    headline: str
    findings: tuple[str, ...]
    caveats: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What will break, by rules of thumb."""


@dataclass(frozen=True)
class _Finding:
    """A difference that its interval separates from zero."""

    label: str
    entry: Entry
    difference: Difference

    @property
    def better(self) -> bool:
        return self.difference.estimate.value > 0

    @property
    def sure(self) -> bool:
        return self.difference.significant_holm


def verdict(results: StudyResults, noun: str = "objective") -> Verdict:
    """Read the comparison aloud.

    "Better" and "worse" are said of differences that hold after Holm's correction; what only its
    own interval separates from zero is called a hint. `noun` is what is compared.
    """
    found = _found(results)
    return Verdict(
        headline=_headline(results, found),
        findings=(*(_sentence(results, f) for f in found), *_level(results, found)),
        caveats=(_sureness(results.comparison, noun), *_length(results), *_undefined(results)),
    )


def _found(results: StudyResults) -> list[_Finding]:
    labels = results.labels
    found = [
        _Finding(labels[entry.objective], entry, entry.difference)
        for entry in results.comparison.entries
        if entry.difference is not None and entry.difference.significant
    ]
    return sorted(found, key=lambda f: (not f.sure, not f.better))


def _headline(results: StudyResults, found: list[_Finding]) -> str:
    comparison, labels = results.comparison, results.labels
    against = labels[comparison.baseline]
    if len(comparison.objectives) == 1:
        return f"Only {against} was run, so there is nothing to compare it with."
    better = [f for f in found if f.sure and f.better]
    worse = [f for f in found if f.sure and not f.better]
    parts = [
        f"{listed(_names(better))} {_verb(better, 'beats', 'beat')} {against} on {_metrics(better)}"
        if better
        else f"Nothing beats {against}"
    ]
    if worse:
        verb = _verb(worse, "is", "are")
        parts.append(f"{listed(_names(worse))} {verb} worse than {against} on {_metrics(worse)}")
    return "; ".join(parts) + "."


def _names(found: list[_Finding]) -> list[str]:
    return list(dict.fromkeys(f.label for f in found))


def _verb(found: list[_Finding], one: str, many: str) -> str:
    return one if len(_names(found)) == 1 else many


def _metrics(found: list[_Finding]) -> str:
    names = dict.fromkeys(f.entry.metric for f in found)
    titles = [lower(metric(name).title) for name in names]
    shared = all(
        any(f.entry.metric == name and f.label == label for f in found)
        for name in names
        for label in _names(found)
    )
    return listed(titles) if shared else "one or more of " + listed(titles)


def _sentence(results: StudyResults, found: _Finding) -> str:
    comparison, gap = results.comparison, found.difference.estimate
    against, level = results.labels[comparison.baseline], percent(comparison.confidence)
    base = comparison.entry(found.entry.metric, comparison.baseline).mean.value
    direction = "better" if found.better else "worse"
    start = f"{found.label} is {direction} than {against}"
    if not found.sure:
        start = f"A hint that {start}"
    ahead = _in_seeds(comparison, found, direction)
    holds = (
        "holds after Holm correction"
        if found.sure
        else f"does not hold after Holm correction, p = {fixed(found.difference.p_holm)}"
    )
    return (
        f"{start} on {lower(metric(found.entry.metric).title)} by {fixed(abs(gap.value))} "
        f"({fixed(found.entry.mean.value)} against {fixed(base)}; {level} interval "
        f"of the difference {signed(gap.low)} to {signed(gap.high)}; {ahead}{holds})."
    )


def _in_seeds(comparison: Comparison, found: _Finding, direction: str) -> str:
    """In how many seeds it is so; nothing where there is one."""
    seeds, ahead = len(comparison.seeds), found.difference.seeds_ahead
    if seeds == 1:
        return ""
    return f"{direction} in {ahead if found.better else seeds - ahead} of {seeds} seeds; "


def _level(results: StudyResults, found: list[_Finding]) -> list[str]:
    """One sentence for the objectives that nothing separates from the baseline."""
    comparison = results.comparison
    marked = {f.entry.objective for f in found}
    level = [
        label
        for name, label in results.labels.items()
        if name != comparison.baseline and name not in marked
    ]
    if not level:
        return []
    verb = "cannot be told apart from"
    against = results.labels[comparison.baseline]
    number = len(comparison.metrics)
    measures = "the one measure" if number == 1 else f"any of the {number} measures"
    return [f"{listed(level)} {verb} {against} on {measures}."]


def _sureness(comparison: Comparison, noun: str) -> str:
    seeds, others = len(comparison.seeds), len(comparison.objectives) - 1
    drawn = f", from {count(seeds, 'seed')}" if noun == "objective" else ""
    what = (
        f"Intervals are {percent(comparison.confidence)} bootstrap intervals over "
        f"{comparison.resampled}{drawn}."
    )
    if others > 1:
        what += f" Holm's correction covers the {others} {noun}s compared on one measure."
    if len(comparison.metrics) > 1 and others:
        what += " Measures are not corrected for one another."
    if seeds == 1:
        return what + (
            " With one seed they leave out how much another seed would differ: read every "
            "difference as one of these trained models, not of the ways they were trained."
        )
    if seeds < 5:
        return what + (
            " So few seeds understate how much another seed would differ, so a narrow interval "
            "is less sure than it looks."
        )
    return what


def _length(results: StudyResults) -> list[str]:
    """Where a scorer that only counts words does as well as a trained model."""
    words = results.baselines.get("length", {})
    comparison = results.comparison
    sentences = []
    for name in comparison.metrics:
        beaten = [
            results.labels[objective]
            for objective in comparison.objectives
            if name in words and comparison.entry(name, objective).mean.value <= words[name]
        ]
        if beaten:
            verb = "does" if len(beaten) == 1 else "do"
            sentences.append(
                f"On {lower(metric(name).title)} {listed(beaten)} {verb} no better than counting "
                f"words ({fixed(words[name])})."
            )
    return sentences


def _undefined(results: StudyResults) -> list[str]:
    left_out = sum(entry.undefined for entry in results.comparison.entries)
    total = sum(entry.values for entry in results.comparison.entries)
    if not left_out:
        return []
    return [
        f"{left_out:,} of {total:,} values are undefined (equal rewards or equal gold scores "
        "within a prompt) and left out of the means."
    ]


def lower(title: str) -> str:
    """A title within a sentence."""
    return title[0].lower() + title[1:]
