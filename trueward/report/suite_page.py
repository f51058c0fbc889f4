"""Suites on the page: primary metrics side by side, their differences, and every part."""

import math
from collections.abc import Mapping, Sequence

from trueward.report.html import Html, element, table
from trueward.report.numbers import MISSING, count, fixed, signed
from trueward.report.suite_forest import suite_forest
from trueward.report.tables import cell, head_cells, row_of
from trueward.results import SuitePart
from trueward.suites import SuiteDifference, SuiteResult
from trueward.types import Estimate

Suites = Mapping[str, Sequence[SuiteResult]]


def suite_sections(suites: Suites, differences: Sequence[SuiteDifference]) -> list[Html]:
    """Primary metrics and differences, then a table of parts a suite."""
    names = list(dict.fromkeys(one.suite for rows in suites.values() for one in rows))
    parts = [_primary_table(suites, names, differences)]
    if differences:
        parts.append(suite_forest(list(suites), names, differences))
    return parts + [_parts_table(suites, name) for name in names]


def _primary_table(
    suites: Suites, names: Sequence[str], differences: Sequence[SuiteDifference]
) -> Html:
    gaps = {(one.scorer, one.suite): one for one in differences}
    rows = []
    for model, results in suites.items():
        known = {one.suite: one for one in results}
        cells = [_primary(known.get(name), gaps.get((model, name))) for name in names]
        rows.append(row_of(model, cells))
    first = next(iter(suites))
    against = f", and differences to {first}" if len(suites) > 1 else ""
    caption = f"Primary metric of each suite, times 100{against}"
    return table(caption, head_cells("Model", list(names)), rows, "means")


def _primary(result: SuiteResult | None, gap: SuiteDifference | None) -> Html:
    if result is None or all(part.name != result.primary for part in result.parts):
        return cell(MISSING)
    found = [
        element("span", fixed(100 * result.value.value, 1), class_="mean"),
        element("span", _range(result.value), class_="interval"),
    ]
    if gap is not None:
        sign = "" if not gap.significant else " up" if gap.estimate.value > 0 else " down"
        words = signed(100 * gap.estimate.value, 1) + gap.mark
        found.append(element("span", words, class_="gap" + sign))
        low, high = (signed(100 * end, 1) for end in (gap.estimate.low, gap.estimate.high))
        found.append(element("span", f"{low} to {high}", class_="interval"))
    return element("td", *found)


def _parts_table(suites: Suites, name: str) -> Html:
    """Parts down, models across."""
    results = {m: one for m, rows in suites.items() for one in rows if one.suite == name}
    known = {m: {part.name: part for part in one.parts} for m, one in results.items()}
    names = dict.fromkeys(part for parts in known.values() for part in parts)
    primary = next(iter(results.values())).primary
    rows = []
    for part in names:
        found = [parts.get(part) for parts in known.values()]
        items = next((str(one.n) for one in found if one), MISSING)
        words = part + (" (primary)" if part == primary else "")
        rows.append(row_of(words, [cell(items), *(_part(one) for one in found)]))
    return table(f"{name}: every part, times 100", head_cells("Part", ["Items", *results]), rows)


def _part(part: SuitePart | None) -> Html:
    if part is None:
        return cell(MISSING)
    ties = [count(part.ties, "tie")] if part.ties else []
    words = ", ".join([_range(part.estimate), *ties])
    return element(
        "td",
        element("span", fixed(100 * part.estimate.value, 1), class_="mean"),
        element("span", words, class_="interval"),
    )


def _range(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return ""
    return f"{fixed(100 * estimate.low, 1)} to {fixed(100 * estimate.high, 1)}"
