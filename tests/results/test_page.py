"""The page on result files is what the types say."""

import re
import runpy
from pathlib import Path

from trueward.results import DOCUMENTS

ROOT = Path(__file__).parents[2]


def test_the_page_is_written_from_the_types():
    made = runpy.run_path(str(ROOT / "tools" / "results_schema.py"))["page"]()
    kept = (ROOT / "docs" / "results-schema.md").read_text(encoding="utf-8")
    assert made == kept, "run python tools/results_schema.py"


def test_every_schema_has_a_section_and_every_link_a_target():
    text = (ROOT / "docs" / "results-schema.md").read_text(encoding="utf-8")
    heads = re.findall(r"^###? (.*)$", text, re.MULTILINE)
    assert {f"`{schema}`" for schema in DOCUMENTS} <= set(heads)
    assert len(heads) == len(set(heads))
    anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
    assert set(re.findall(r"\(#([^)]*)\)", text)) <= anchors
