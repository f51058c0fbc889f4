"""The page on result files, and their JSON Schema, are what the types say."""

import json
import runpy
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from trueward.results import DOCUMENTS

ROOT = Path(__file__).parents[2]
FROZEN = sorted((ROOT / "tests" / "goldens" / "folders").rglob("*.json"))


@pytest.mark.parametrize(("made", "suffix"), [("page", "md"), ("schemas", "json")])
def test_the_pages_are_written_from_the_types(made, suffix):
    text = runpy.run_path(str(ROOT / "tools" / "results_schema.py"))[made]()
    kept = (ROOT / "docs" / f"results-schema.{suffix}").read_text(encoding="utf-8")
    assert text == kept, "run python tools/results_schema.py"


def test_frozen_documents_fit_the_json_schema_and_damaged_ones_do_not():
    whole = json.loads((ROOT / "docs" / "results-schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(whole)
    validator = Draft202012Validator(whole)
    seen = set()
    for file in FROZEN:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("schema") not in DOCUMENTS:
            continue
        seen.add(document["schema"])
        errors = [error.message for error in validator.iter_errors(document)]
        assert not errors, f"{file}: {errors[0][:200]}"
        assert not validator.is_valid(document | {"schema": "trueward.none/1"})
        required = whole["$defs"][DOCUMENTS[document["schema"]].__name__]["required"]
        for name in required:
            damaged = {field: value for field, value in document.items() if field != name}
            assert not validator.is_valid(damaged), f"{file} without {name}"
    assert len(seen) >= 7, seen
