from collections import Counter
from dataclasses import replace

import pytest
from datasets import Dataset
from helpers.tiny_tokenizers import scored_grid, turns

from trueward.data import (
    PairRule,
    assert_disjoint,
    bigram_cosine,
    load_rows,
    most_similar,
    split_scenarios,
)
from trueward.errors import DataError

SPLIT = {
    "held_out_prompts": 3,
    "held_out_sources": 4,
    "train_pairs": 30,
    "eval_pairs": 12,
    "groups_per_scenario": 5,
}


@pytest.fixture(scope="module")
def grid():
    return Dataset.from_list(scored_grid(prompts=10, sources=14))


@pytest.fixture(scope="module")
def split(grid):
    return split_scenarios(grid, **SPLIT, seed=5)


def pair_cells(pairs):
    return {
        (row["prompt_id"], row[side])
        for row in pairs
        for side in ("chosen_source", "rejected_source")
    }


def group_cells(groups):
    return {(row["prompt_id"], source) for row in groups for source in row["sources"]}


def prompts_of(cells):
    return {prompt for prompt, _ in cells}


def sources_of(cells):
    return {source for _, source in cells}


def test_the_four_scenarios_hold_out_exactly_what_they_claim(split):
    scenarios, report = split
    train = pair_cells(scenarios.train)
    in_domain = group_cells(scenarios.in_domain) | pair_cells(scenarios.in_domain_pairs)
    new_prompt = group_cells(scenarios.prompt_disjoint)
    new_source = group_cells(scenarios.response_disjoint)
    new_both = group_cells(scenarios.mutual_disjoint)
    assert prompts_of(in_domain) <= prompts_of(train)
    assert sources_of(in_domain) <= set(report.train_sources)
    assert not in_domain & train
    assert not prompts_of(new_prompt) & prompts_of(train)
    assert sources_of(new_prompt) <= set(report.train_sources)
    assert prompts_of(new_source) <= prompts_of(train)
    assert sources_of(new_source) <= set(report.held_out_sources)
    assert not prompts_of(new_both) & prompts_of(train)
    assert sources_of(new_both) <= set(report.held_out_sources)
    assert prompts_of(new_both) == prompts_of(new_prompt)
    assert not set(report.train_sources) & set(report.held_out_sources)


def test_sizes_are_as_asked_and_shortfalls_are_said(split):
    scenarios, report = split
    sizes = {name: len(groups) for name, groups in scenarios.groups().items()}
    assert sizes == {
        "in_domain": 5,
        "prompt_disjoint": 3,
        "response_disjoint": 5,
        "mutual_disjoint": 3,
    }
    assert (len(scenarios.train), len(scenarios.in_domain_pairs)) == (28, 12)
    assert (report.train_prompts, report.held_out_prompts) == (7, 3)
    assert report.sizes == {"train": 28, "in_domain_pairs": 12, **sizes}
    text = str(report)
    assert "\n" not in text
    assert "28 train of 30 asked, 3 prompt_disjoint of 5 asked, 3 mutual_disjoint" in text


def test_rows_carry_the_columns_that_scenarios_promise(split, grid):
    scenarios, _ = split
    gold = {(row["prompt_id"], row["generator"]): row for row in grid}
    for row in scenarios.train:
        assert set(row) == {
            *("prompt", "chosen", "rejected", "prompt_id"),
            *("chosen_source", "rejected_source", "chosen_score", "rejected_score"),
        }
        chosen = gold[row["prompt_id"], row["chosen_source"]]
        assert (row["chosen"], row["chosen_score"]) == (chosen["output"], chosen["score"])
        assert row["chosen_score"] > row["rejected_score"]
    for groups in scenarios.groups().values():
        for row in groups:
            assert set(row) == {"prompt", "prompt_id", "responses", "sources", "scores"}
            rows = [gold[row["prompt_id"], source] for source in row["sources"]]
            assert row["responses"] == [r["output"] for r in rows]
            assert row["scores"] == [r["score"] for r in rows]
            assert len(set(row["sources"])) == 4


