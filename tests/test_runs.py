"""Folders are claimed, rows are gone on with, and nothing of others is replaced."""

import json

import pytest

from trueward import runs
from trueward.errors import InputError, OutputExistsError
from trueward.runs import RowFile, Run, RunKind, begin_record, check_same


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 3)
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


def test_an_interrupted_write_goes_on_with_what_is_missing(file):
    asked, told = [], []

    def make(items, advance):
        if 7 in items and len(asked) < 6:
            raise KeyboardInterrupt
        asked.extend(items)
        advance(10 * len(items))
        return [{"square": item**2} for item in items]

    def write():
        return file.write(
            range(8), make, {"of": 1}, {"settings": 2}, size=lambda item: 10, begin=begin
        )

    def begin(done):
        told.append(done)
        return told.append

    with pytest.raises(KeyboardInterrupt):
        file.write(iter([0, 1, 2, 7]), make, {"of": 1}, begin=begin)
    assert (asked, told) == ([0, 1, 2], [0, 30])
    assert not file.finished({"of": 1})
    asked.clear()
    told.clear()
    asked.extend([None] * 6)
    assert write() == 8
    assert asked[6:] == [3, 4, 5, 6, 7]
    assert told == [30, 30, 20]
    assert [row["square"] for row in file.rows()] == [item**2 for item in range(8)]
    assert file.finished({"of": 1})
    assert json.loads(file.record.read_text())["settings"] == 2
    with pytest.raises(OutputExistsError, match="of was 1, now 2"):
        file.finished({"of": 2})
    file.remove()
    assert not file.finished({"of": 2})


KIND = RunKind(
    document="run.json",
    identity="job",
    option="-o",
    foreign="holds something else",
    finished="is done",
    other="holds another",
    marks=[("run.json", "job")],
)


def test_a_folder_is_free_or_holds_this_run_unfinished(tmp_path):
    run = Run(tmp_path / "run", KIND)
    run.claim({"seed": 1})
    run.folder.mkdir()
    run.claim({"seed": 1})
    (run.folder / "mine.txt").write_text("x")
    with pytest.raises(OutputExistsError, match=r"run holds something else$"):
        run.claim({"seed": 1})
    with pytest.raises(OutputExistsError, match="holds nothing of ours"):
        run.remove()
    document = run.folder / "run.json"
    for broken in ("{", "[]", '{"job": {"seed": 1}}'):
        document.write_text(broken)
        with pytest.raises(OutputExistsError, match=r"run holds something else$"):
            run.claim({"seed": 1})
    document.write_text(json.dumps({"job": {"seed": 1, "decay": None}, "finished": False}))
    run.claim({"seed": 1, "decay": float("nan")})
    run.claim({"seed": 1, "a setting of a later version": None})
    with pytest.raises(OutputExistsError, match=r"run holds another$"):
        run.claim({"seed": 2})
    document.write_text(json.dumps({"job": {"seed": 1}, "finished": True}))
    with pytest.raises(OutputExistsError, match=r"run is done$"):
        run.claim({"seed": 1})
    run.claim({"seed": 2}, overwrite=True)
    run.remove()
    assert not run.folder.exists()
    run.folder.write_text("")
    with pytest.raises(OutputExistsError, match="is a file, not a folder; choose another -o"):
        run.claim({"seed": 1})


def test_what_is_written_aside_takes_the_place_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(FileNotFoundError), runs.written_aside(folder) as aside:
        (aside / "half").write_text((aside / "missing").read_text())
    assert list(tmp_path.iterdir()) == []
    for text in "12":
        with runs.written_aside(folder) as aside:
            (aside / text).write_text(text)
    assert [path.name for path in folder.iterdir()] == ["2"]
    assert list(tmp_path.iterdir()) == [folder]


def test_only_checkpoints_that_were_written_to_their_end_count(tmp_path):
    for step, whole in ((2, True), (10, True), (12, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / ("trainer_state.json" if whole else "model.safetensors")).write_text("{}")
    assert runs.last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert runs.last_checkpoint(tmp_path, "other.json") is None


def test_files_that_are_read_are_not_written(tmp_path):
    source, link = tmp_path / "in.jsonl", tmp_path / "link.jsonl"
    source.write_text("")
    link.symlink_to(source)
    with pytest.raises(OutputExistsError, match="is where the rows come from"):
        runs.check_apart(str(source), tmp_path / "other", link)
    with pytest.raises(OutputExistsError, match="is a folder, not a file"):
        runs.check_apart(str(source), tmp_path)
    with pytest.raises(InputError, match="is to be read, and results would replace it"):
        runs.check_inputs_stay([None, str(source)], [link])
    with pytest.raises(OutputExistsError, match="is there already"):
        runs.check_free(tmp_path / "free", source, overwrite=False)
    runs.check_free(source, overwrite=True)
