"""Which prompt a pair borrows, and how a step's pairs are dealt."""

import numpy as np
import pytest
from datasets import Dataset

from trueward.errors import DataError
from trueward.training.order import (
    BorrowingRows,
    BorrowingSampler,
    SortedSteps,
    prompt_numbers,
    with_lent_prompts,
)


def rows(prompts):
    return Dataset.from_list(
        [
            {"chosen_ids": [*p, 30 + i], "rejected_ids": [*p, 60 + i], "prompt_length": len(p)}
            for i, p in enumerate(prompts)
        ]
    )


def lent(prompts, order):
    data = rows(prompts)
    places = list(BorrowingSampler(order, prompt_numbers(data), "data"))
    assert [own for own, _ in places] == list(order)
    return [row["foreign_prompt"] for row in BorrowingRows(data).__getitems__(places)]


def test_the_next_pair_lends_its_prompt():
    prompts = [[1], [2, 2], [3], [4]]
    assert lent(prompts, [0, 1, 2, 3]) == [[2, 2], [3], [4], [1]]
    assert lent(prompts, [3, 1, 0, 2]) == [[2, 2], [1], [3], [4]]


def test_a_neighbour_with_the_same_prompt_lends_nothing():
    assert lent([[1], [1], [1], [2], [1]], [0, 1, 2, 3, 4]) == [[2], [2], [2], [1], [2]]


def test_prompts_of_equal_tokens_have_one_number_also_where_none_is_recorded():
    data = rows([[1, 2], [1], [1, 2], [2, 1]])
    numbers = prompt_numbers(data)
    assert numbers[0] == numbers[2]
    assert len(set(numbers)) == 3
    assert (prompt_numbers(data.remove_columns("prompt_length")) == numbers).all()


def test_one_prompt_for_all_is_refused():
    with pytest.raises(DataError, match="pairs: all 3 pairs have the same prompt"):
        BorrowingSampler(range(3), prompt_numbers(rows([[1]] * 3)), "pairs")


@pytest.mark.parametrize("prompts", [[1, 2, 3, 4, 5], [1, 1, 2, 2, 2], [1, 2, 2, 1, 1, 1]])
def test_a_stream_lends_too_and_loses_no_row(prompts):
    given = list(rows([[p] for p in prompts]))
    found = list(with_lent_prompts(given, "stream"))
    assert [{**row, "foreign_prompt": 0} for row in given] == [
        {**row, "foreign_prompt": 0} for row in found
    ]
    assert all(row["foreign_prompt"] != row["chosen_ids"][:1] for row in found)
    assert all(row["foreign_prompt"][0] in prompts for row in found)


def test_a_stream_of_one_prompt_is_refused():
    with pytest.raises(DataError, match="stream: all 2 pairs have the same prompt"):
        list(with_lent_prompts(rows([[1], [1]]), "stream"))


def test_a_step_keeps_its_pairs_and_deals_the_longest_first():
    lengths = np.array([5, 9, 1, 7, 3, 8, 2])
    dealt = list(SortedSteps([6, 0, 1, 2, 5, 4, 3], lengths, 3))
    assert dealt == [1, 0, 6, 5, 4, 2, 3]
    pairs = list(SortedSteps([(6, 0), (0, 6), (1, 2)], lengths, 2))
    assert pairs == [(0, 6), (6, 0), (1, 2)]
