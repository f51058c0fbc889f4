"""Bad rows are named by row and field; good ones come in as they are."""

import numpy as np
import pytest
from helpers import benchmark_rows

from trueward.alignment import join_rewards, read_scores
from trueward.errors import DataError

GOOD = {"prompt": "w1", "proxy": [1, 2.5], "gold": [0, -1]}


def test_scores_are_read(tmp_path):
    rows = [GOOD, {**GOOD, "extra": 1}, {**GOOD, "prompt": "w2", "proxy": [3], "gold": [4]}]
    found = read_scores(benchmark_rows.write(tmp_path / "s.jsonl", rows))
    assert [row.tolist() for row in found.proxies["proxy"]] == [[1, 2.5], [1, 2.5], [3]]
    assert [row.tolist() for row in found.gold] == [[0, -1], [0, -1], [4]]
    assert found.prompts[0] == found.prompts[1] != found.prompts[2]
    assert found.counts == [2, 2, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"proxy": None}, r"row 1, field 'proxy': expected a list of finite numbers.*NoneType"),
        ({"proxy": [1, "2"]}, r"row 1, field 'proxy'.*got list \[1, '2'\]"),
        ({"proxy": [1, True]}, r"row 1, field 'proxy'"),
        ({"proxy": [1, float("nan")]}, r"row 1, field 'proxy'.*nan"),
        ({"proxy": []}, r"row 1, field 'proxy'"),
        ({"proxy": [1, 10**400]}, r"row 1, field 'proxy': expected a list of finite numbers"),
        ({"gold": [1]}, r"row 1, field 'gold': expected 2 numbers, as 'proxy' has; got 1"),
        ({"gold": 3}, r"row 1, field 'gold'.*got int 3"),
        ({"prompt": None}, r"row 1: expected a field 'prompt'"),
    ],
)
def test_bad_scores(change, words, tmp_path):
    source = benchmark_rows.write(tmp_path / "s.jsonl", [GOOD, GOOD | change])
    with pytest.raises(DataError, match=rf"s\.jsonl: {words}"):
        read_scores(source)


def test_rewards_of_several_models_are_joined_row_by_row(tmp_path):
    rows = [{"prompt": f"w{n}", "responses": ["x", "y"], "gold": [n, 1]} for n in range(3)]
    files = {
        name: benchmark_rows.write(
            tmp_path / f"{name}.jsonl", [row | {"rewards": [k, 2 * k]} for row in rows]
        )
        for k, name in enumerate(("a", "b"))
    }
    found = join_rewards(files)
    assert np.array_equal(found.proxies["b"], [[1, 2]] * 3)
    assert np.array_equal(found.gold, [[0, 1], [1, 1], [2, 1]])
    benchmark_rows.write(tmp_path / "b.jsonl", [row | {"rewards": [1, 2]} for row in rows[:2]])
    with pytest.raises(DataError, match="row 2: not every model has this row"):
        join_rewards(files)


def test_gold_is_of_all_rows_or_of_none(tmp_path):
    rows = [{"prompt": "w1", "responses": ["x"], "rewards": [1.0]} for _ in range(2)]
    assert join_rewards({"a": benchmark_rows.write(tmp_path / "a.jsonl", rows)}).gold is None
    rows[0]["gold"] = [1]
    source = benchmark_rows.write(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError, match=r"row 1, field 'gold': missing"):
        join_rewards({"a": source})