def test_groups_span_the_range_of_scores():
    scores = [0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 9.0, 10.0]
    rows = [
        row | {"score": scores[row["score_index"] % 8]}
        for row in (
            r | {"score_index": int(r["generator"][1:])} for r in scored_grid(prompts=6, sources=24)
        )
    ]
    scenarios, report = split_scenarios(
        Dataset.from_list(rows),
        held_out_prompts=2,
        held_out_sources=[f"m{i}" for i in range(16, 24)],
        train_pairs=10,
        eval_pairs=10,
        group_size=4,
    )
    assert report.held_out_sources == tuple(sorted(f"m{i}" for i in range(16, 24)))
    for row in scenarios.response_disjoint:
        assert sorted(row["scores"]) == [0.0, 5.0, 9.0, 10.0]
    orders = {tuple(row["scores"]) == tuple(sorted(row["scores"])) for row in scenarios.in_domain}
    assert False in orders


def test_min_gap_holds_for_pairs_and_for_the_range_of_groups():
    rows, close = scored_grid(prompts=20, sources=14), {f"p{i}" for i in range(8)}
    for row in rows:
        row["score"] /= 100 if row["prompt_id"] in close else 1
    scenarios, report = split_scenarios(
        Dataset.from_list(rows),
        **{**SPLIT, "held_out_prompts": 10},
        min_gap=2.5,
        seed=1,
        rule=PairRule("all"),
    )
    for pairs in (scenarios.train, scenarios.in_domain_pairs):
        gaps = [p["chosen_score"] - p["rejected_score"] for p in pairs]
        assert min(gaps) > 2.5
    for groups in scenarios.groups().values():
        assert all(max(row["scores"]) - min(row["scores"]) > 2.5 for row in groups)
        assert not close & set(groups["prompt_id"])
    assert sum(count for reason, count in report.left_out.items() if "spanning" in reason) >= 4


def test_the_seed_decides_everything_and_alone(grid):
    first, again = (split_scenarios(grid, **SPLIT, seed=2) for _ in range(2))
    assert first[1] == again[1]
    for part in ("train", "in_domain_pairs", "similar_pairs", "in_domain", "mutual_disjoint"):
        assert getattr(first[0], part).to_list() == getattr(again[0], part).to_list()
    other, report = split_scenarios(grid, **SPLIT, seed=3)
    assert other.train.to_list() != first[0].train.to_list()
    assert report.held_out_sources != first[1].held_out_sources
    more, report = split_scenarios(grid, **{**SPLIT, "eval_pairs": 6}, seed=2)
    assert more.train.to_list() == first[0].train.to_list()
    assert more.mutual_disjoint.to_list() == first[0].mutual_disjoint.to_list()


def test_shares_count_as_rounded_numbers(grid):
    by_share = {**SPLIT, "held_out_prompts": 0.3, "held_out_sources": 0.29}
    _, report = split_scenarios(grid, **by_share, seed=5)
    assert (report.held_out_prompts, len(report.held_out_sources)) == (3, 4)


def test_lists_a_row_split_as_rows_do(grid):
    lists = {}
    for row in grid:
        entry = lists.setdefault(
            row["prompt_id"],
            {"prompt_id": row["prompt_id"], "prompt": row["instruction"], "completions": []},
        )
        entry["completions"].append(
            {"response": row["output"], "model": row["generator"], "score": row["score"]}
        )
    scenarios, report = split_scenarios(Dataset.from_list(list(lists.values())), **SPLIT, seed=5)
    expected, expected_report = split_scenarios(grid, **SPLIT, seed=5)
    assert scenarios.train.to_list() == expected.train.to_list()
    assert report == expected_report


def test_excluded_sources_and_repeated_responses_are_out_and_counted(grid):
    rows = grid.to_list()
    for row in rows:
        if row["generator"] == "m3":
            row["output"] = row["output"].replace("of 3", "of 2")
    scenarios, report = split_scenarios(
        Dataset.from_list(rows),
        **{**SPLIT, "held_out_sources": ["m0", "m1", "m4", "m5"]},
        exclude_sources=["m13"],
    )
    used = sources_of(pair_cells(scenarios.train))
    for groups in scenarios.groups().values():
        used |= sources_of(group_cells(groups))
    assert "m13" not in used
    assert "m3" not in used
    assert report.excluded_sources == ("m13",)
    assert report.left_out["responses of excluded sources"] == 10
    assert report.left_out["responses that repeat another to the same prompt"] == 10


