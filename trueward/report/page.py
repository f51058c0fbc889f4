"""The report: results in, one page out that opens anywhere without a network."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from trueward.errors import InputError
from trueward.files import JsonField, write_text
from trueward.report.findings import Findings, findings
from trueward.report.html import Html, element, join, section
from trueward.report.material import Material
from trueward.report.numbers import count, listed
from trueward.report.sections import Section, sections
from trueward.results import StudyResults

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)
"""The browser itself refuses any request."""


def write_report(results: StudyResults | Mapping[str, Any], path: Path | str) -> None:
    """Write one study as a self-contained HTML page: verdict, tables, plots, settings, command.

    Args:
        results: a study's results, or the document in its `results.json`.
        path: the page; written aside, then renamed.

    Raises:
        InputError: if plotly is not installed.
        DataError: if the document lacks a field or one is of another type.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.parse(JsonField(dict(results), "results"))
    material = Material(studies={results.name: results})
    write_page(material, findings(material), path)


def write_page(material: Material, told: Findings, path: Path | str) -> None:
    """Write any mix of results as such a page. Raises InputError if plotly is not installed."""
    write_text(page(material, told, _plotly()), path)


def page(material: Material, told: Findings, plotly: str) -> Html:
    """The whole page, with plotly.js's source in it."""
    kind = "study" if material.only_studies else "report"
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", f"{material.title} – Trueward {kind}"),
        element("style", _asset("report.css")),
    )
    parts = sections(material, told)
    body = element(
        "body",
        element("a", "Skip to the verdict", href="#verdict", class_="skip"),
        element("header", *_header(material), _contents(parts)),
        element("main", *(section(one.identifier, one.title, *one.children) for one in parts)),
        element("script", Html(plotly)),
        element("script", _asset("report.js")),
    )
    return join(Html("<!doctype html>\n"), element("html", head, body, lang="en"), Html("\n"))


def _header(material: Material) -> list[Html]:
    parts = []
    for results in material.studies.values():
        counts = (len(results.comparison.objectives), len(results.comparison.seeds))
        nouns = zip((*counts, len(results.runs)), ("objective", "seed", "run"), strict=True)
        name = "" if material.only_studies and len(material.studies) == 1 else f"{results.name}: "
        written = element("time", results.created, datetime=results.created)
        words = name + ", ".join(count(*pair) for pair in nouns)
        parts.append(element("p", f"{words}. Written ", written))
    others = {
        "model on suites": len(material.suites),
        "diagnosis": len(material.diagnoses),
        "best-of-n comparison": len(material.optimizations),
        "training run": len(material.runs),
        "trained policy": len(material.policies),
    }
    plural = {"model on suites": "models on suites", "diagnosis": "diagnoses"}
    plural["trained policy"] = "trained policies"
    there = [
        f"{n} {plural.get(noun, noun + 's') if n > 1 else noun}" for noun, n in others.items() if n
    ]
    if there:
        parts.append(element("p", listed(there) + "."))
    return [element("h1", material.title), *parts]


def _contents(parts: Sequence[Section]) -> Html:
    links = [element("li", element("a", one.title, href=f"#{one.identifier}")) for one in parts]
    return element("nav", element("ul", *links), aria_label="Contents")


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
