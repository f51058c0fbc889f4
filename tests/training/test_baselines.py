import pytest
from datasets import Dataset

from trueward.training.study_plan import baselines
from trueward.types import Scenarios


def scenarios(longer_is_better: bool) -> Scenarios:
    long, short = "one two three", "one"
    chosen, rejected = (long, short) if longer_is_better else (short, long)
    row = {"chosen": [chosen], "rejected": [rejected]}
    scores = {"chosen_score": [2.0], "rejected_score": [1.0]}
    pairs = Dataset.from_dict({"prompt": ["p"], "prompt_id": ["0"], **row, **scores})
    flipped = {"chosen": [short, long], "rejected": [long, short]}
    both = {"chosen_score": [2.0, 2.0], "rejected_score": [1.0, 1.0]}
    held_out = Dataset.from_dict({"prompt": ["p"] * 2, "prompt_id": ["0", "1"], **flipped, **both})
    group = Dataset.from_dict(
        {
            "prompt": ["p"],
            "prompt_id": ["0"],
            "responses": [["a", "a b", "a b c", "a b c d"]],
            "sources": [["w", "x", "y", "z"]],
            "scores": [[1.0, 2.0, 4.0, 3.0]],
        }
    )
    return Scenarios(pairs, held_out, group, group, group, group)


@pytest.mark.parametrize("longer_is_better", [True, False])
def test_length_takes_the_sign_that_fits_training_and_oracle_is_the_gold(longer_is_better):
    found = baselines(scenarios(longer_is_better))
    sign = 1 if longer_is_better else -1
    # five of six pairs of the group are in order of length: tau = (5 - 1) / 6
    assert found["length"]["tau_in_domain"] == pytest.approx(sign * 4 / 6)
    assert found["length"]["accuracy_in_domain"] == 0.5
    assert found["oracle"]["tau_mutual_disjoint"] == pytest.approx(1.0)
    assert found["oracle"]["accuracy_in_domain"] == 1.0
    assert "accuracy_similar" not in found["length"]
