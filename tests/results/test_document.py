"""Documents that are read as they are: what is checked, what is left alone, what an error names."""

import json
import math

import pytest
from helpers import policies

from trueward.errors import DataError
from trueward.results import (
    DOCUMENTS,
    AlignDemoDocument,
    AlignDocument,
    SuiteResult,
    TrainPrompts,
    read,
    schema_of,
    write,
)


def demo():
    curve = {name: [0.0, 1.0] for name in ("step", "distance", "proxy", "gold")}
    run = {"objective": "bt", "seed": 0, "gold_best": 1, "step_best": 0, "alarms": [], "fit": None}
    return {
        "schema": "trueward.align-demo/1",
        "runs": [{**run, "curve": curve}],
        "verdict": ["bt: gold changed"],
    }


def test_a_document_comes_back_with_every_field_and_number_as_it_is(tmp_path):
    path = tmp_path / "align.json"
    document = policies.document() | {"mine": {"a": [1, None]}}
    write(document, path)
    before = path.read_bytes()
    write(read(path, AlignDocument), path)
    assert path.read_bytes() == before
    assert json.loads(before) == document


def test_undefined_numbers_are_null_in_files_and_nan_in_dataclasses(tmp_path):
    path = tmp_path / "suite.json"
    SuiteResult("s", "m", "p", (), (), {"x": math.nan, "y": math.inf}, 10, 0.95).write(path)
    assert json.loads(path.read_text())["extras"] == {"x": None, "y": None}
    assert all(map(math.isnan, SuiteResult.read(path).extras.values()))


def test_a_default_is_for_who_builds_a_document_not_for_who_writes_one(tmp_path):
    path = tmp_path / "suite.json"
    document = SuiteResult("s", "m", "p", (), (), {}, 10, 0.95).to_dict()
    del document["data"]
    path.write_text(json.dumps(document))
    assert SuiteResult.read(path).data is None
    del document["cells"]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="field 'cells' is missing"):
        SuiteResult.read(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("schema"), "field 'schema' is missing"),
        (lambda d: d.update(schema="x"), "field 'schema': expected \"trueward.align-demo/1\", got"),
        (lambda d: d.update(verdict="x"), "field 'verdict': expected a list, got \"x\""),
        (lambda d: d["runs"][0].update(seed=1.5), "'runs[0].seed': expected a whole number, got 1"),
        (lambda d: d["runs"][0].update(fit=3), "field 'runs[0].fit': expected an object, got 3"),
        (lambda d: d["runs"][0].update(gold_best=True), "expected a number or null, got true"),
        (lambda d: d["runs"][0]["curve"].pop("step"), "field 'runs[0].curve.step' is missing"),
        (
            lambda d: d["runs"][0]["curve"]["gold"].pop(),
            "field 'runs[0].curve': expected lists of one length, at least one look, got {",
        ),
    ],
)
def test_an_error_names_file_and_field_in_one_line(change, said, tmp_path):
    path = tmp_path / "demo.json"
    document = demo()
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(DataError) as raised:
        read(path, AlignDemoDocument)
    assert str(raised.value).startswith(f"{path}: field ")
    assert said in str(raised.value)
    assert str(raised.value).endswith("; mend the field, or delete the file and run again")


@pytest.mark.parametrize("value", [[], 5, None, "text"])
def test_what_is_no_object_is_refused(value, tmp_path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps(value))
    for kind in (AlignDocument, TrainPrompts):
        with pytest.raises(DataError, match=r"field '\(document\)': expected an object"):
            read(path, kind)


def test_every_type_is_known_by_its_schema():
    assert all(schema_of(kind) == schema for schema, kind in DOCUMENTS.items())
