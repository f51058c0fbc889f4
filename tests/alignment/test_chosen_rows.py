"""The best response of each row, by the plain class's own rewards."""

import json

import pytest
from helpers import benchmark_rows, checkpoints

from trueward import runs
from trueward.alignment import select_rows
from trueward.errors import DataError, InputError, OutputExistsError
from trueward.evaluate import ScoreSettings
from trueward.scorer import Scorer

CPU = ScoreSettings(device="cpu", text=True)
ROWS = [
    {"id": n, "prompt": f"w{n} ", "responses": [f"w{n + k} w{3 * k}" for k in range(5)], "é": [n]}
    for n in range(6)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoints.save(tmp_path_factory.mktemp("rm"))


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("n", [None, 2])
def test_the_best_of_the_first_n_is_kept_with_every_other_field(n, model, tmp_path):
    source = benchmark_rows.write(tmp_path / "in.jsonl", ROWS)
    done = select_rows(model, source, tmp_path / "out.jsonl", CPU, n=n)
    assert (done.rows, done.lengths.responses) == (6, 6 * (n or 5))
    for row, found in zip(ROWS, read(tmp_path / "out.jsonl"), strict=True):
        texts = [row["prompt"] + response + " <eos>" for response in row["responses"][:n]]
        rewards = checkpoints.plain_scores(model, texts)
        best = rewards.index(max(rewards))
        assert found.pop("response") == row["responses"][best]
        assert found.pop("response_index") == best
        assert found.pop("reward") == pytest.approx(max(rewards), abs=1e-5)
        assert found == {k: v for k, v in row.items() if k != "responses"}


def test_of_equals_the_first_wins(model, tmp_path):
    rows = [{"prompt": "w1 ", "responses": ["w2", "w2", "w2"]}]
    source = benchmark_rows.write(tmp_path / "in.jsonl", rows)
    select_rows(model, source, tmp_path / "out.jsonl", CPU)
    assert read(tmp_path / "out.jsonl")[0]["response_index"] == 0


def test_interrupted_and_resumed_is_as_if_uninterrupted(model, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 2)
    source = benchmark_rows.write(tmp_path / "in.jsonl", ROWS)
    select_rows(model, source, tmp_path / "whole.jsonl", CPU)
    real, calls = Scorer.score_groups, []

    def stop(self, prompts, responses, **kwargs):
        calls.append(len(prompts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, prompts, responses, **kwargs)

    monkeypatch.setattr(Scorer, "score_groups", stop)
    out = tmp_path / "twice.jsonl"
    with pytest.raises(KeyboardInterrupt):
        select_rows(model, source, out, CPU)
    with pytest.raises(OutputExistsError, match="n was not given, now 2"):
        select_rows(model, source, out, CPU, n=2)
    select_rows(model, source, out, CPU)
    assert calls == [2, 2, 2, 2]
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        select_rows(model, source, out, CPU)
    select_rows(model, source, out, CPU, n=1, overwrite=True)
    assert {row["response_index"] for row in read(out)} == {0}


@pytest.mark.parametrize(
    ("row", "n", "words"),
    [
        ({"prompt": "w1", "response": "w2"}, None, r"row 1: expected a field 'responses'"),
        ({"prompt": "w1", "responses": ["w2"]}, 2, r"row 1, field 'responses': expected at least"),
        ({"prompt": "w1", "responses": ["w2"], "reward": 1}, None, r"row 1: field 'reward' is"),
        ({"prompt": "w1", "responses": "w2"}, None, r"row 1, field 'responses': expected a list"),
    ],
)
def test_bad_rows_are_found_before_anything_is_written(row, n, words, model, tmp_path):
    source = benchmark_rows.write(tmp_path / "in.jsonl", [ROWS[0], row])
    with pytest.raises(DataError, match=words):
        select_rows(model, source, tmp_path / "out.jsonl", CPU, n=n)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("taken", ["in.jsonl", "out.jsonl", "out.jsonl.part", "out.record.json"])
def test_the_source_is_never_an_output(taken, model, tmp_path, monkeypatch):
    source = tmp_path / ("out.jsonl" if taken == "in.jsonl" else taken)
    benchmark_rows.write(source, ROWS)
    before = source.read_bytes()
    (tmp_path / "in.jsonl").symlink_to(source)
    monkeypatch.setattr(Scorer, "score_groups", None)  # nothing may be scored
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError, match="is where the rows come from"):
            select_rows(
                model,
                str(tmp_path / "in.jsonl"),
                tmp_path / "out.jsonl",
                CPU,
                overwrite=overwrite,
            )
    assert source.read_bytes() == before


def test_n_is_at_least_one(model, tmp_path):
    with pytest.raises(InputError, match="at least 1, got 0"):
        select_rows(model, "in.jsonl", tmp_path / "out.jsonl", CPU, n=0)
