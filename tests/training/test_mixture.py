"""Several data sets are joined by weight, held out by prompt, and counted each."""

import json
from collections import Counter

import numpy as np
import pytest
import trl
import yaml
from datasets import Dataset
from helpers import tiny_data, tiny_models

from trueward.cli import main
from trueward.data.mixture import Source, drawn, joined, sources_of
from trueward.errors import DataError, InputError
from trueward.training.data import job_data


def pairs(name, count, first=0):
    """Pairs whose prompts are numbered from `first`."""
    return Dataset.from_dict(
        {
            "prompt": [f"{number} " for number in range(first, first + count)],
            "chosen": [f"{name} good"] * count,
            "rejected": [f"{name} bad"] * count,
        }
    )


def write(folder, name, rows):
    rows.to_json(folder / name)
    return str(folder / name)


def script(given, **more):
    return trl.ScriptArguments(dataset_name=given, **more)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 1.0, "b": 1.0}, {"a": 40, "b": 40}),
        ({"a": 0.75, "b": 0.25}, {"a": 100, "b": 33}),
        ({"a": 3.0, "b": 6.0}, {"a": 20, "b": 40}),
        ({"a": 100.0, "b": 1.0}, {"a": 100, "b": 1}),
    ],
)
def test_weights_are_shares_of_the_pairs_and_none_is_drawn_twice(weights, expected):
    whole, lost = joined([("a", pairs("a", 100)), ("b", pairs("b", 40))])
    found = drawn(whole, weights, seed=1)
    assert lost == []
    assert Counter(found["dataset"]) == expected
    assert len(set(zip(found["dataset"], found["prompt"], strict=True))) == len(found)
    assert drawn(whole, weights, seed=1).to_list() == found.to_list()
    if min(expected.values()) > 1:
        assert drawn(whole, weights, seed=2).to_list() != found.to_list()


def test_a_draw_is_fair():
    whole, _ = joined([("a", pairs("a", 30)), ("b", pairs("b", 10))])
    seen = Counter()
    for seed in range(150):
        found = drawn(whole, {"a": 1.0, "b": 1.0}, seed)
        seen.update(p for p, d in zip(found["prompt"], found["dataset"], strict=True) if d == "a")
    # of 150 draws each pair is in a third; the standard deviation is 5.8
    assert len(seen) == 30
    assert max(abs(count - 50) for count in seen.values()) < 24


def test_columns_that_one_lacks_are_named():
    more = pairs("a", 3).add_column("margin", [1.0, 2.0, 3.0]).add_column("prompt_id", [1, 2, 3])
    other = pairs("b", 2).add_column("prompt_id", ["x", "y"])
    whole, lost = joined([("a", more), ("b", other)])
    assert lost == ["margin", "prompt_id"]
    assert whole.column_names == ["prompt", "chosen", "rejected", "dataset"]


def test_text_and_messages_do_not_mix(tmp_path):
    said = [{"role": "assistant", "content": "x"}]
    other = Dataset.from_list([{"prompt": said, "chosen": said, "rejected": said}])
    with pytest.raises(DataError, match="pairs of one form; here a has text, b has messages"):
        joined([("a", pairs("a", 3)), ("b", other)])


def test_a_prompt_held_out_of_one_is_trained_on_in_none(tmp_path):
    a = write(tmp_path, "a.jsonl", pairs("a", 200))
    b = write(tmp_path, "b.jsonl", pairs("b", 150, first=100))
    data = job_data(script([a, {"name": b}]), seed=3)
    assert Counter(data.train["dataset"]) + Counter(data.held_out["dataset"]) == {
        "a.jsonl": 200,
        "b.jsonl": 150,
    }
    assert not set(data.train["prompt"]) & set(data.held_out["prompt"])
    assert 17 <= len(data.held_out) <= 18
    assert {*data.held_out["dataset"]} == {"a.jsonl", "b.jsonl"}
    assert any("17 training pairs held out" in n or "18 training" in n for n in data.notices)


def test_a_test_split_is_held_out_beside_a_share_of_the_others(tmp_path):
    from datasets import DatasetDict

    DatasetDict(train=pairs("s", 50, 500), test=pairs("t", 7, 900)).save_to_disk(tmp_path / "s")
    a = write(tmp_path, "a.jsonl", pairs("a", 100))
    data = job_data(
        script([{"name": str(tmp_path / "s"), "weight": 1}, {"name": a, "weight": 1}]), seed=0
    )
    assert Counter(data.held_out["dataset"]) == {"s": 7, "a.jsonl": 5}
    assert Counter(data.train["dataset"]) == {"s": 50, "a.jsonl": 50}
    assert data.notices[-1] == (
        "mixture: s 50 of 50 pairs (weight 1), a.jsonl 50 of 95 pairs (weight 1)"
    )


