"""`results.json` beside a report: schema `trueward.report/1`."""

from dataclasses import asdict
from pathlib import Path

from trueward.errors import DataError, InputError, OutputExistsError
from trueward.files import read_json, write_json
from trueward.report.findings import Findings
from trueward.report.material import Material
from trueward.results import ReportDocument, schema_of

FILE = "results.json"


def report_document(material: Material, found: Findings, *, created: str) -> ReportDocument:
    """The verdict, and every result it rests on as its own schema has it."""
    return {
        "schema": "trueward.report/1",
        "title": material.title,
        "created": created,
        "verdict": [asdict(one) for one in found.verdicts],
        "studies": [
            {"source": path, **results.to_dict()} for path, results in material.studies.items()
        ],
        "suites": [one.to_dict() for rows in material.suites.values() for one in rows],
        "suite_records": [{"of": name, **record} for name, record in material.records.items()],
        "suite_differences": [asdict(one) for one in found.differences],
        "diagnostics": [{"source": one.source, **one.document} for one in material.diagnoses],
        "best_of_n": [{"source": path, **one} for path, one in material.optimizations.items()],
        "runs": [asdict(one) for one in material.runs],
        "alignments": [
            {"source": one.source, "label": one.label, **one.document}
            for one in material.policies
            if one.whole
        ],
        "alignment_demos": [{"source": path, **one} for path, one in material.demos.items()],
    }


def check_free(page: Path, *, overwrite: bool) -> None:
    """Refuse to replace a report, or any other document called `results.json`.

    Raises:
        InputError: the page itself would be called so.
        OutputExistsError: something is there.
    """
    if page.name == FILE:
        raise InputError(
            f"-o {page}: a report writes {FILE} beside its page; call the page something else, "
            "such as report.html"
        )
    beside = page.with_name(FILE)
    if beside.exists() and not _is_report(beside):
        raise OutputExistsError(
            f"{beside} holds other results, and a report writes its own there; choose another "
            "folder with -o"
        )
    taken = next((path for path in (page, beside) if path.exists()), None)
    if taken is not None and not overwrite:
        raise OutputExistsError(f"{taken} is there already; choose another output, or --overwrite")


def _is_report(path: Path) -> bool:
    try:
        document = read_json(path).value
    except DataError:
        return False
    return isinstance(document, dict) and document.get("schema") == schema_of(ReportDocument)


def write_document(document: ReportDocument, page: Path) -> Path:
    """Write it beside the page; the path."""
    path = page.with_name(FILE)
    write_json(document, path)
    return path
