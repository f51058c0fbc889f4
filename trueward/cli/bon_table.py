"""Best-of-n on a terminal, eighty columns wide."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from trueward.report.numbers import MISSING, count, fixed, percent, signed

if TYPE_CHECKING:
    from rich.table import Table

    from trueward.alignment import BestOfN, BestOfNCurve, Peak
    from trueward.diagnostics import BestOfNFit
    from trueward.types import Estimate


def curve_tables(result: "BestOfN") -> "Iterator[Table]":
    """A table a model: reward and gold at every n, with intervals."""
    for curve in result.curves:
        table = _table(["n", "KL, nats", "reward", "interval", "gold", "interval"])
        table.title = f"{curve.label}: best of n by reward"
        for i, n in enumerate(result.ns):
            gold = ("", "") if curve.gold is None else _value(curve.gold[i])
            table.add_row(f"{n:,}", fixed(result.kl[i]), *_value(curve.proxy[i]), *gold)
        yield table


def difference_tables(result: "BestOfN") -> "Iterator[Table]":
    """Gold of each model minus that of the first, where there are several."""
    if not result.differences:
        return
    table = _table(
        ["model", "n", f"gold − {result.differences[0].baseline}", "interval", "p (Holm)", ""]
    )
    table.columns[0].max_width, table.columns[0].justify = 24, "left"
    before = ""
    for gap in result.differences:
        shown = gap.estimate
        mark = "**" if gap.p_holm < 1 - result.confidence else ""
        mark = mark or ("*" if shown.low > 0 or shown.high < 0 else "")
        p = "<0.001" if gap.p_holm < 0.001 else fixed(gap.p_holm)
        known = not math.isnan(shown.low)
        interval = f"{signed(shown.low)} to {signed(shown.high)}" if known else MISSING
        name = gap.label if gap.label != before else ""
        table.add_row(name, f"{gap.n:,}", signed(shown.value), interval, p, mark)
        before = gap.label
    yield table


def sentences(result: "BestOfN") -> list[str]:
    """Where gold peaks, by measurement and by the fit, in words."""
    level = f"{percent(result.confidence)} bootstrap intervals over " if result.prompts > 1 else ""
    lines = [f"{level}{count(result.prompts, 'prompt')}; {_samples(result)} samples a row."]
    if result.differences:
        lines += [
            "Differences are paired over the same samples; p is corrected for all at once.",
            f"*  {percent(result.confidence)} interval excludes zero.  ** It also survives Holm's "
            "correction.",
        ]
    return lines + [line for curve in result.curves for line in _peaks(curve)]


def _peaks(curve: "BestOfNCurve") -> list[str]:
    if curve.best is None:
        return [f"{curve.label}: no gold, so only the reward is shown"]
    lines = [f"{curve.label}: highest measured gold at n = {_range(curve.best)}"]
    if curve.fit is None or curve.peak is None:
        return [*lines, "  no fit: it needs two sizes above 1"]
    r_squared = "" if math.isnan(curve.fit.r_squared) else f", R² {fixed(curve.fit.r_squared, 2)}"
    fit = f"α {fixed(curve.fit.alpha)}, β {fixed(curve.fit.beta)}{r_squared}"
    return [*lines, f"  fit d(α − βd): {fit}", f"  {_fitted_peak(curve.fit, curve.peak)}"]


def _fitted_peak(fit: "BestOfNFit", peak: "Peak") -> str:
    if fit.alpha == fit.beta == 0:
        return "gold is the same at every n"
    if peak.n == 1:
        return f"gold does not rise: best at n = {_range(peak)}"
    if math.isfinite(peak.n):
        return f"peak at n = {_range(peak)}"
    interval = f" (interval from n = {_size(peak.low)})" if math.isfinite(peak.low) else ""
    return ("gold falls, then rises without" if fit.alpha < 0 else "gold does not") + (
        f" peak{interval}"
    )


def _range(peak: "Peak") -> str:
    interval = "" if math.isnan(peak.low) else f" ({_size(peak.low)} to {_size(peak.high)})"
    return _size(peak.n) + interval


def _size(n: float) -> str:
    if math.isinf(n):
        return "∞"
    if n >= 1e6:
        return f"{n:.1e}"
    return f"{n:,.0f}" if n >= 10 or n == round(n) else f"{n:.1f}"


def _samples(result: "BestOfN") -> str:
    fewest, most = result.samples
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"


def _value(estimate: "Estimate") -> tuple[str, str]:
    low, high = fixed(estimate.low), fixed(estimate.high)
    return fixed(estimate.value), MISSING if low == MISSING else f"{low} to {high}"


def _table(headings: list[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left", title_justify="left"
    )
    for words in headings:
        table.add_column(words, justify="right", overflow="fold")
    return table
