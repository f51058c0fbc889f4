"""Intervals, the JSON form, and the comparison of two scorers."""

import json

import numpy as np
import pytest
from datasets import Dataset

from trueward.data import load_rows
from trueward.errors import DataError, InputError
from trueward.stats import bootstrap_mean
from trueward.suites import (
    SUITES,
    SuiteResult,
    compare_suites,
    suite,
)

PAIRS, LISTS = suite("pairs"), suite("best-of-n")


def pair_items(count, prompts=None):
    return PAIRS.from_rows(
        [
            {"prompt": f"p {n % (prompts or count)}", "chosen": "a", "rejected": "b"}
            for n in range(count)
        ],
        "file",
    )


def pair_scores(wins):
    return [[1.0, 0.0] if won else [0.0, 1.0] for won in wins]


def test_the_interval_resamples_prompts_whole():
    items = pair_items(60, prompts=12)
    wins = np.random.default_rng(0).random(60) < 0.6
    result = PAIRS.judge(items, pair_scores(wins), draws=400, seed=3)
    expected = bootstrap_mean(
        wins.astype(float).tolist(), [str(n % 12) for n in range(60)], draws=400, seed=3
    )
    assert result.value == expected
    alone = bootstrap_mean(wins.astype(float).tolist(), list(map(str, range(60))), draws=400)
    assert (expected.low, expected.high) != (alone.low, alone.high)


def test_the_interval_of_a_composed_number():
    """RM-Bench's overall, worked out anew on each resampled list of prompts."""
    one, rng = suite("rm-bench"), np.random.default_rng(7)
    domains = ["chat"] * 30 + ["code"] * 20 + ["math"] * 40 + ["safety-refuse"] * 25
    rows = [
        {"id": n, "prompt": f"p {n}", "chosen": ["a"] * 3, "rejected": ["b"] * 3, "domain": domain}
        for n, domain in enumerate(domains)
    ]
    scores = rng.integers(0, 6, size=(len(rows), 6)).astype(float)
    per_item = (scores[:, :3, None] > scores[:, None, 3:]).mean(axis=(1, 2))
    names = np.array(domains)
    drawn = np.random.default_rng(11).integers(len(rows), size=(300, len(rows)))
    values = [
        np.mean([per_item[draw][names[draw] == name].mean() for name in dict.fromkeys(domains)])
        for draw in drawn
    ]
    estimate = one.judge(one.from_rows(rows, "t"), scores.tolist(), draws=300, seed=11).value
    assert (estimate.low, estimate.high) == pytest.approx(
        tuple(np.quantile(values, [0.025, 0.975]))
    )


def test_many_small_subsets_keep_a_defined_interval():
    """A draw that misses a subset masks it there, as data without it would."""
    rows = [
        {"id": n, "prompt": f"p {n}", "chosen": "a", "rejected": "b", "subset": subset}
        for n, subset in enumerate(["hep-go", "hep-js", "hep-cpp", "shp", "donotanswer"])
    ]
    one = suite("rewardbench")
    items = one.from_rows(rows, "t")
    estimate = one.judge(items, pair_scores([1, 0, 1, 0, 1]), draws=300).value
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1
    everything = one.judge(items, pair_scores([1, 1, 1, 1, 1]), draws=300).value
    assert (everything.value, everything.low, everything.high) == pytest.approx((1, 1, 1))