def test_two_ids_of_one_prompt_are_one_prompt(grid):
    rows = grid.to_list()
    for row in rows:
        if row["prompt_id"] == "p1":
            row["instruction"] = "question 0"
    _, report = split_scenarios(Dataset.from_list(rows), **SPLIT)
    assert report.train_prompts + report.held_out_prompts == 9


def test_conversational_makes_messages_and_soft_targets_come_along(grid):
    scenarios, _ = split_scenarios(
        grid, **SPLIT, conversational=True, rule=PairRule("best_worst", soft_target_scale=5.0)
    )
    row = scenarios.train[0]
    assert row["prompt"][0]["role"] == "user"
    assert row["chosen"][0]["role"] == "assistant"
    assert 0.5 < row["target"] < 1
    group = scenarios.mutual_disjoint[0]
    assert group["prompt"] == turns(f"question {group['prompt_id'][1:]}")
    assert [r[0]["role"] for r in group["responses"]] == ["assistant"] * 4


# Disjointness


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("prompt_disjoint", {"prompt_id": "shared"}, "'prompt_disjoint' shares a prompt_id"),
        ("mutual_disjoint", {"prompt": "shared"}, "'mutual_disjoint' shares a prompt with"),
        ("response_disjoint", {"sources": ["m0", "s"]}, "'response_disjoint' shares a source"),
        ("mutual_disjoint", {"sources": ["m1", "s"]}, "'mutual_disjoint' shares a source"),
        ("in_domain", {"sources": ["m0", "s"]}, "'in_domain' shares a prompt and source"),
        (
            "in_domain_pairs",
            {"chosen_source": "m0"},
            "'in_domain_pairs' shares a prompt and source",
        ),
        ("similar_pairs", {"rejected_source": "m1"}, "'similar_pairs' shares a prompt and source"),
        ("in_domain", {"responses": ["x0", "z"]}, "'in_domain' shares a prompt and response"),
        ("response_disjoint", {"responses": ["z", "y0"]}, "shares a prompt and response"),
    ],
)
def test_each_violation_is_named(part, change, said):
    from trueward.types import Scenarios

    def pair(**more):
        row = {"prompt": "shared", "prompt_id": "shared", "chosen": "a", "rejected": "b"}
        return Dataset.from_list([row | {"chosen_source": "m8", "rejected_source": "m9"} | more])

    def group(name):
        row = {"prompt": name, "prompt_id": name, "responses": ["c", "d"], "scores": [0.0, 1.0]}
        return Dataset.from_list([row | {"sources": ["n0", "n1"]}])

    scenarios = Scenarios(
        train=pair(chosen="x0", rejected="y0", chosen_source="m0", rejected_source="m1"),
        in_domain_pairs=pair(),
        in_domain=group("shared"),
        prompt_disjoint=group("new"),
        response_disjoint=group("shared"),
        mutual_disjoint=group("new"),
        similar_pairs=pair(),
    )
    assert_disjoint(scenarios)
    changed = Dataset.from_list([getattr(scenarios, part)[0] | change])
    violating = replace(scenarios, **{part: changed})
    with pytest.raises(DataError, match=said):
        assert_disjoint(violating)
    if "prompt and source" in said:
        assert_disjoint(violating, cells=False)
    else:
        with pytest.raises(DataError, match=said):
            assert_disjoint(violating, cells=False)


# Similarity


def test_bigram_cosine_by_hand():
    # ^a ab bc c$ against ^a ab b$: two shared of four and three
    assert bigram_cosine("a b c", "a b") == pytest.approx(2 / (2 * 3**0.5))
    # counts: aa twice
    assert bigram_cosine("a a a", "a a") == pytest.approx(4 / (6 * 3) ** 0.5)
    assert bigram_cosine("A b!", "a  B !") == pytest.approx(1.0)
    assert bigram_cosine("", "") == 1.0
    assert bigram_cosine("", "a") == 0.0
    assert bigram_cosine("a b", "b a") == 0.0


