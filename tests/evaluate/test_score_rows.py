"""The user's own rows come back whole, with the plain class's rewards beside their fields."""

import gzip
import json

import numpy as np
import pytest
from datasets import Dataset
from helpers import benchmark_rows, checkpoints

from trueward import runs
from trueward.errors import DataError, InputError, OutputExistsError
from trueward.evaluate import ScoreSettings, read_prompts, score_rows
from trueward.scorer import Scorer

CPU = ScoreSettings(device="cpu")
TEXT = ScoreSettings(device="cpu", text=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoints.save(tmp_path_factory.mktemp("chat"))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 4)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


ROWS = [
    {"n": 1, "prompt": "w1", "response": "w2 w3", "who": {"é": [None, 1.5]}},
    {"prompt": [{"role": "user", "content": "w1"}], "responses": ["w2", "w4"], "tags": []},
    {"prompt": "w5", "chosen": [{"role": "assistant", "content": "w6"}], "rejected": "w7"},
]


def test_every_form_keeps_its_fields_and_gets_its_rewards(model, tmp_path):
    source = benchmark_rows.write(tmp_path / "in.jsonl", ROWS)
    done = score_rows(model, source, tmp_path / "out.jsonl", CPU)
    turns = [("w1", "w2 w3"), ("w1", "w2"), ("w1", "w4"), ("w5", "w6"), ("w5", "w7")]
    expected = checkpoints.plain_scores(model, [checkpoints.chat_text(*t) for t in turns])
    one, two, three = read(tmp_path / "out.jsonl")
    found = [one.pop("reward"), *two.pop("rewards")]
    found += [three.pop("chosen_reward"), three.pop("rejected_reward")]
    assert np.allclose(found, expected, atol=1e-5)
    assert [one, two, three] == ROWS
    assert (done.rows, done.lengths.responses, done.lengths.truncated) == (3, 5, 0)
    record = json.loads((tmp_path / "out.record.json").read_text())
    assert record["path"] == model
    assert record["source"] == source


def test_text_is_joined_verbatim_as_training_joins_it(model, tmp_path):
    rows = [{"prompt": "w1 w2 ", "response": "w3"}, {"prompt": "w1 w2", "response": "w3"}]
    source = benchmark_rows.write(tmp_path / "in.jsonl", rows)
    score_rows(model, source, tmp_path / "out.jsonl", TEXT)
    expected = checkpoints.plain_scores(model, ["w1 w2 w3 <eos>", "w1 w2w3 <eos>"])
    assert np.allclose([r["reward"] for r in read(tmp_path / "out.jsonl")], expected, atol=1e-5)


