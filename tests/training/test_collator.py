from collections.abc import Collection
from dataclasses import fields, is_dataclass
from itertools import chain
from types import SimpleNamespace

import pytest
import torch

from trueward.training import RewardTrainer
from trueward.training.batch import PairCollator, passes_of, with_idle_passes
from trueward.training.order import prompt_length
from trueward.training.step import parts_of


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


def test_foreign_rows_are_chosen_responses_under_the_lent_prompt():
    rows = [{**row, "foreign_prompt": [90 + i]} for i, row in enumerate(ROWS)]
    foreign = PairCollator(0)(rows)["input_ids"][10:, :3].tolist()
    assert foreign == [[90 + i, 30 + i, 0] for i in range(5)]


def test_a_foreign_prompt_too_long_for_its_response_loses_its_start():
    rows = [
        row([1, 2, 3, 4], [5], [6], prompt_length=4, foreign_prompt=[7]),
        row([7], [8] * 3, [9], prompt_length=1, foreign_prompt=[1, 2, 3, 4]),
    ]
    batch = PairCollator(0, max_length=5)(rows)
    assert batch["input_ids"][4:].tolist() == [[7, 5, 0, 0, 0], [1, 4, 8, 8, 8]]


def test_passes_hold_each_pair_once_within_the_tokens():
    rows = [
        row([1], [2] * size, [3], weight=size, foreign_prompt=[4]) for size in (3, 9, 1, 6, 2, 30)
    ]
    batch = PairCollator(0, batch_tokens=40, trees=True)(rows)
    places = [one["place"] for one in batch["passes"]]
    assert sorted(chain(*places)) == [*range(6)]
    assert places[0] == [5]  # too long for any other beside it
    for one in batch["passes"]:
        assert int(one["attention_mask"].sum()) <= 40 or len(one["place"]) == 1
        assert one["weight"].tolist() == [rows[i]["weight"] for i in one["place"]]
        chosen = one["input_ids"][: len(one["place"])]
        assert [(ids == 2).sum().item() for ids in chosen] == one["weight"].tolist()
        assert one["trees"].tokens < int(one["attention_mask"].sum())
    whole = PairCollator(0)(rows)
    assert torch.equal(batch["input_ids"], whole["input_ids"])
    assert "passes" not in PairCollator(0, batch_tokens=1000)(rows)


def test_a_batch_moves_as_a_whole(tmp_path):
    """On the meta device, which every tensor of a batch must reach."""
    rows = [{**row, "foreign_prompt": [90 + i], "margin": 1.0} for i, row in enumerate(ROWS)]
    batch = PairCollator(0, trees=True, batch_tokens=12)(rows)
    kind = type("Meta", (RewardTrainer,), {"__init__": lambda self: None})
    trainer = kind()
    trainer.args = SimpleNamespace(device=torch.device("meta"))

    def tensors(value):
        if isinstance(value, torch.Tensor):
            return [value]
        if is_dataclass(value):
            value = {f.name: getattr(value, f.name) for f in fields(value)}
        members = value.values() if isinstance(value, dict) else value
        return [t for m in members for t in tensors(m)] if isinstance(members, Collection) else []

    assert len(tensors(batch)) > 20
    assert {t.device.type for t in tensors(batch)} == {"cpu"}
    moved = tensors(trainer._prepare_inputs(batch))
    assert len(moved) == len(tensors(batch))
    assert {t.device.type for t in moved} == {"meta"}
    assert {t.dtype for t in moved} == {torch.int64, torch.float32}


def test_prompt_is_the_common_prefix_where_nothing_is_recorded():
    assert prompt_length(row([1, 2, 3], [4], [5])) == 3
    assert prompt_length({"chosen_ids": [1, 2], "rejected_ids": [1, 2, 3]}) == 2
    assert prompt_length(row([1, 2], [3, 4], [3, 5], prompt_length=2)) == 2


def test_columns_of_the_data_come_along():
    batch = PairCollator(0)([{**r, "margin": i, "target": 0.5} for i, r in enumerate(ROWS)])
    assert batch["margin"].tolist() == [0, 1, 2, 3, 4]
    assert batch["target"].dtype == torch.float32
    assert "weight" not in batch


@pytest.mark.parametrize("tokens", [None, 12])
def test_idle_passes_count_nothing(tokens):
    batch = PairCollator(0, batch_tokens=tokens)(ROWS)
    own = len(passes_of(batch))
    assert with_idle_passes(batch, own) is batch
    longer = with_idle_passes(batch, own + 2)
    state = SimpleNamespace(end_of_dataloader=False, remainder=0)
    parts = parts_of([longer, batch], SimpleNamespace(gradient_state=state, process_index=0))
    assert len(parts) == 2 * own + 2
    assert [part.kept for part in parts] == [None] * own + [[], []] + [None] * own
    assert all(part.batch["input_ids"].numel() for part in parts)