def test_prompts_of_one_test_split_are_taken_from_the_others(tmp_path):
    from datasets import DatasetDict

    DatasetDict(train=pairs("s", 50, 500), test=pairs("t", 7, 96)).save_to_disk(tmp_path / "s")
    a = write(tmp_path, "a.jsonl", pairs("a", 100))
    data = job_data(script([str(tmp_path / "s"), a]), seed=0)
    assert not set(data.train["prompt"]) & set(data.held_out["prompt"])
    assert "4 training pairs left out, whose prompts are in a test split" in data.notices


def test_one_prompt_alone_cannot_be_held_out(tmp_path):
    rows = pairs("a", 5).map(lambda row: {"prompt": "same "})
    with pytest.raises(DataError, match="all 5 pairs have one prompt, so none can be held out"):
        job_data(script(write(tmp_path, "a.jsonl", rows)), seed=0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"name": "a", "wieght": 1}], "data set 0: unknown key 'wieght'; did you mean 'weight'"),
        ([{"name": "a", "weight": 0}], "data set 0: expected a weight above 0, got 0"),
        (["a", {"weight": 1}], "data set 1: expected a name, or a mapping with 'name'"),
        ([{"name": "a", "weight": 1}, "b"], "weights for some data sets only"),
        (["a", "a"], "'a' is there twice"),
        ([], "expected a name or a list"),
    ],
)
def test_a_wrong_list_is_refused_in_one_line(given, said):
    with pytest.raises(DataError, match=said):
        sources_of(given)


def test_streaming_is_refused_by_the_job():
    with pytest.raises(InputError, match="--dataset_streaming: prompts are held out"):
        job_data(script("a", dataset_streaming=True), seed=0)


def test_a_list_takes_its_defaults_from_the_flags():
    assert sources_of(["a", {"name": "b", "split": "half"}], split="part", config="c") == [
        Source("a", split="part", config="c"),
        Source("b", split="half", config="c"),
    ]


def test_a_mixture_in_yaml_is_trained_counted_and_judged_by_source(tmp_path, capsys):
    base = str(tmp_path / "base")
    tiny_models.save_base(tiny_models.DECODERS["llama"], base)
    tiny_data.tokenizer().save_pretrained(base)
    first = write(tmp_path, "first.jsonl", tiny_data.pairs(60))
    alike = {"prompt": "w1 ", "chosen": "w2", "rejected": "w2"}
    second = Dataset.from_list([*tiny_data.pairs(40, seed=7), alike])
    values = {
        "model_name_or_path": base,
        "dataset_name": [
            {"name": first, "weight": 0.5},
            {"name": write(tmp_path, "second.jsonl", second), "weight": 0.5},
        ],
        "max_steps": 2,
        "gradient_checkpointing": False,
        "output_dir": str(tmp_path / "rm"),
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    assert main(["train", "--config", str(tmp_path / "c.yaml"), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    by_name = {one["dataset"]: one for one in out["sources"]}
    assert by_name["second.jsonl"]["left_out"] == {"rows with identical responses": 1}
    assert {one["weight"] for one in by_name.values()} == {0.5}
    assert by_name["first.jsonl"]["trained"] == by_name["second.jsonl"]["trained"] > 30
    judged = {name: one["held_out"] for name, one in by_name.items() if one["held_out"]}
    assert sum(judged.values()) == out["counts"]["accuracy"] == 5
    accuracy = [out["held_out"][f"accuracy ({name})"]["value"] for name in judged]
    whole = np.average(accuracy, weights=list(judged.values()))
    assert out["held_out"]["accuracy"]["value"] == pytest.approx(whole)
    assert any(notice.startswith("mixture: first.jsonl ") for notice in out["notices"])
    card = (tmp_path / "rm" / "README.md").read_text()
    assert "## Data sets" in card
    assert "| second.jsonl | 0.5 | 41 | 40 |" in card
    assert f"dataset_name | {first}, " in card
    assert main(["report", str(tmp_path / "rm"), "--output", str(tmp_path / "r.html")]) == 0
    assert "pairs by data set" in (tmp_path / "r.html").read_text()
