"""The fits of gold by distance, and what each says of the peak."""

import math
from collections.abc import Sequence
from typing import Any

from trueward.report.diagnosis_lines import number
from trueward.report.html import Html, element, table
from trueward.report.material import PolicyRun
from trueward.report.numbers import MISSING, fixed
from trueward.report.tables import cell, head_cells, row_of, text


def heads(numbers: list[str], texts: list[str]) -> list[Html]:
    """A header whose last columns stand over text."""
    words = [element("th", one, scope="col", class_="text") for one in texts]
    return [*head_cells("Run", numbers), *words]


def fit_of(run: PolicyRun) -> dict[str, Any]:
    """Its coefficients; empty where there is no fit."""
    fit = run.document.get("fit") or {}
    return {} if "reason" in fit else dict(fit)


def fits_table(runs: Sequence[PolicyRun]) -> Html:
    """Coefficients and peak, a row a run."""
    rows = [
        row_of(
            run.label,
            [
                *(
                    cell(fixed(number(fit_of(run), name)))
                    for name in ("alpha", "beta", "r_squared")
                ),
                cell(str(fit_of(run).get("points", MISSING))),
                text(peak_words(run)),
            ],
        )
        for run in runs
    ]
    return table(
        "Fits R = d(α − β log d)", heads(["α", "β", "R²", "Looks"], ["Peak of gold, √KL"]), rows
    )


def peak_words(run: PolicyRun) -> str:
    """Where the fit peaks, and whether that is within what was measured."""
    peak = number(fit_of(run), "peak_distance")
    moved = [d for p in run.points if (d := number(p, "distance")) > 0]
    if math.isnan(peak):
        return "none: gold rises"
    if peak == 0:
        return "0: best at the start"
    if moved and peak < min(moved):
        return f"{fixed(peak, 2)}: before the first look, a guess"
    beyond = moved and peak > max(moved)
    return fixed(peak, 2) + (": beyond the last look, a guess" if beyond else "")
