"""The report's words and main tables as Markdown, fit for a model card."""

import math
from collections.abc import Sequence

from trueward.metrics import metric
from trueward.report.alignment_verdict import alarm_words
from trueward.report.diagnosis_lines import LINES, number
from trueward.report.findings import POLICIES, Findings
from trueward.report.material import Diagnosis, Material
from trueward.report.numbers import MISSING, fixed, signed, spaced
from trueward.report.provenance import told_commands
from trueward.results import StudyResults
from trueward.types import Estimate


def markdown(material: Material, told: Findings) -> str:
    """Verdict, then tables of studies, suites, diagnoses and policies, then commands."""
    parts = [f"# {_plain(material.title)}", "## Verdict"]
    for one in told.said:
        parts += [f"### {_plain(one.about)}"] if len(told.said) > 1 else []
        parts.append(f"**{_plain(one.verdict.headline)}**")
        if one.verdict.findings:
            parts.append("\n".join(f"- {_plain(words)}" for words in one.verdict.findings))
        if one.verdict.warnings:
            parts += ["Warnings:", "\n".join(f"- {_plain(w)}" for w in one.verdict.warnings)]
        parts += [_plain(words) for words in one.verdict.caveats]
    for results in material.studies.values():
        parts += [f"## Comparison: {_plain(results.name)}", study_table(results)]
    if material.suites:
        parts += ["## Benchmark suites", suites_table(material)]
    for diagnosis in material.diagnoses:
        parts += ["## Diagnostics", *diagnosis_tables(diagnosis)]
    if material.policies:
        parts += [f"## {POLICIES}", policies_table(material)]
    if commands := told_commands(material):
        parts += ["## Commands", "```\n" + "\n".join(commands) + "\n```"]
    return "\n\n".join(parts) + "\n"


def study_table(results: StudyResults, noun: str = "objective") -> str:
    """Means and intervals; below each the difference to the baseline."""
    comparison = results.comparison
    head = [noun.capitalize(), *(metric(name).title for name in comparison.metrics)]
    rows = []
    for one in comparison.objectives:
        cells = []
        for name in comparison.metrics:
            entry = comparison.entry(name, one)
            words = fixed(entry.mean.value)
            if entry.difference is not None:
                gap = entry.difference
                words += f" ({signed(gap.estimate.value)}{gap.mark})"
            cells.append(words)
        rows.append([results.labels[one], *cells])
    against = results.labels[comparison.baseline]
    note = (
        f"In brackets the difference to {_plain(against)}; * its 95 % interval excludes zero, "
        "** it also holds after Holm's correction."
    )
    return table(head, rows) + ("\n\n" + note if len(comparison.objectives) > 1 else "")


def suites_table(material: Material) -> str:
    """Primary metrics times 100 with their intervals."""
    names = list(dict.fromkeys(one.suite for rows in material.suites.values() for one in rows))
    rows = []
    for model, results in material.suites.items():
        known = {one.suite: one for one in results if one.primary in one.weights}
        rows.append([model, *(_hundred(known[n].value) if n in known else MISSING for n in names)])
    return table(["Model", *names], rows)


def _hundred(one: Estimate) -> str:
    low, high = fixed(100 * one.low, 1), fixed(100 * one.high, 1)
    return f"{fixed(100 * one.value, 1)} ({low} to {high})"


def diagnosis_tables(diagnosis: Diagnosis) -> list[str]:
    """A table a model: numbers down, sets across."""
    parts = []
    for model in diagnosis.models:
        shown = []
        for title, read in LINES:
            cells = [read(block) for block in model["sets"]]
            if any(words != MISSING for words in cells):
                shown.append([title, *cells])
        names = [spaced(block["name"]) for block in model["sets"]]
        parts.append(table([str(model["model"]), *names], shown))
    return parts


def policies_table(material: Material) -> str:
    """One row a policy: gold from the first look to the last, and the reward beside it."""
    head = ["Run", "Gold at the start", "Gold at the end", "Change of gold", "Change of reward"]
    head += ["√KL at the end", "Alarms"]
    rows = [
        [
            run.label,
            fixed(run.gold[0].value),
            fixed(run.gold[-1].value),
            _change(run.change),
            signed(run.risen),
            fixed(number(run.points[-1], "distance"), 2),
            alarm_words(run),
        ]
        for run in material.policies
    ]
    return table(head, rows)


def _change(one: Estimate) -> str:
    interval = f" ({signed(one.low)} to {signed(one.high)})"
    return signed(one.value) + ("" if math.isnan(one.low) else interval)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(words: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    for sign in "\\`|<":
        words = words.replace(sign, "\\" + sign)
    return " ".join(words.split())
