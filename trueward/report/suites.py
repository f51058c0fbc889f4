"""Benchmark suites in a report and on a terminal: tables, differences, verdicts."""

import math
from collections.abc import Callable, Mapping, Sequence

from trueward.report.blocks import (
    Block,
    Column,
    Figure,
    Lines,
    Row,
    Table,
    Text,
    Value,
    Verdict,
    columns,
    compared,
    row,
)
from trueward.report.plots import forest, model_colors
from trueward.report.words import (
    MISSING,
    count,
    fixed,
    interval,
    listed,
    p_value,
    signed,
    signed_times_100,
    times_100,
)
from trueward.results import SuitePart
from trueward.suites import Compared, Suite, SuiteDifference, SuiteResult
from trueward.types import Estimate

Suites = Mapping[str, Sequence[SuiteResult]]
"""Results by model."""


def suites_verdict(suites: Suites, compared_: Compared) -> Verdict:
    """Return the differences of the models to the first, and how sure they are."""
    about, first, differences = "Benchmark suites", next(iter(suites)), compared_.differences
    left_out = tuple(f"Not compared: {reason}." for reason in compared_.left_out)
    if not differences:
        headline = "; ".join(_scores(model, rows) for model, rows in suites.items()) + "."
        alone = "Only one model was judged, so there is nothing to compare it with."
        return Verdict(about, headline, (), left_out or (alone,))
    sure = [one for one in differences if one.significant_holm]
    headline = (
        "; ".join(_short_sentence(one) for one in sure) + "."
        if sure
        else f"Nothing can be told apart from {first} on the suites."
    )
    sentences = [_sentence(one, "") for one in sure]
    hint = "A hint that does not survive the correction: "
    sentences += [_sentence(one, hint) for one in _hints(differences)]
    level = [one.scorer for one in differences if not one.significant]
    if level and sure:
        names = listed(list(dict.fromkeys(level)))
        sentences.append(f"No difference to {first} shows on some or all suites for {names}.")
    caveat = (
        "Differences are of each suite's primary metric times 100, paired by prompt, with 95 % "
        f"bootstrap intervals; Holm's correction covers {count(len(differences), 'comparison')}."
    )
    return Verdict(about, headline, tuple(sentences), (caveat, *left_out))


def _hints(differences: Sequence[SuiteDifference]) -> list[SuiteDifference]:
    return [one for one in differences if one.significant and not one.significant_holm]


def _short_sentence(one: SuiteDifference) -> str:
    verb = "beats" if one.estimate.value > 0 else "is worse than"
    return f"{one.scorer} {verb} {one.baseline} on {one.suite}"


def _sentence(one: SuiteDifference, start: str) -> str:
    gap = f"{_signed_two(one.estimate.value)} ({interval(one.estimate, _signed_two)}"
    return (
        f"{start}{one.scorer} is {_better(one)} than {one.baseline} on {one.suite} by {gap}; "
        f"corrected p = {fixed(one.p_holm)})."
    )


def _better(one: SuiteDifference) -> str:
    return "better" if one.estimate.value > 0 else "worse"


def _scores(model: str, rows: Sequence[SuiteResult]) -> str:
    parts = [
        f"{times_100(value.value)} ({interval(value, times_100)}) on {suite}"
        for suite, value in _primary_values(rows).items()
    ]
    return f"{model} scores {listed(parts)}" if parts else f"{model} has no primary metric"


def suites_blocks(suites: Suites, differences: Sequence[SuiteDifference]) -> list[Block]:
    """Return a page's blocks: primary metrics and differences, then a table of parts a suite."""
    names = _names(suites)
    blocks: list[Block] = [_primary_table(suites, differences)]
    if differences:
        blocks.append(_difference_figure([*suites], names, differences))
    return blocks + [_page_parts(suites, name) for name in names]


