"""The findings of a report: its verdicts, what they rest on, and the document of both."""

from dataclasses import asdict, dataclass
from pathlib import Path

from trueward.errors import DataError, InputError
from trueward.files import read_json
from trueward.report.blocks import Verdict
from trueward.report.diagnosis import diagnosis_verdict
from trueward.report.material import Material
from trueward.report.policies import policies_verdict
from trueward.report.studies import study_verdict
from trueward.report.suites import suites_verdict
from trueward.report.training_runs import runs_verdict
from trueward.results import ReportDocument, check_schema, schema_of
from trueward.runs import check_free, refuse
from trueward.suites import Compared, SuiteDifference, compare_models

FILE = "results.json"
"""The document, which lies beside the page."""


@dataclass(frozen=True)
class Findings:
    """Verdicts, subject by subject."""

    verdicts: tuple[Verdict, ...]
    differences: tuple[SuiteDifference, ...]
    """Of suites, corrected for all at once."""


def findings(material: Material) -> Findings:
    """Return a verdict a subject, the surest kind of evidence first."""
    compared = compare_models(material.suites) if material.suites else Compared((), ())
    verdicts = [study_verdict(results) for results in material.studies.values()]
    if material.suites:
        verdicts.append(suites_verdict(material.suites, compared))
    verdicts += [diagnosis_verdict(one) for one in material.diagnoses]
    if material.runs:
        verdicts.append(runs_verdict(material.runs))
    if material.policies:
        verdicts.append(policies_verdict(material.policies, list(material.demos.values())))
    return Findings(tuple(verdicts), compared.differences)


def report_document(material: Material, found: Findings, *, created: str) -> ReportDocument:
    """Return the verdict, and every result it rests on as its own schema has it."""
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


def check_outputs(page: Path, *, overwrite: bool) -> None:
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
        why = "holds other results, and a report writes its own there"
        refuse(beside, f"{why}; choose another folder with -o")
    check_free(page, beside, overwrite=overwrite)


def _is_report(path: Path) -> bool:
    try:
        check_schema(read_json(path), schema_of(ReportDocument))
    except DataError:
        return False
    return True
