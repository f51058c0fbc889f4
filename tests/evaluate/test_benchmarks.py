"""Scores are the plain class's; what was interrupted goes on; what differs is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import benchmark_rows, checkpoints

from trueward import runs
from trueward.errors import DataError, InputError, ModelError, OutputExistsError
from trueward.evaluate import ScoreSettings, evaluate, load_task
from trueward.scorer import Scorer
from trueward.suites import SuiteResult

CPU = ScoreSettings(device="cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoints.save(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def textual(tmp_path_factory):
    return checkpoints.save(tmp_path_factory.mktemp("text"), chat=None)


@pytest.fixture
def data(tmp_path):
    return benchmark_rows.write(tmp_path / "mine.jsonl", benchmark_rows.pairs(10))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 4)


def score_rows_of(folder, name="m", stem="pairs"):
    lines = (folder / name / f"{stem}.scores.jsonl").read_text().splitlines()
    return {row["id"]: row["scores"] for row in map(json.loads, lines)}


def stop_after(monkeypatch, chunks):
    """Ctrl-C during the chunk after so many."""
    real, calls = Scorer.score_groups, []

    def score_groups(self, *args, **kwargs):
        calls.append(len(args[0]))
        if len(calls) > chunks:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Scorer, "score_groups", score_groups)
    return calls


@pytest.mark.parametrize("name", benchmark_rows.NAMES)
def test_each_benchmark_from_its_own_format_to_a_result(name, model, tmp_path):
    place, items, responses = benchmark_rows.write_suite(name, tmp_path)
    told = []

    def begin(what, total, done):
        told.append((total, done))
        return lambda count: told.append(count)

    (one,) = evaluate(
        {"m": model}, {}, [load_task(name, place)], CPU, tmp_path / "out", begin=begin
    )
    scored = score_rows_of(tmp_path / "out", stem=name)
    assert list(scored) == [item.id for item in one.task.items]
    assert told[0] == (responses, 0)
    assert sum(told[1:]) == responses == sum(map(len, scored.values()))
    expected = checkpoints.plain_scores(
        model,
        [
            "".join(f"{m['role']} {m['content']} <eos> " for m in item.prompt)
            + f"assistant {response} <eos> "
            for item in one.task.items
            for response in item.responses
        ],
    )
    assert np.allclose([s for row in scored.values() for s in row], expected, atol=1e-5)
    again = one.task.suite.judge(one.task.items, list(scored.values()), scorer="m")
    assert SuiteResult.read(one.path).to_dict() == again.to_dict() | {"data": one.task.digest}
    assert len(one.task.items) == items
    assert again.primary in {part.name for part in again.parts}


def test_text_has_a_seam_where_there_is_no_white_space(textual, tmp_path):
    rows = [
        {"prompt": "w1 w2", "chosen": "w3", "rejected": " w4"},
        {"prompt": "w5 ", "chosen": "w6", "rejected": "w7 w8"},
    ]
    task = load_task("pairs", benchmark_rows.write(tmp_path / "t.jsonl", rows))
    evaluate({"m": textual}, {}, [task], CPU, tmp_path / "out")
    texts = ["w1 w2\n\nw3 <eos>", "w1 w2 w4 <eos>", "w5 w6 <eos>", "w5 w7 w8 <eos>"]
    scored = score_rows_of(tmp_path / "out")
    found = [score for row in scored.values() for score in row]
    assert np.allclose(found, checkpoints.plain_scores(textual, texts), atol=1e-5)


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_interrupted_and_resumed_is_as_if_uninterrupted(
    chunks, model, data, tmp_path, monkeypatch, small_chunks
):
    task = load_task("pairs", data)
    evaluate({"m": model}, {}, [task], CPU, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(patch, chunks)
        with pytest.raises(KeyboardInterrupt):
            evaluate({"m": model}, {}, [task], CPU, tmp_path / "twice")
    part = tmp_path / "twice/m/pairs.scores.jsonl.part"
    assert (part.read_text().count("\n") if part.exists() else 0) == 4 * chunks
    assert not (tmp_path / "twice/m/pairs.json").exists()
    if part.exists():
        with part.open("a") as stream:
            stream.write('{"id": "torn", "sco')
    with monkeypatch.context() as patch:
        calls = stop_after(patch, 99)
        evaluate({"m": model}, {}, [task], CPU, tmp_path / "twice")
    assert calls == [4, 4, 2][chunks:]
    for name in ("pairs.scores.jsonl", "pairs.json", "pairs.record.json"):
        assert (tmp_path / "twice/m" / name).read_bytes() == (
            tmp_path / "whole/m" / name
        ).read_bytes()
    assert not part.exists()


def test_records_tell_settings_and_facts_which_are_no_part_of_the_identity(model, data, tmp_path):
    task, scores = load_task("pairs", data), tmp_path / "s.jsonl"
    first = {"command": "trueward eval a", "environment": {"torch": "1"}}
    evaluate({"m": model}, {}, [task], CPU, tmp_path / "out", facts=first)
    scores.write_text((tmp_path / "out/m/pairs.scores.jsonl").read_text())
    second = {"command": "trueward eval b", "environment": {"torch": "2"}}
    evaluate({"m": model}, {"s": str(scores)}, [task], CPU, tmp_path / "out", facts=second)
    records = [json.loads((tmp_path / f"out/{n}/pairs.record.json").read_text()) for n in "ms"]
    assert [one["command"] for one in records] == ["trueward eval a", "trueward eval b"]
    assert [one["environment"] for one in records] == [{"torch": "1"}, {"torch": "2"}]
    assert records[0]["settings"]["device"] == "cpu"
    assert not {"command", "environment", "settings", "device"} & records[0]["made_of"].keys()


def test_what_is_finished_is_read_without_the_model(model, data, tmp_path, monkeypatch):
    task = load_task("pairs", data)
    (first,) = evaluate({"m": model}, {}, [task], CPU, tmp_path)

    def refuse(self, path):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(ScoreSettings, "load", refuse)
    (again,) = evaluate({"m": model}, {}, [task], CPU, tmp_path)
    assert again.result.to_dict() == first.result.to_dict()
    first.path.unlink()
    (third,) = evaluate({"m": model}, {}, [task], CPU, tmp_path)
    assert third.result.to_dict() == first.result.to_dict()


def test_what_was_made_of_something_else_is_refused_by_name(
    model, textual, data, tmp_path, monkeypatch, small_chunks
):
    task, out = load_task("pairs", data), tmp_path / "out"
    other = load_task("pairs", benchmark_rows.write(tmp_path / "o.jsonl", benchmark_rows.pairs(9)))
    cut = ScoreSettings(device="cpu", truncation="truncate_left", max_length=9)
    attempts = [
        (textual, task, CPU, "model was sha256"),
        (model, other, CPU, "data was sha256"),
        (model, task, cut, "max_length was not given, now 9; truncation was not given"),
    ]

    def check():
        for path, what, settings, words in attempts:
            with pytest.raises(OutputExistsError, match=words):
                evaluate({"m": path}, {}, [what], settings, out)

    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            evaluate({"m": model}, {}, [task], CPU, out)
    check()
    evaluate({"m": model}, {}, [task], CPU, out)
    before = (out / "m/pairs.json").read_bytes()
    check()
    assert (out / "m/pairs.json").read_bytes() == before
    (done,) = evaluate({"m": model}, {}, [task], cut, out, overwrite=True)
    assert done.truncated > 0
    assert done.result.cells != {}
    assert json.loads((out / "m/pairs.record.json").read_text())["truncated"] == done.truncated


def test_a_result_without_its_record_is_not_trusted(model, data, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/pairs.json").write_text("{}")
    with pytest.raises(OutputExistsError, match=r"pairs\.record\.json"):
        evaluate({"m": model}, {}, [load_task("pairs", data)], CPU, tmp_path)


def test_scored_rows_serve_as_a_score_file(model, data, tmp_path):
    task = load_task("pairs", data)
    (one,) = evaluate({"m": model}, {}, [task], CPU, tmp_path)
    file = str(tmp_path / "m/pairs.scores.jsonl")
    (same,) = evaluate({}, {"theirs": file}, [task], CPU, tmp_path)
    assert same.result.cells == one.result.cells
    assert (same.label, same.truncated) == ("theirs", None)
    limited = load_task("pairs", data, limit=3)
    (part,) = evaluate({}, {"theirs": file}, [limited], CPU, tmp_path)
    assert [p.n for p in part.result.parts] == [3, 3]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_read_is_never_replaced(overwrite, model, data, tmp_path):
    out = tmp_path / "out"
    evaluate({"m": model}, {}, [load_task("pairs", data)], CPU, out)
    (tmp_path / "link.jsonl").symlink_to(out / "m/pairs.scores.jsonl")
    (out / "n").mkdir()
    (out / "n/pairs.scores.jsonl").write_text(Path(data).read_text())
    before = {path: path.read_bytes() for path in sorted(out.rglob("*.*"))}
    scores, rows = str(tmp_path / "link.jsonl"), str(out / "n/pairs.scores.jsonl")
    for judged, source, said in (
        (({}, {"m": scores}), data, scores),
        (({"n": model}, {}), rows, rows),
    ):
        with pytest.raises(InputError, match=f"{said} is to be read, and results would replace it"):
            evaluate(*judged, [load_task("pairs", source)], CPU, out, overwrite=overwrite)
    assert {path: path.read_bytes() for path in sorted(out.rglob("*.*"))} == before


def test_a_score_file_that_lacks_items_is_named_before_anything_is_written(data, tmp_path):
    scores = benchmark_rows.write(tmp_path / "s.jsonl", [{"id": "mine/0", "scores": [1, 2]}])
    with pytest.raises(DataError, match=r"s\.jsonl: scores: none for 10 of 10 items"):
        evaluate({}, {"s": scores}, [load_task("pairs", data)], CPU, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_long_is_an_error_before_scoring_unless_it_is_to_be_cut(model, data, tmp_path):
    task = load_task("pairs", data)
    tight = ScoreSettings(device="cpu", max_length=9)
    with pytest.raises(DataError, match=r"\d+ of 20 sequences are longer than max_length=9"):
        evaluate({"m": model}, {}, [task], tight, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_that_are_none(data, tmp_path):
    task = load_task("pairs", data)
    with pytest.raises(ModelError, match="no folder of a model, and no hub name"):
        evaluate({"x": str(tmp_path / "none")}, {}, [task], CPU, tmp_path / "out")
    with pytest.raises(InputError, match="no such device"):
        ScoreSettings(device="abacus").load(str(tmp_path))
    assert not (tmp_path / "out").exists()


def test_limits_take_the_first_of_each_subset_and_mark_the_files(tmp_path):
    rows = [{**row, "subset": "ab"[n % 3 == 0]} for n, row in enumerate(benchmark_rows.pairs(9))]
    task = load_task("pairs", benchmark_rows.write(tmp_path / "t.jsonl", rows), limit=2)
    assert [item.id for item in task.items] == ["0", "1", "2", "3"]
    assert (task.stem, task.partial) == ("pairs.first-2", "first 2 of each subset only")
    less = task.without({"1"})
    assert (less.stem, [item.id for item in less.items]) == (
        "pairs.first-2.uncontaminated",
        ["0", "2", "3"],
    )
    assert less.excluded == 1
    assert less.digest != task.digest
    with pytest.raises(DataError, match="none is left"):
        task.without({"0", "1", "2", "3"})


def test_a_suite_without_hub_data_asks_for_a_path():
    with pytest.raises(DataError, match="--data hhh=PATH"):
        load_task("hhh")
