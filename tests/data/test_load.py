import gzip
import json

import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import Dataset, DatasetDict

from trueward.data import load_rows
from trueward.errors import DataError

ROWS = [
    {"prompt": "p0", "chosen": "42", "rejected": 'a, "b"\nc', "margin": 1.5},
    {"prompt": "p1", "chosen": "é", "rejected": "", "margin": 2.0},
]


def _lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _csv(rows):
    quoted = ['"' + str(v).replace('"', '""') + '"' for row in rows for v in row.values()]
    width = len(rows[0])
    lines = [",".join(quoted[i : i + width]) for i in range(0, len(quoted), width)]
    return "\n".join([",".join(rows[0]), *lines]).encode()


def _parquet(rows):
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


WRITERS = {
    "rows.jsonl": _lines,
    "lines.json": _lines,
    "list.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "bom.json": lambda rows: b"\xef\xbb\xbf" + json.dumps(rows).encode(),
    "rows.csv": _csv,
    "rows.parquet": _parquet,
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_file_format_gives_the_same_rows(tmp_path, name, packed):
    data = WRITERS[name](ROWS)
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert load_rows(path).to_list() == ROWS
    assert load_rows(str(path)).to_list() == ROWS


def test_save_to_disk_folders_and_objects(tmp_path):
    rows = Dataset.from_list(ROWS)
    rows.save_to_disk(tmp_path / "one")
    DatasetDict(train=rows, test=rows.select([1])).save_to_disk(tmp_path / "two")
    assert load_rows(tmp_path / "one").to_list() == ROWS
    assert load_rows(tmp_path / "two", split="test").to_list() == ROWS[1:]
    assert load_rows(tmp_path / "two", split="train+test").to_list() == [*ROWS, ROWS[1]]
    assert load_rows(DatasetDict(test=rows), split="test").to_list() == ROWS
    assert load_rows(rows, split="whatever") is rows


def test_a_folder_of_data_files_is_read_as_datasets_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_bytes(_lines(ROWS))
    assert load_rows(tmp_path / "data").to_list() == ROWS


@pytest.mark.parametrize(
    ("split", "expected"), [("train[:1]", ROWS[:1]), ("train[50%:]", ROWS[1:]), ("train", ROWS)]
)
def test_a_split_may_be_a_slice(tmp_path, split, expected):
    (tmp_path / "rows.jsonl").write_bytes(_lines(ROWS))
    assert load_rows(tmp_path / "rows.jsonl", split=split).to_list() == expected


def test_keys_that_only_later_rows_have_are_kept(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(_lines([{"a": 1}, {"a": 2, "b": "x"}]))
    rows = load_rows(tmp_path / "rows.jsonl")
    assert rows.to_list() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


def test_line_separators_inside_text_do_not_end_a_row(tmp_path):
    row = {"chosen": "one\u2028two\u0085three"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert load_rows(tmp_path / "rows.jsonl").to_list() == [row]


def _refused(path, **options):
    with pytest.raises(DataError) as caught:
        load_rows(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b"\n \n", "no rows"),
        ("a.json", b"[]", "no rows"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"chosen,rejected\n", "no rows"),
        ("a.parquet", b"", "Parquet"),
        ("a.parquet", b"not parquet", "Parquet"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "row 1 is not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "row 1: expected an object with named fields, got list"),
        ("a.json", b'[{"a": 1}, 7]', "row 1: expected an object with named fields, got int 7"),
        ("a.json", b'[{"a": 1},\n{"a" 2}]', "line 2 is not valid JSON"),
        ("a.jsonl", b'{"s": 1}\n{"s": 2.5}\n{"s": "x"}\n', "row 2, field 's': str 'x'"),
        ("a.jsonl", b'{"s": null}\n{"s": "x"}\n{"s": ["x"]}\n', "row 2, field 's': list"),
        ("a.csv", b"chosen,rejected\na,b\nc\n", "Expected 2 columns, got 1"),
        ("a.csv", b"prompt,score\na,1\nb,high\n", "'high'"),
        ("a.jsonl", b'{"a": "\xff"}', "not UTF-8"),
        ("a.csv", b"note,chosen\na,b\nd\xe9j\xe0,c\n", "line 3 is not UTF-8 text"),
        ("a.json", b'[{"a": 1}, {"a": 2, "b": {"c": "\\udc00"}}]', "row 1, field 'b'"),
        ("a.jsonl.gz", b"not gzip", "damaged gzip"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}' * 99, mtime=0)[:20], "damaged gzip"),
        ("a.txt", b"x", "ending in .json, .jsonl, .csv, .parquet"),
        ("plain", b"x", "ending in"),
        (".gz", b"x", "ending in"),
    ],
)
def test_unreadable_files_are_named_in_one_line(tmp_path, name, data, said):
    path = tmp_path / name
    path.write_bytes(data)
    message = _refused(path)
    assert said in message
    assert str(path) in message


def test_the_row_of_a_wrong_type_is_found_deep_in_a_long_file(tmp_path):
    rows = [{"chosen": "x", "score": 1.0} for _ in range(1000)]
    rows[617]["score"] = {"of": 1}
    (tmp_path / "long.jsonl").write_bytes(_lines(rows))
    assert "row 617, field 'score'" in _refused(tmp_path / "long.jsonl")


def test_unknown_splits_and_missing_files(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(_lines(ROWS))
    assert "no split 'test'; it has train" in _refused(tmp_path / "rows.jsonl", split="test")
    assert "no split 'train[:x]'" in _refused(tmp_path / "rows.jsonl", split="train[:x]")
    assert "has no rows" in _refused(tmp_path / "rows.jsonl", split="train[:0]")
    assert "no such file or folder" in _refused(tmp_path / "absent.jsonl")
    assert "no such file or folder" in _refused("absent.csv.gz")
    two = tmp_path / "two"
    DatasetDict(train=Dataset.from_list(ROWS)).save_to_disk(two)
    assert f"{two}: no split 'test'; it has train" in _refused(two, split="test")
    (two / "train" / "state.json").write_text("{")
    assert "not a readable save_to_disk folder" in _refused(two)


def test_a_hub_name_that_cannot_be_fetched_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    assert _refused("no-such-organisation/no-such-data").startswith(
        "no-such-organisation/no-such-data: no file, folder or readable hub data set"
    )