def primary_summary(suites: Suites) -> Table:
    """Return primary metrics times 100 with their intervals, for Markdown."""
    rows = _primary_rows(
        suites, lambda model, suite, mean: Value(times_100(mean.value), interval(mean, times_100))
    )
    return Table("", columns("Model", *_names(suites)), rows)


def _primary_rows(suites: Suites, entry: Callable[[str, str, Estimate], Value]) -> list[Row]:
    """Return a row a model with an entry for the primary metric of each suite."""
    rows = []
    for model, results in suites.items():
        known = _primary_values(results)
        entries = (entry(model, n, known[n]) if n in known else MISSING for n in _names(suites))
        rows.append(row(model, *entries))
    return rows


def _primary_values(results: Sequence[SuiteResult]) -> dict[str, Estimate]:
    """Return the primary metric by suite; a suite without data for it is left out."""
    return {
        one.suite: one.value
        for one in results
        if any(part.name == one.primary for part in one.parts)
    }


def _names(suites: Suites) -> list[str]:
    return list(dict.fromkeys(one.suite for rows in suites.values() for one in rows))


def _primary_table(suites: Suites, differences: Sequence[SuiteDifference]) -> Table:
    gaps = {(one.scorer, one.suite): one for one in differences}
    rows = _primary_rows(
        suites,
        lambda model, suite, mean: compared(
            mean, gaps.get((model, suite)), times_100, signed_times_100
        ),
    )
    against = f", and differences to {next(iter(suites))}" if len(suites) > 1 else ""
    caption = f"Primary metric of each suite, times 100{against}"
    return Table(caption, columns("Model", *_names(suites)), rows, emphasis=True)


def _page_parts(suites: Suites, name: str) -> Table:
    """Return every part of a suite: parts down, models across."""
    results = {m: one for m, rows in suites.items() for one in rows if one.suite == name}
    known = {m: {part.name: part for part in one.parts} for m, one in results.items()}
    names = dict.fromkeys(part for parts in known.values() for part in parts)
    primary = next(iter(results.values())).primary
    rows = []
    for part in names:
        found = [parts.get(part) for parts in known.values()]
        items = next((str(one.n) for one in found if one), MISSING)
        words = part + (" (primary)" if part == primary else "")
        rows.append(row(words, items, *map(_page_part, found)))
    return Table(f"{name}: every part, times 100", columns("Part", "Items", *results), rows)


def _page_part(part: SuitePart | None) -> str | Value:
    if part is None:
        return MISSING
    ties = [count(part.ties, "tie")] if part.ties else []
    around = interval(part.estimate, times_100, "")
    return Value(times_100(part.estimate.value), ", ".join([around, *ties]))


def _difference_figure(
    models: Sequence[str], names: Sequence[str], differences: Sequence[SuiteDifference]
) -> Figure:
    """Return every model against the first, a panel a suite."""
    first, colors = models[0], model_colors(models)
    panels = {
        name: [
            (one.scorer, colors[one.scorer], _hundredfold(one.estimate), one.significant_holm)
            for one in differences
            if one.suite == name
        ]
        for name in names
    }
    caption = (
        f"Difference to {first}, times 100; right of the line is better. Filled marks survive "
        "Holm's correction, open ones do not. All panels share one scale."
    )
    others = {model: color for model, color in colors.items() if model != first}
    drawn = {name: points for name, points in panels.items() if points}
    return Figure(caption, others, forest(drawn, _signed_one, showticklabels=False))


def _hundredfold(one: Estimate) -> Estimate:
    return Estimate(100 * one.value, 100 * one.low, 100 * one.high)


def suite_list(suites: Sequence[Suite]) -> Table:
    """Return a row a suite: what it measures, its primary metric, its data and their licence."""
    head = [
        Column("suite", text=True, whole=True),
        Column("what it measures", text=True, stretched=True),
        Column("primary", text=True, whole=True),
        Column("data · licence", text=True, stretched=True),
    ]
    rows = [
        row(
            Value(one.name, style="bold"),
            one.measures,
            one.primary,
            Value(one.origin, note=f" · {one.licence}"),
        )
        for one in suites
    ]
    return Table("", head, rows, loose=True)


