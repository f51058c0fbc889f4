import torch

from trueward.training.batch import PairCollator, other_prompts, prompt_length


def row(prompt, chosen, rejected, **more):
    return {"chosen_ids": prompt + chosen, "rejected_ids": prompt + rejected, **more}


ROWS = [row([10 + i, 20 + i], [30 + i], [40 + i, 50 + i], prompt_length=2) for i in range(5)]


def test_layout_is_chosen_then_rejected_padded_on_the_right():
    batch = PairCollator(0)(ROWS[:2])
    assert batch["input_ids"].tolist() == [
        [10, 20, 30, 0],
        [11, 21, 31, 0],
        [10, 20, 40, 50],
        [11, 21, 41, 51],
    ]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0]] * 2 + [[1] * 4] * 2


def test_foreign_rows_are_chosen_responses_under_other_prompts():
    seen = set()
    for shift in range(5):
        rows = ROWS[shift:] + ROWS[:shift]
        foreign = PairCollator(0, foreign=True)(rows)["input_ids"][10:, :3].tolist()
        responses = [f[2] - 30 for f in foreign]
        assert responses == [(i + shift) % 5 for i in range(5)]
        prompts = [f[0] - 10 for f in foreign]
        assert sorted(prompts) == [0, 1, 2, 3, 4]
        assert all(p != r for p, r in zip(prompts, responses, strict=True))
        seen.add(tuple((p - r) % 5 for p, r in zip(prompts, responses, strict=True)))
    assert len(seen) > 1


def test_the_draw_depends_on_the_rows_alone():
    draws = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        draws.append(other_prompts(ROWS))
    assert draws[0] == draws[1]


def test_equal_prompts_are_not_foreign_to_each_other():
    rows = [row([1, 2], [i], [i + 1], prompt_length=2) for i in (30, 40)] + [
        row([1, 3], [50], [60], prompt_length=2)
    ]
    partners = other_prompts(rows)
    assert partners[0] == partners[1] == 2
    assert partners[2] in (0, 1)


def test_a_foreign_prompt_too_long_for_its_response_loses_its_start():
    rows = [row([1, 2, 3, 4], [5], [6], prompt_length=4), row([7], [8] * 3, [9], prompt_length=1)]
    batch = PairCollator(0, foreign=True, max_length=5)(rows)
    assert batch["input_ids"][4:].tolist() == [[7, 5, 0, 0, 0], [1, 4, 8, 8, 8]]


def test_a_pair_alone_keeps_its_own_prompt():
    batch = PairCollator(0, foreign=True)(ROWS[:1])
    assert batch["input_ids"][2].tolist() == batch["input_ids"][0].tolist()


def test_prompt_is_the_common_prefix_where_nothing_is_recorded():
    assert prompt_length(row([1, 2, 3], [4], [5])) == 3
    assert prompt_length({"chosen_ids": [1, 2], "rejected_ids": [1, 2, 3]}) == 2
    assert prompt_length(row([1, 2], [3, 4], [3, 5], prompt_length=2)) == 2


def test_columns_of_the_data_come_along():
    batch = PairCollator(0)([{**r, "margin": i, "target": 0.5} for i, r in enumerate(ROWS)])
    assert batch["margin"].tolist() == [0, 1, 2, 3, 4]
    assert batch["target"].dtype == torch.float32
    assert "weight" not in batch
