"""Training prompts, from wherever they are known, among the items of a suite."""

import json

import pytest
from datasets import Dataset
from helpers import benchmark_rows

from trueward.errors import DataError
from trueward.evaluate import (
    contamination,
    exposures,
    known_prompts,
    load_task,
    training_prompts,
)
from trueward.suites import (
    prompt_hash,
    read_train_prompts,
    write_train_prompts,
)

LONG = " ".join(f"word{n}" for n in range(16))
NEAR = LONG.replace("word15", "other")
PROMPTS = ["Is it raining?", LONG, "something else"]


@pytest.fixture
def task(tmp_path):
    rows = [{"id": n, "prompt": p, "chosen": "a", "rejected": "b"} for n, p in enumerate(PROMPTS)]
    return load_task("pairs", benchmark_rows.write(tmp_path / "bench.jsonl", rows))


def kinds(task, prompts):
    (one,) = exposures([task], [prompts])
    return list(one.contamination.kinds)


@pytest.mark.parametrize(
    "rows",
    [
        [{"prompt": "is it RAINING"}, {"prompt": NEAR}],
        [{"question": "is it raining"}, {"question": NEAR}],
        [{"prompt": [{"role": "user", "content": p}]} for p in ("is it raining", NEAR)],
        [
            {
                "chosen": f"\n\nHuman: {p}\n\nAssistant: a",
                "rejected": f"\n\nHuman: {p}\n\nAssistant: b",
            }
            for p in ("is it raining", NEAR)
        ],
    ],
)
def test_training_data_of_any_form(rows, task, tmp_path):
    source = benchmark_rows.write(tmp_path / "train.jsonl", rows)
    (one,) = exposures([task], [training_prompts(source)])
    assert list(one.contamination.kinds) == ["exact", "near", "none"]
    assert one.ids == {"0", "1"}
    assert one.document() == {
        "source": source,
        "suite": "pairs",
        "subsets": {"bench": {"exact": 1, "near": 1, "none": 1}},
    }


def test_a_run_names_its_training_data(task, tmp_path):
    source = benchmark_rows.write(tmp_path / "train.jsonl", benchmark_rows.pairs(2, prompt=LONG))
    run = tmp_path / "rm"
    (run / "checkpoint-7").mkdir(parents=True)
    job = {"dataset_name": source, "dataset_train_split": "train", "dataset_config": None}
    (run / "train.json").write_text(json.dumps({"job": job, "finished": True}))
    for model in (run, run / "checkpoint-7"):
        known, notices = known_prompts([str(model)], [])
        assert [one.source for one in known] == [source]
        assert kinds(task, known[0]) == ["none", "exact", "none"]
        assert notices == []
    assert kinds(task, training_prompts(str(run))) == ["none", "exact", "none"]
    job["dataset_name"] = str(tmp_path / "gone.jsonl")
    (run / "train.json").write_text(json.dumps({"job": job, "finished": True}))
    known, (notice,) = known_prompts([str(run)], [])
    assert known == []
    assert "not checked" in notice
    assert "gone.jsonl" in notice
    job["dataset_name"] = None  # the gold world, in which nothing is real
    (run / "train.json").write_text(json.dumps({"job": job, "finished": True}))
    assert known_prompts([str(run)], []) == ([], [])


def test_a_run_is_known_by_its_data_and_by_its_hashes(task, tmp_path):
    """`trueward train` leaves both: hashes alone would miss near-duplicates."""
    source = benchmark_rows.write(tmp_path / "train.jsonl", benchmark_rows.pairs(2, prompt=NEAR))
    run = tmp_path / "rm"
    run.mkdir()
    write_train_prompts(["is it raining"], run)
    job = {"dataset_name": source, "dataset_train_split": "train", "dataset_config": None}
    (run / "train.json").write_text(json.dumps({"job": job, "finished": True}))
    for known in (known_prompts([str(run)], [])[0][0], training_prompts(str(run))):
        assert known.source == source
        assert kinds(task, known) == ["exact", "near", "none"]
    joined, _ = known_prompts([str(run)], [source])  # one source, named twice
    assert [kinds(task, one) for one in joined] == [["exact", "near", "none"]]
    job["dataset_name"] = str(tmp_path / "gone.jsonl")
    (run / "train.json").write_text(json.dumps({"job": job, "finished": True}))
    (known,), notices = known_prompts([str(run)], [])
    assert (known.source, notices) == (str(run / "train_prompts.json"), [])
    (one,) = exposures([task], [known])
    assert one.near_checked is False
    assert one.document()["subsets"] == {"bench": {"exact": 1, "near": None, "none": 2}}


def test_splits_and_configurations_are_sources_of_their_own(task, tmp_path, monkeypatch):
    rows = Dataset.from_list([{"prompt": "is it raining"}])
    asked = []

    def load(source, *, split, config):
        asked.append((source, split, config))
        return rows

    monkeypatch.setattr(contamination, "load_rows", load)
    runs = []
    for split, config in (("train", None), ("train_sft", None), ("train", "math")):
        runs.append(tmp_path / f"rm{len(runs)}")
        runs[-1].mkdir()
        job = {"dataset_name": "org/d", "dataset_train_split": split, "dataset_config": config}
        (runs[-1] / "train.json").write_text(json.dumps({"job": job, "finished": True}))
    known, _ = known_prompts([*map(str, runs), str(runs[0])], [])
    assert [one.source for one in known] == ["org/d", "org/d[train_sft]", "org/d:math"]
    assert asked[1:3] == [("org/d", "train_sft", None), ("org/d", "train", "math")]


def test_hashes_beside_a_checkpoint_find_exact_prompts(task, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    write_train_prompts(["Is it  raining", "is it raining!", NEAR], model)
    document = json.loads((model / "train_prompts.json").read_text())
    assert document["schema"] == "trueward.train_prompts/1"
    assert document["hashes"] == sorted(document["hashes"])
    assert len(document["hashes"]) == 2
    (known,), _ = known_prompts([str(model)], [])
    found = exposures([task], [known])[0].contamination
    assert found.kinds == ("exact", "none", "none")
    assert found.overlaps == (1.0, 0.0, 0.0)
    both, _ = known_prompts([str(model), str(model)], [])
    assert len(both) == 1


def test_a_hash_is_of_folded_words_in_their_order():
    assert prompt_hash("Is it, raining?") == prompt_hash(
        [{"role": "user", "content": "is it RAINING"}]
    )
    assert prompt_hash("it is raining") != prompt_hash("is it raining")
    assert len(prompt_hash("x")) == 16


def test_prompts_that_are_not_there(task, tmp_path):
    ids = benchmark_rows.write(
        tmp_path / "ids.jsonl", [{"chosen_ids": [1, 2], "rejected_ids": [1, 3]}]
    )
    with pytest.raises(DataError, match="no prompts as text"):
        training_prompts(ids)
    with pytest.raises(DataError, match="prompt"):
        training_prompts(benchmark_rows.write(tmp_path / "x.jsonl", [{"prompt": 4}]))
    with pytest.raises(DataError, match=r"train_prompts\.json"):
        read_train_prompts(tmp_path)
    (tmp_path / "train_prompts.json").write_text('{"schema": "other"}')
    with pytest.raises(DataError, match="train_prompts/1"):
        training_prompts(str(tmp_path))