def parts_table(results: Sequence[SuiteResult]) -> Table:
    """Return each model's parts of one suite: items, ties, value and interval, times 100."""
    head = [Column("part", text=True, width=44), *map(Column, ("n", "ties", "value", "interval"))]
    rows = []
    for result in results:
        if len(results) > 1:
            rows.append(row(result.scorer, kind="heading"))
        for part in result.parts:
            style = "cyan" if part.name == result.primary else ""
            value = Value(_two(part.estimate.value), style=style)
            around = interval(part.estimate, _two, MISSING)
            name = Value(part.name, style=style)
            rows.append(row(name, f"{part.n:,}", f"{part.ties:,}", value, around))
    return Table("", head, rows, notes=_notes(results))


def _notes(results: Sequence[SuiteResult]) -> list[str]:
    notes = []
    if results[0].missing:
        notes.append(f"No data: {listed(list(results[0].missing))}; masked in what is above them.")
    for result in results:
        gone = sum(part.undefined for part in result.parts if part.name in result.cells)
        if gone:
            notes.append(f"{result.scorer}: {count(gone, 'undefined value')} left out.")
        if result.extras:
            words = ", ".join(f"{name} {fixed(value)}" for name, value in result.extras.items())
            notes.append(f"{result.scorer}: {words}.")
    return notes


def differences_blocks(
    suites: Suites, differences: Sequence[SuiteDifference]
) -> list[Table | Text | Lines]:
    """Return a terminal's blocks: differences to the first model, and which of them survive."""
    if not differences:
        return []
    note = (
        "Differences are paired by prompt; p is corrected for all of them at once.\n"
        "*  95 % interval excludes zero.  ** It also survives Holm's correction."
    )
    return [
        _terminal_differences(suites, differences),
        Text(note),
        Lines(surviving(differences), ""),
    ]


def surviving(differences: Sequence[SuiteDifference]) -> list[str]:
    """Return a sentence for each difference that survives the correction, or for none."""
    over = count(len(differences), "comparison")
    lines = [
        f"Survives Holm's correction over {over}: {_plain_sentence(one)}"
        for one in differences
        if one.significant_holm
    ]
    lines = lines or [f"No difference survives Holm's correction over {over}."]
    lost = "Does not survive, though its interval excludes zero: "
    return lines + [lost + _plain_sentence(one) for one in _hints(differences)]


def _terminal_differences(suites: Suites, differences: Sequence[SuiteDifference]) -> Table:
    first, found = next(iter(suites)), {(one.suite, one.scorer): one for one in differences}
    head = [Column("model", text=True, width=34), *map(Column, ("value", "minus first"))]
    head += map(Column, ("interval", "p (Holm)", ""))
    rows = []
    for place, one in enumerate(suites[first]):
        rows.append(row(f"{one.suite}, {one.primary}", kind="heading"))
        for scorer, results in suites.items():
            known = {part.name: part.estimate.value for part in results[place].parts}
            value = _two(known.get(results[place].primary, math.nan))
            gap = found.get((one.suite, scorer))
            rows.append(row(scorer, value, *(_difference(gap) if gap else ())))
    return Table("", head, rows)


def _difference(one: SuiteDifference) -> list[str]:
    gap = one.estimate
    return [_signed_two(gap.value), interval(gap, _signed_two), p_value(one.p_holm), one.mark]


def _plain_sentence(one: SuiteDifference) -> str:
    gap = _signed_two(one.estimate.value)
    return f"on {one.suite}, {one.scorer} is {_better(one)} than {one.baseline} ({gap})."


def _two(value: float) -> str:
    return times_100(value, 2)


def _signed_two(value: float) -> str:
    return signed_times_100(value, 2)


def _signed_one(value: float) -> str:
    return signed(value, 1)