def test_the_most_similar_quarter_in_the_order_of_the_data():
    others = ["a b c d", "x", "a b c e", "a b", "q", "a x c d", "w", "z"]
    pairs = Dataset.from_list([{"chosen": "a b c d", "rejected": other} for other in others])
    assert most_similar(pairs)["rejected"][:] == ["a b c d", "a b c e"]
    assert most_similar(pairs.select([1]))["rejected"][:] == ["x"]


def test_similar_pairs_are_a_quarter_of_the_in_domain_pairs(split):
    scenarios, _ = split
    similar = scenarios.similar_pairs.to_list()
    rest = [row for row in scenarios.in_domain_pairs.to_list() if row not in similar]
    assert (len(similar), len(rest)) == (3, 9)
    likeness = [
        [bigram_cosine(r["chosen"], r["rejected"]) for r in rows] for rows in (similar, rest)
    ]
    assert min(likeness[0]) >= max(likeness[1])


# Bad input


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"held_out_prompts": 10}, "holding out 10 of 10 prompts leaves nothing"),
        ({"held_out_prompts": 1.0}, "holding out 1 of 10 prompts leaves nothing"),
        ({"held_out_prompts": 0.01}, "holding out 0.01 of 10 prompts leaves nothing"),
        ({"held_out_sources": 0}, "holding out 0 of 14 sources leaves nothing"),
        ({"held_out_sources": ["m1", "m99"]}, "no source 'm99'; did you mean"),
        ({"exclude_sources": ["m99"]}, "no source 'm99'; did you mean"),
        ({"group_size": 1}, "group_size must be at least 2"),
        ({"group_size": 9}, "nothing left for 'in_domain'; lower min_gap or group_size"),
        ({"min_gap": 100.0}, "nothing left for 'train'"),
        ({"columns": {"source": "writer"}}, "no column 'writer' to serve as 'source'"),
    ],
)
def test_impossible_splits_are_refused_in_one_line(grid, options, said):
    with pytest.raises(DataError) as caught:
        split_scenarios(grid, **{**SPLIT, **options})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_without_sources_or_scores_is_refused(grid):
    with pytest.raises(DataError, match="no response has a source"):
        split_scenarios(grid.remove_columns("generator"), **SPLIT)
    with pytest.raises(DataError, match="missing columns"):
        split_scenarios(grid.remove_columns("score"), **SPLIT)
    pairs = Dataset.from_list([{"prompt": "q", "chosen": "x", "rejected": "y"}])
    with pytest.raises(DataError, match="needs scored responses with a source each"):
        split_scenarios(pairs, **SPLIT)


# Real data


def test_alpaca_eval_with_its_probes_kept_out(real_data):
    rows = load_rows(real_data / "alpaca_eval" / "responses.parquet")
    scenarios, report = split_scenarios(
        rows,
        held_out_prompts=205,
        held_out_sources=16,
        exclude_sources=["NullModel", "gpt4_gamed"],
        train_pairs=1600,
        eval_pairs=400,
        groups_per_scenario=150,
        min_gap=0.05,
        seed=0,
    )
    assert (report.train_prompts, report.held_out_prompts) == (600, 205)
    assert (len(report.train_sources), len(report.held_out_sources)) == (39, 16)
    assert report.sizes["train"] == 1600
    assert {len(groups) for groups in scenarios.groups().values()} == {150}
    assert len(scenarios.similar_pairs) == 100
    train = pair_cells(scenarios.train)
    assert sources_of(train) == set(report.train_sources)
    assert Counter(scenarios.train["prompt_id"]).most_common(1)[0][1] <= 4
    gaps = [p["chosen_score"] - p["rejected_score"] for p in scenarios.train]
    assert min(gaps) > 0.05
    for groups in scenarios.groups().values():
        assert not {"NullModel", "gpt4_gamed"} & sources_of(group_cells(groups))
        assert all(max(scores) - min(scores) > 0.05 for scores in groups["scores"])