def test_other_files_give_the_same_rewards(model, tmp_path):
    rows = [{"prompt": f"w{n}", "response": f"w{n + 1}"} for n in range(5)]
    plain = benchmark_rows.write(tmp_path / "in.jsonl", rows)
    with gzip.open(tmp_path / "in.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write((tmp_path / "in.jsonl").read_text())
    Dataset.from_list(rows).to_parquet(tmp_path / "in.parquet")
    Dataset.from_list(rows).to_csv(tmp_path / "in.csv")
    Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    score_rows(model, plain, tmp_path / "out.jsonl", CPU)
    for name in ("in.jsonl.gz", "in.parquet", "in.csv", "saved"):
        score_rows(model, str(tmp_path / name), tmp_path / f"{name}.out.jsonl", CPU)
        assert read(tmp_path / f"{name}.out.jsonl") == read(tmp_path / "out.jsonl")


def test_interrupted_and_resumed_is_as_if_uninterrupted(model, tmp_path, monkeypatch, small_chunks):
    source = benchmark_rows.write(tmp_path / "in.jsonl", benchmark_rows.pairs(11))
    score_rows(model, source, tmp_path / "whole.jsonl", CPU)
    real, calls, told = Scorer.score_groups, [], []

    def stop(self, prompts, responses, **kwargs):
        calls.append(len(prompts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, prompts, responses, **kwargs)

    monkeypatch.setattr(Scorer, "score_groups", stop)
    out = tmp_path / "twice.jsonl"
    with pytest.raises(KeyboardInterrupt):
        score_rows(model, source, out, CPU)
    assert not out.exists()
    with pytest.raises(OutputExistsError, match="max_length was not given, now 60"):
        score_rows(model, source, out, ScoreSettings(device="cpu", max_length=60))
    changed = benchmark_rows.write(tmp_path / "in2.jsonl", benchmark_rows.pairs(10))
    with pytest.raises(OutputExistsError, match="data was sha256"):
        score_rows(model, changed, out, CPU)

    def begin(what, total, done):
        told.append((what, total, done))
        return lambda count: None

    score_rows(model, source, out, CPU, begin=begin)
    assert calls == [4, 4, 3, 3]
    assert told == [("twice.jsonl", 22, 16)]
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        score_rows(model, source, out, CPU)
    score_rows(model, changed, out, CPU, overwrite=True)
    assert len(read(out)) == 10


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "w1"}, r"row 1: expected prompt with response.*got prompt"),
        ({"response": "w1"}, r"row 1: expected prompt with"),
        ({"prompt": "w1", "chosen": "w2"}, r"row 1: expected prompt with.*got prompt, chosen"),
        ({"prompt": "w1", "response": 5}, r"row 1, field 'response': expected text or a list"),
        ({"prompt": 5, "response": "w1"}, r"row 1, field 'prompt'"),
        ({"prompt": "w1", "responses": []}, r"row 1, field 'responses': expected a list of at"),
        ({"prompt": "w1", "response": "w2", "reward": 1}, r"row 1: field 'reward' is there"),
        ({"prompt": "w1", "response": "w2 " * 80}, r"1 of 2 sequences are longer.*row 1"),
        ([1], r"row 1: expected an object"),
    ],
)
def test_bad_rows_are_found_before_anything_is_written(row, words, model, tmp_path):
    source = benchmark_rows.write(tmp_path / "in.jsonl", [{"prompt": "w1", "response": "w2"}, row])
    with pytest.raises(DataError, match=words):
        score_rows(model, source, tmp_path / "out.jsonl", CPU)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_row_that_is_not_utf8_is_named(model, tmp_path):
    good = b'{"prompt": "w1", "response": "w2"}\n'
    (tmp_path / "in.jsonl").write_bytes(good * 50 + b'{"prompt": "w\xe9", "response": "w2"}\n')
    with pytest.raises(DataError, match=r"in\.jsonl: row 50 is not UTF-8 text \(.* at byte 13\)"):
        score_rows(model, str(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", CPU)
    with gzip.open(tmp_path / "in.jsonl.gz", "wb") as stream:
        stream.write(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n") * 2)
    assert score_rows(model, str(tmp_path / "in.jsonl.gz"), tmp_path / "out.jsonl", CPU).rows == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": "w1 \ud83d"}, r"row 1, field 'prompt': character 3 .*'\\ud83d'"),
        ({"response": [{"role": "assistant", "content": "\udc00"}]}, "row 1, field 'response'"),
        ({"note": {"by": ["\ud83d"]}}, "row 1, field 'note': character 0 is half a surrogate"),
    ],
)
def test_what_cannot_be_written_again_is_refused(change, said, model, tmp_path):
    row = {"prompt": "w1", "response": "w2"}
    source = benchmark_rows.write(tmp_path / "in.jsonl", [row, row | change])
    with pytest.raises(DataError, match=said) as raised:
        score_rows(model, source, tmp_path / "out.jsonl", CPU)
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_bad_files_and_folders(model, tmp_path):
    out = tmp_path / "out.jsonl"
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "torn.jsonl").write_text('{"prompt": "w1", "response": "w2"}\n{"prompt"\n')
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt": "w\xe9", "response": "w2"}\n')
    for name, words in (
        ("empty", "no rows"),
        ("torn", "row 1 is not valid JSON"),
        ("latin", "row 0 is not UTF-8 text"),
        ("none", r"none\.jsonl: no such file"),
    ):
        with pytest.raises(DataError, match=words):
            score_rows(model, str(tmp_path / f"{name}.jsonl"), out, CPU)
    good = benchmark_rows.write(tmp_path / "in.jsonl", ROWS)
    with pytest.raises(InputError, match="there is no folder"):
        score_rows(model, good, tmp_path / "no/out.jsonl", CPU)
    assert not out.exists()


def test_rows_are_never_scored_onto_themselves(model, tmp_path):
    source = benchmark_rows.write(tmp_path / "in.jsonl", ROWS)
    before = (tmp_path / "in.jsonl").read_bytes()
    with pytest.raises(OutputExistsError, match="is where the rows come from"):
        score_rows(model, source, tmp_path / "in.jsonl", CPU, overwrite=True)
    assert (tmp_path / "in.jsonl").read_bytes() == before
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OutputExistsError, match="is a folder, not a file"):
        score_rows(model, source, tmp_path / "folder.jsonl", CPU, overwrite=True)


def test_rows_to_score_keep_all_their_fields(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "p", "responses": ["a", "b"], "note": 1}\n', encoding="utf-8")
    (row,) = read_prompts(str(file))
    assert (row.id, row.prompt, row.responses, row.where) == (0, "p", ("a", "b"), f"{file}: row 0")
    assert row.extras == {"prompt": "p", "responses": ["a", "b"], "note": 1}
