import pytest
from datasets import Dataset

from trueward.data import flip_labels
from trueward.errors import DataError


def _pairs(count=40):
    return Dataset.from_dict(
        {
            "prompt": [f"q{i}" for i in range(count)],
            "chosen": [f"good {i}" for i in range(count)],
            "rejected": [f"bad {i}" for i in range(count)],
            "chosen_score": [1.0] * count,
            "rejected_score": [0.0] * count,
            "chosen_ids": [[i] for i in range(count)],
            "rejected_ids": [[i, i] for i in range(count)],
            "margin": [0.5] * count,
            "target": [0.9] * count,
        }
    )


def test_flipped_pairs_change_sides_wholly_and_the_others_stay():
    pairs = _pairs()
    flipped, count = flip_labels(pairs, 0.25, seed=1)
    assert count == sum(flipped["flipped"]) == 10
    swapped = {"chosen": "rejected", "chosen_score": "rejected_score", "chosen_ids": "rejected_ids"}
    swapped |= {right: left for left, right in swapped.items()}
    for old, new in zip(pairs, flipped, strict=True):
        names = swapped if new.pop("flipped") else {}
        assert new == {name: old[names.get(name, name)] for name in old}
    assert flipped.features["chosen_ids"] == pairs.features["chosen_ids"]


def test_flips_are_seeded_and_spread():
    pairs = _pairs()
    first, again, other = (flip_labels(pairs, 0.5, seed)[0]["flipped"][:] for seed in (1, 1, 2))
    assert first == again != other
    assert 0 < sum(first[:20]) < 20


@pytest.mark.parametrize(("rate", "count"), [(0.0, 0), (1.0, 40), (0.01, 0), (0.02, 1)])
def test_the_rate_is_met_exactly(rate, count):
    assert flip_labels(_pairs(), rate, seed=0)[1] == count


def test_bad_flips_are_refused():
    with pytest.raises(DataError, match=r"in \[0, 1\], got 1.5"):
        flip_labels(_pairs(), 1.5, seed=0)
    with pytest.raises(DataError, match="flipped once only"):
        flip_labels(flip_labels(_pairs(), 0.1, seed=0)[0], 0.1, seed=0)
    with pytest.raises(DataError, match="missing column 'rejected_score'"):
        flip_labels(_pairs().remove_columns("rejected_score"), 0.1, seed=0)
    with pytest.raises(DataError, match="missing column 'chosen'"):
        flip_labels(Dataset.from_dict({"prompt": ["q"]}), 0.1, seed=0)
