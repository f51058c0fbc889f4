"""Only whole chunks count; what rows were made of must be the same."""

import json

import pytest

from trueward.errors import OutputExistsError
from trueward.evaluate import row_file
from trueward.evaluate.row_file import RowFile, begin_record, check_same


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(row_file, "CHUNK", 3)
    return RowFile(tmp_path / "rows.jsonl", tmp_path / "rows.record.json")


@pytest.mark.parametrize(
    ("written", "kept"),
    [(b"", 0), (b"{}\n{}\n", 0), (b"{}\n{}\n{}", 0), (b"{}\n{}\n{}\n", 3), (b"{}\n" * 5, 3)],
)
def test_what_is_behind_the_last_whole_chunk_is_cut_off(written, kept, file):
    file.part.write_bytes(written)
    assert file.resume() == kept
    assert file.part.read_bytes() == b"{}\n" * kept
    assert list(file.rows()) == [{}] * kept


def test_rows_are_appended_and_named_when_finished(file):
    assert (file.resume(), list(file.rows())) == (0, [])
    file.append([{"a": "é"}, {"a": float("nan")}])
    file.append([{"a": 0.1}])
    assert list(file.rows()) == [{"a": "é"}, {"a": None}, {"a": 0.1}]
    file.finish()
    assert not file.part.exists()
    assert file.path.read_text(encoding="utf-8") == '{"a": "é"}\n{"a": null}\n{"a": 0.1}\n'


def test_what_differs_is_named(file):
    with pytest.raises(OutputExistsError, match=r"is there, but not rows\.record\.json"):
        check_same(file.path, file.record, {})
    begin_record(file.record, {"model": "a", "text": None}, {"path": "p"})
    check_same(file.path, file.record, {"model": "a", "text": None})
    with pytest.raises(OutputExistsError, match="model was a, now b; text was not given, now True"):
        check_same(file.path, file.record, {"model": "b", "text": True})
    with pytest.raises(OutputExistsError, match="extra was not given, now 1"):
        check_same(file.path, file.record, {"model": "a", "text": None, "extra": 1})
    file.record.write_text(json.dumps(["mine"]))
    with pytest.raises(OutputExistsError, match="which says what it was made of"):
        check_same(file.path, file.record, {})
