"""Overlap of a suite's prompts with training prompts."""

import pyarrow.parquet as pq
import pytest

from trueward.data import load_rows
from trueward.errors import DataError
from trueward.suites import contamination, suite


def items(*prompts):
    rows = [{"prompt": prompt, "chosen": "a", "rejected": "b"} for prompt in prompts]
    return suite("pairs").from_rows(rows, "file")


TEN = "one two three four five six seven eight nine ten"


def test_case_space_and_punctuation_do_not_matter():
    training = ["what IS\n  the capital of france", [{"role": "user", "content": "Hi there!"}]]
    found = contamination(
        items("What is the capital of France?", "hi, there", "what is the capital of spain"),
        training,
    )
    assert found.kinds == ("exact", "exact", "none")
    assert found.overlaps == (1.0, 1.0, 0.0)


def test_near_is_the_share_of_eight_word_grams_in_one_training_prompt():
    """Ten words have three 8-grams; the changed last word breaks one, the last two break two."""
    assert contamination(items(TEN), [TEN.replace("ten", "xxx")]).overlaps == pytest.approx(
        (2 / 3,)
    )
    one_left = TEN.replace("nine ten", "x y")
    assert contamination(items(TEN), [one_left]).overlaps == pytest.approx((1 / 3,))
    found = contamination(items(TEN, TEN + " eleven"), [TEN.replace("ten", "x"), one_left])
    assert found.kinds == ("near", "near")
    assert found.overlaps == pytest.approx((2 / 3, 2 / 4))
    assert contamination(items(TEN), [one_left]).kinds == ("none",)
    assert contamination(items(TEN), [one_left], threshold=0.3).kinds == ("near",)


def test_shares_of_several_training_prompts_do_not_add_up():
    halves = [TEN.replace("nine ten", "x y"), "x y " + TEN.removeprefix("one two ")]
    assert contamination(items(TEN), halves).overlaps == pytest.approx((1 / 3,))


def test_short_prompts_can_only_be_exact():
    found = contamination(items("two words", "!!!"), ["these two words", "two words", "???"])
    assert found.kinds == ("exact", "none")


def test_summary_and_exclusion():
    found = contamination(items(TEN, "hello", "new"), ["hello", TEN + " eleven"])
    assert found.summary() == {"file": {"exact": 1, "near": 1, "none": 1}}
    assert [item.prompt[0]["content"] for item in found.clean()] == ["new"]


@pytest.mark.parametrize("threshold", [0.0, 1.5])
def test_a_threshold_out_of_range(threshold):
    with pytest.raises(DataError, match=r"expected a threshold in \(0, 1\]"):
        contamination(items("p"), [], threshold=threshold)


def test_rm_bench_chat_overlaps_alpaca_eval(real_data):
    table = pq.read_table(real_data / "alpaca_eval" / "responses.parquet", columns=["instruction"])
    training = table["instruction"].unique().to_pylist()
    chat = suite("rm-bench").load(real_data / "rmbench", read=load_rows)
    counts = contamination(chat, training).summary()
    assert counts["chat"] == {"exact": 129, "near": 0, "none": 0}
    assert counts["code"] == {"exact": 0, "near": 0, "none": 228}
