"""From folders of results to a report on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trueward.errors import InputError
from trueward.files import write_text
from trueward.report.document import check_free, report_document, write_document
from trueward.report.findings import Findings, findings
from trueward.report.markdown import markdown
from trueward.report.material import Material
from trueward.report.page import write_page
from trueward.report.reading import read_material

FORMATS = ("html", "md")


@dataclass(frozen=True)
class Written:
    """A report: what it says, and where it is."""

    material: Material
    told: Findings
    page: Path
    results: Path


def report(
    paths: Sequence[str | Path], output: Path, *, form: str = "html", overwrite: bool = False
) -> Written:
    """Read results, say what they say, write the report and `results.json` beside it.

    Args:
        paths: folders of studies, evaluations, diagnoses, best-of-n and training runs, or their
            result files, in any mix.
        output: the page or the Markdown file.
        form: `html` or `md`.
        overwrite: replace an earlier report.

    Raises:
        DataError: nothing of ours is there, or a document is not what it must be.
        OutputExistsError: the output is there already, or other results are beside it.
        InputError: an unknown form, or HTML without plotly.
    """
    if form not in FORMATS:
        raise InputError(f"--format {form}: expected {' or '.join(FORMATS)}")
    check_free(output, overwrite=overwrite)
    material = read_material(paths)
    told = findings(material)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    output.parent.mkdir(parents=True, exist_ok=True)
    if form == "html":
        write_page(material, told, output)
    else:
        write_text(markdown(material, told), output)
    beside = write_document(report_document(material, told, created=created), output)
    return Written(material, told, output, beside)
