"""The report: results in, one page out that opens anywhere without a network."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from trueward.errors import InputError
from trueward.evals import StudyResults
from trueward.evals.files import write_text
from trueward.evals.json_field import JsonField
from trueward.report.bars import scenario_bars
from trueward.report.curves import training_curves
from trueward.report.differences import difference_plot
from trueward.report.distributions import norm_distributions
from trueward.report.html import Html, element, join, section
from trueward.report.judges import hidden_table, scalars_table
from trueward.report.numbers import count, percent
from trueward.report.scatter import reward_against_gold
from trueward.report.tables import comparison_table, facts, seeds_table
from trueward.report.verdict import verdict

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)
"""The browser itself refuses any request."""


def write_report(results: StudyResults | Mapping[str, Any], path: Path | str) -> None:
    """Write one self-contained HTML page: verdict, tables, plots, settings and command.

    Args:
        results: a study's results, or the document in its `results.json`.
        path: the page; written aside, then renamed.

    Raises:
        InputError: if plotly is not installed.
        DataError: if the document lacks a field or one is of another type.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.from_json(JsonField(dict(results), "results"))
    write_text(page(results, _plotly()), path)


def page(results: StudyResults, plotly: str) -> Html:
    """The whole page, with plotly.js's source in it."""
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", f"{results.name} – Trueward study"),
        element("style", _asset("report.css")),
    )
    body = element(
        "body",
        element("a", "Skip to the verdict", href="#verdict", class_="skip"),
        element("header", *_header(results)),
        element("main", *_sections(results)),
        element("script", Html(plotly)),
        element("script", _asset("report.js")),
    )
    return join(Html("<!doctype html>\n"), element("html", head, body, lang="en"), Html("\n"))


def _header(results: StudyResults) -> list[Html]:
    comparison = results.comparison
    what = ", ".join(
        (
            count(len(comparison.objectives), "objective"),
            count(len(comparison.seeds), "seed"),
            count(len(results.runs), "run"),
        )
    )
    written = element("time", results.created, datetime=results.created)
    return [element("h1", results.name), element("p", f"{what}. Written ", written)]


def _sections(results: StudyResults) -> list[Html]:
    return [
        section("verdict", "Verdict", *_verdict(results)),
        section("comparison", "Comparison", *_comparison(results)),
        section("scenarios", "Scenarios", scenario_bars(results)),
        section("training", "Training", training_curves(results)),
        section("norms", "Norms of hidden states", norm_distributions(results)),
        section("gold", "Reward against gold", reward_against_gold(results)),
        section("runs", "Runs", *_runs(results)),
        section("settings", "Settings", facts(results.settings)),
        section("environment", "Environment", facts(results.environment)),
        section("command", "Command", _command(results.command)),
    ]


def _verdict(results: StudyResults) -> list[Html]:
    said = verdict(results)
    findings = [element("li", sentence) for sentence in said.findings]
    return [
        element("p", said.headline, class_="headline"),
        *([element("ul", *findings)] if findings else []),
        *(element("p", sentence, class_="note") for sentence in said.caveats),
    ]


def _comparison(results: StudyResults) -> list[Html]:
    parts = [comparison_table(results), _legend(results)]
    if len(results.comparison.objectives) > 1:
        parts.append(difference_plot(results))
    return parts


def _runs(results: StudyResults) -> list[Html]:
    return [seeds_table(results), scalars_table(results), hidden_table(results)]


def _legend(results: StudyResults) -> Html:
    comparison = results.comparison
    level = percent(comparison.confidence)
    return element(
        "p",
        f"Each cell: mean and {level} interval; below, the difference to "
        f"{results.labels[comparison.baseline]} and its interval. * the interval of the difference "
        "excludes zero; ** it also holds after Holm's correction. Length alone is a scorer that "
        "only counts words; the gold score is the best there is.",
        class_="note",
    )


def _command(command: str) -> Html:
    return element(
        "pre",
        element("code", command),
        tabindex="0",
        role="region",
        aria_label="The exact command",
    )


def _asset(name: str) -> Html:
    return Html(files("trueward.report").joinpath("assets", name).read_text(encoding="utf-8"))


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError(
            'the report needs plotly, which is not installed; pip install "trueward[report]"'
        ) from None
    return str(get_plotlyjs())
