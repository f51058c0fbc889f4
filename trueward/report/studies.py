"""A study in a report: its verdict in plain language, and its tables."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from trueward.metrics import metric
from trueward.report.blocks import (
    Column,
    Row,
    Table,
    Value,
    Verdict,
    columns,
    compared,
    row,
)
from trueward.report.study_figures import (
    runs_of,
)
from trueward.report.words import (
    MISSING,
    count,
    fixed,
    listed,
    lower,
    mean,
    number,
    percent,
    short,
    signed,
    signed_times_100,
    spaced,
    two,
)
from trueward.results import Comparison, Difference, Entry, RunResult, StudyResults

_REFERENCES = {"length": "length alone", "oracle": "gold score"}


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


def study_verdict(results: StudyResults, noun: str = "objective") -> Verdict:
    """Return what the comparison says.

    Differences that hold after Holm's correction are called better or worse; one that only its own
    interval separates from zero is called a hint. `noun` says what is compared.
    """
    findings = _significant(results)
    return Verdict(
        about=f"Study {results.name}",
        headline=_headline(results, findings),
        findings=(*(_sentence(results, f) for f in findings), *_level(results, findings)),
        caveats=(_sureness(results.comparison, noun), *_length(results), *_undefined(results)),
    )


def _significant(results: StudyResults) -> list[_Finding]:
    labels = results.labels
    findings = [
        _Finding(labels[entry.objective], entry, entry.difference)
        for entry in results.comparison.entries
        if entry.difference is not None and entry.difference.significant
    ]
    return sorted(findings, key=lambda f: (not f.sure, not f.better))


def _headline(results: StudyResults, findings: list[_Finding]) -> str:
    comparison, labels = results.comparison, results.labels
    against = labels[comparison.baseline]
    if len(comparison.objectives) == 1:
        return f"Only {against} was run, so there is nothing to compare it with."
    better = [f for f in findings if f.sure and f.better]
    worse = [f for f in findings if f.sure and not f.better]
    parts = [
        f"{listed(_names(better))} {_verb(better, 'beats', 'beat')} {against} on {_metrics(better)}"
        if better
        else f"Nothing beats {against}"
    ]
    if worse:
        verb = _verb(worse, "is", "are")
        parts.append(f"{listed(_names(worse))} {verb} worse than {against} on {_metrics(worse)}")
    return "; ".join(parts) + "."


def _names(findings: list[_Finding]) -> list[str]:
    return list(dict.fromkeys(f.label for f in findings))


def _verb(findings: list[_Finding], one: str, many: str) -> str:
    return one if len(_names(findings)) == 1 else many


def _metrics(findings: list[_Finding]) -> str:
    names = dict.fromkeys(f.entry.metric for f in findings)
    titles = [lower(metric(name).title) for name in names]
    shared = all(
        any(f.entry.metric == name and f.label == label for f in findings)
        for name in names
        for label in _names(findings)
    )
    return listed(titles) if shared else "one or more of " + listed(titles)


def _sentence(results: StudyResults, finding: _Finding) -> str:
    comparison, gap = results.comparison, finding.difference.estimate
    against, level = results.labels[comparison.baseline], percent(comparison.confidence)
    base = comparison.entry(finding.entry.metric, comparison.baseline).mean.value
    direction = "better" if finding.better else "worse"
    start = f"{finding.label} is {direction} than {against}"
    if not finding.sure:
        start = f"A hint that {start}"
    ahead = _in_seeds(comparison, finding, direction)
    holds = (
        "holds after Holm correction"
        if finding.sure
        else f"does not hold after Holm correction, p = {fixed(finding.difference.p_holm)}"
    )
    return (
        f"{start} on {lower(metric(finding.entry.metric).title)} by {fixed(abs(gap.value))} "
        f"({fixed(finding.entry.mean.value)} against {fixed(base)}; {level} interval "
        f"of the difference {signed(gap.low)} to {signed(gap.high)}; {ahead}{holds})."
    )


def _in_seeds(comparison: Comparison, finding: _Finding, direction: str) -> str:
    """Return the number of seeds that agree; nothing where there is one."""
    seeds, ahead = len(comparison.seeds), finding.difference.seeds_ahead
    if seeds == 1:
        return ""
    return f"{direction} in {ahead if finding.better else seeds - ahead} of {seeds} seeds; "


def _level(results: StudyResults, findings: list[_Finding]) -> list[str]:
    """Return a sentence on the objectives that nothing separates from the baseline."""
    comparison = results.comparison
    marked = {f.entry.objective for f in findings}
    level = [
        label
        for name, label in results.labels.items()
        if name != comparison.baseline and name not in marked
    ]
    if not level:
        return []
    verb = "cannot be told apart from"
    against = results.labels[comparison.baseline]
    metrics = len(comparison.metrics)
    measures = "the one measure" if metrics == 1 else f"any of the {metrics} measures"
    return [f"{listed(level)} {verb} {against} on {measures}."]


def _sureness(comparison: Comparison, noun: str) -> str:
    seeds, others = len(comparison.seeds), len(comparison.objectives) - 1
    drawn = f", from {count(seeds, 'seed')}" if noun == "objective" else ""
    words = (
        f"Intervals are {percent(comparison.confidence)} bootstrap intervals over "
        f"{comparison.resampled}{drawn}."
    )
    if others > 1:
        words += f" Holm's correction covers the {others} {noun}s compared on one measure."
    if len(comparison.metrics) > 1 and others:
        words += " Measures are not corrected for one another."
    if seeds == 1:
        return words + (
            " With one seed they leave out how much another seed would differ: read every "
            "difference as one of these trained models, not of the ways they were trained."
        )
    if seeds < 5:
        return words + (
            " So few seeds understate how much another seed would differ, so a narrow interval "
            "is less sure than it looks."
        )
    return words


def _length(results: StudyResults) -> list[str]:
    """Return a sentence for each measure on which counting words does as well as a model."""
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


def comparison_table(results: StudyResults, noun: str = "objective") -> Table:
    """Return objectives × metrics: mean and interval, then the difference and its interval."""
    comparison, labels = results.comparison, results.labels
    rows = [
        row(labels[o], *(_compared(comparison.entry(m, o)) for m in comparison.metrics))
        for o in comparison.objectives
    ]
    rows += _reference_rows(results, _REFERENCES)
    titles = [metric(name).title for name in comparison.metrics]
    caption = f"Means, and differences to {labels[comparison.baseline]}"
    return Table(caption, columns(noun.capitalize(), *titles), rows, emphasis=True)


def comparison_summary(results: StudyResults) -> Table:
    """Return means and differences without intervals, for Markdown."""
    table, baseline = comparison_table(results), results.labels[results.comparison.baseline]
    note = (
        f"In brackets the difference to {baseline}; * its 95 % interval excludes zero, "
        "** it also holds after Holm's correction."
    )
    rows = [_without_intervals(row) for row in table.rows if row.kind != "reference"]
    return replace(table, rows=rows, notes=[note] if len(rows) > 1 else [])


def study_table(results: StudyResults) -> Table:
    """Return means, differences below them, and notes on how to read them, for a terminal."""
    comparison = results.comparison
    titles = [Column(metric(name).short) for name in comparison.metrics]
    rows = [_without_intervals(row) for row in comparison_table(results).rows]
    rows = [row for row in rows if row.kind != "reference"] + _reference_rows(results, {})
    head = [Column("objective", text=True, width=18), *titles]
    return Table("", head, rows, notes=_footnotes(results))


def seeds_table(results: StudyResults) -> Table:
    """Return one row a run: its mean on every metric."""
    metrics = results.comparison.metrics
    head = columns("Objective", "Seed", *(metric(m).title for m in metrics), "Steps", "Seconds")
    rows = [
        row(
            run.label,
            str(run.seed),
            *(fixed(mean(run.scores[m].values)) for m in metrics),
            f"{run.steps:,}",
            fixed(run.seconds, 1),
        )
        for run in results.runs.values()
    ]
    return Table("Every run by itself", head, rows)


def scalars_table(results: StudyResults) -> Table:
    """Return one row a scalar, a column an objective: mean over seeds, and its range."""
    groups = {o: runs_of(results, o) for o in results.comparison.objectives}
    names = dict.fromkeys(name for run in results.runs.values() for name in run.scalars)
    rows = [
        row(
            spaced(name),
            *(
                _spread([float(run.scalars.get(name, math.nan)) for run in runs])
                for runs in groups.values()
            ),
        )
        for name in names
    ]
    head = columns("Judge", *(results.labels[o] for o in groups))
    return Table("Other judges: mean over seeds, and smallest to largest", head, rows)


def hidden_table(results: StudyResults, noun: str = "objective") -> Table:
    """Return one row an objective and split: norms, their shift from train, effective rank."""
    rows = [
        row(results.labels[o], spaced(split), *_statistics(runs, split))
        for o in results.comparison.objectives
        if (runs := runs_of(results, o))
        for split in runs[0].norms
    ]
    head = columns(noun.capitalize(), "Split", *(title for title, _ in _STATISTICS), texts=1)
    over = "Hidden states: means over seeds" if noun == "objective" else "Hidden states"
    return Table(over, head, rows)


def _compared(entry: Entry) -> Value:
    return compared(entry.mean, entry.difference)


def _without_intervals(row: Row) -> Row:
    values = (replace(e, interval=None) if isinstance(e, Value) else e for e in row.entries)
    return replace(row, entries=(*values,))


def _reference_rows(results: StudyResults, names: Mapping[str, str]) -> list[Row]:
    metrics = results.comparison.metrics
    return [
        row(
            names.get(name, name),
            *(Value(fixed(means[m]) if m in means else MISSING) for m in metrics),
            kind="reference",
        )
        for name, means in results.baselines.items()
    ]


def _statistics(runs: Sequence[RunResult], split: str) -> list[str]:
    """Return the means over runs of the `_STATISTICS` of one split."""
    values = []
    for run in runs:
        if split not in run.norms:
            continue
        norms, train = run.norms[split], run.norms.get("train")
        numbers = []
        for place in ("pre_norm", "hidden"):
            norm = number(norms, place, "mean")
            shift = norm / number(train, place, "mean") - 1
            numbers += [norm, number(norms, place, "cv"), shift]
        rest = [number(norms, "difference", "mean"), number(norms, "effective_rank")]
        values.append([*numbers, *rest])
    means = map(mean, zip(*values, strict=True))
    return [form(value) for (_, form), value in zip(_STATISTICS, means, strict=True)]


def _share(value: float) -> str:
    return signed_times_100(value) + " %"


_STATISTICS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("‖h‖ before final norm", two),
    ("std/mean", fixed),
    ("against train", _share),
    ("‖h‖ at the head", two),
    ("std/mean", fixed),
    ("against train", _share),
    ("‖h⁺ − h⁻‖", two),
    ("Effective rank", partial(fixed, digits=1)),
)
"""Title and form of each statistic of hidden states."""


def _spread(values: list[float]) -> str | Value:
    defined = [v for v in values if not math.isnan(v)]
    if not defined:
        return MISSING
    notes = []
    if min(defined) < max(defined):
        notes.append(f"{short(min(defined))} to {short(max(defined))}")
    if len(defined) < len(values):
        notes.append(f"undefined in {len(values) - len(defined)} of {len(values)}")
    return Value(short(mean(defined)), ", ".join(notes))


def _footnotes(results: StudyResults) -> list[str]:
    comparison = results.comparison
    others = count(len(comparison.objectives) - 1, "objective")
    lines = [
        f"Mean over {count(len(comparison.seeds), 'seed')}; below it the difference to "
        f"{results.labels[comparison.baseline]}.",
        f"*  {percent(comparison.confidence)} bootstrap interval over {comparison.resampled} "
        "excludes zero.",
        f"** It also holds after Holm correction over {others}.",
        "accuracy: pairs ranked right; similar: nearly equal responses.",
        "τ: Kendall τ per prompt against the gold score; new prompts, new response",
        "   sources, or both (mutual).",
    ]
    if "length" in results.baselines:
        lines.append("length: a scorer that only counts words.")
    if "oracle" in results.baselines:
        lines.append("oracle: the gold score itself.")
    return lines