def test_the_json_form_comes_back_equal(tmp_path):
    items = pair_items(9)
    result = PAIRS.judge(items, pair_scores([1, 0, 1] * 3), scorer="model", draws=50)
    result.write(tmp_path / "suite.json")
    document = json.loads((tmp_path / "suite.json").read_text())
    assert document["schema"] == "trueward.suite/1"
    assert document["parts"][0]["estimate"]["value"] == pytest.approx(2 / 3)
    assert SuiteResult.read(tmp_path / "suite.json") == result
    document["cells"]["overall"]["tied"].pop()
    (tmp_path / "suite.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"field 'cells.overall.tied': expected a list of 9"):
        SuiteResult.read(tmp_path / "suite.json")


def test_a_difference_is_the_paired_bootstrap_of_the_gaps():
    rng = np.random.default_rng(5)
    items = pair_items(80)
    base = rng.random(80) < 0.5
    better = base | (rng.random(80) < 0.3)
    ours, theirs = (
        PAIRS.judge(items, pair_scores(wins), scorer=name, draws=10)
        for wins, name in ((better, "new"), (base, "old"))
    )
    (found,) = compare_suites([ours], [theirs], draws=500, seed=1)
    gaps = better.astype(float) - base
    expected = bootstrap_mean(gaps.tolist(), [i.id for i in items], draws=500, seed=1)
    assert found.estimate.value == pytest.approx(expected.value)
    assert found.estimate.low == pytest.approx(expected.low)
    assert found.estimate.high == pytest.approx(expected.high)
    assert (found.scorer, found.baseline, found.significant) == ("new", "old", True)


def test_holm_runs_over_the_suites():
    items = pair_items(40)
    lists = LISTS.from_rows(
        [{"prompt": f"p {n}", "chosen": ["a"], "rejected": ["b"]} for n in range(40)], "t"
    )
    ours = [PAIRS.judge(items, pair_scores([1] * 25 + [0] * 15), draws=10)]
    theirs = [PAIRS.judge(items, pair_scores([1] * 15 + [0] * 25), draws=10)]
    ours.append(LISTS.judge(lists, pair_scores([1, 0] * 20), draws=10))
    theirs.append(LISTS.judge(lists, pair_scores([0, 1] * 20), draws=10))
    strong, weak = compare_suites(ours, theirs, draws=500)
    assert strong.p_holm == pytest.approx(min(1.0, 2 * strong.p_value))
    assert weak.p_holm == pytest.approx(max(weak.p_value, strong.p_holm))
    assert strong.significant_holm
    assert not weak.significant


def test_only_the_same_items_are_compared():
    few, many = (PAIRS.judge(pair_items(n), pair_scores([1] * n), draws=5) for n in (3, 4))
    with pytest.raises(InputError, match="'pairs' was judged on different items"):
        compare_suites([few], [many])
    with pytest.raises(InputError, match="got pairs against nothing"):
        compare_suites([few], [])


def test_items_are_what_a_scorer_needs(tmp_path):
    """Every suite that takes a plain file gives messages, texts and ids."""
    item = PAIRS.from_rows([{"prompt": "p", "chosen": "a", "rejected": "b"}], "file")[0]
    assert item.prompt == [{"role": "user", "content": "p"}]
    assert item.responses == ("a", "b")
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    reply = [{"role": "assistant", "content": "a"}]
    row = {"prompt": [*turns, turns[0]], "chosen": reply, "rejected": reply}
    (item,) = PAIRS.from_rows([row], "file")
    assert (item.prompt, item.responses) == ([*turns, turns[0]], ("a", "a"))


def test_a_study_folder_gives_the_four_scenarios(tmp_path):
    rows = {"prompt": ["p"], "prompt_id": [1], "responses": [["a", "b"]], "scores": [[0.0, 1.0]]}
    pairs = {"prompt": ["p"], "chosen": ["a"], "rejected": ["b"]}
    for name in ("in_domain", "prompt_disjoint", "response_disjoint", "mutual_disjoint"):
        Dataset.from_dict(rows).save_to_disk(str(tmp_path / name))
    Dataset.from_dict(pairs).save_to_disk(str(tmp_path / "train"))
    items = suite("scenarios").load(tmp_path, read=load_rows)
    assert [item.subset for item in items] == [
        "in_domain",
        "mutual_disjoint",
        "prompt_disjoint",
        "response_disjoint",
    ]


def test_llmbar_reads_its_repository_without_the_judges_results(tmp_path):
    row = {"input": "q", "output_1": "a", "output_2": "b", "label": 2}
    for place, content in (
        ("Natural/dataset.json", [row]),
        ("Adversarial/Manual/dataset.json", [row, row]),
        ("Natural/evaluators/GPT-4/result.json", [{"winner": 1}]),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(json.dumps(content))
    items = suite("llmbar").load(tmp_path, read=load_rows)
    assert [item.id for item in items] == [
        "Adversarial_Manual/0",
        "Adversarial_Manual/1",
        "Natural/0",
    ]


def test_hub_tables_are_asked_for_by_split():
    asked = []

    def read(source, *, split):
        asked.append((source, split))
        return [{"id": len(asked), "prompt": "p", "chosen": "a", "rejected": "b", "subset": "shp"}]

    items = suite("rewardbench").load(read=read)
    assert asked[0] == ("allenai/reward-bench", "filtered")
    assert {split for source, split in asked if source == "allenai/preference-test-sets"} == {
        "anthropic_helpful",
        "anthropic_hhh",
        "shp",
        "summarize",
    }
    assert len(items) == 5
    asked.clear()
    pair = {"pair_id": 1, "source": "livecodebench", "question": "q", "label": "A>B"}
    pair |= {"response_A": "a", "response_B": "b"}

    def read_pair(source, *, split):
        asked.append((source, split))
        return [pair]

    suite("judgebench").load("me/judgebench", read=read_pair)
    assert asked == [("me/judgebench", "gpt")]


def test_names_are_unique():
    assert len({one.name for one in SUITES}) == len(SUITES)
